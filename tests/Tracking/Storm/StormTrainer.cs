using System.Globalization;
using NotebookLib.Data;
using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tests.Training;
using NotebookLib.Tracking;
using NotebookLib.Training;

namespace NotebookLib.Tests.Tracking.Storm;

/// <summary>
/// The process that <see cref="StormTests"/> starts and kills: a tracked training that goes on where an earlier one stopped. Explicit, so that no test run
/// meets it alone.
/// </summary>
public sealed class StormTrainer
{
    public const string UrlVariable = "STORM_URL";
    public const string FolderVariable = "STORM_FOLDER";
    public const string UpdatesVariable = "STORM_UPDATES";

    /// <summary>What the training itself knows of its rows, whatever becomes of the tracking.</summary>
    public const string TruthFile = "truth.txt";

    /// <summary>Seconds of the run per second: ten minutes of outage are a second and a half.</summary>
    public const double Faster = 400;

    [Fact(Explicit = true)]
    public async Task Train()
    {
        var url = Environment.GetEnvironmentVariable(UrlVariable);
        Assert.SkipWhen(url is null, $"started by {nameof(StormTests)}");
        var folder = Environment.GetEnvironmentVariable(FolderVariable)!;
        await using var run = TrackedRun.Start(Settings(url!, folder), clock: new ScaledClock(Faster));
        using var tiny = new TinyRun();
        using var model = tiny.LoadModel();
        using var tracking = new TrackingObserver(run, model.Config);
        using var truth = new Truth(Path.Combine(folder, TruthFile));
        var settings = tiny.Settings with
        {
            MaximumUpdates = int.Parse(Environment.GetEnvironmentVariable(UpdatesVariable)!, CultureInfo.InvariantCulture),
            LogEvery = 1,
            EvaluateEvery = 40,
            SaveEvery = 25,
            OutputFolder = Path.Combine(folder, "model"),
            ExistingRun = ExistingRun.Resume,
        };
        new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings, tracking, truth).Train(TestContext.Current.CancellationToken);
        await run.FinishAsync(cancel: TestContext.Current.CancellationToken);
    }

    /// <summary>The settings of trainer and sync alike.</summary>
    public static TrackingSettings Settings(string url, string folder) => new()
    {
        Mode = TrackingMode.Online,
        Key = TrackingSettings.KeyOf(FakeWandbServer.Key),
        BaseUrl = url,
        Project = "storm",
        RunId = "storm",
        Name = "storm",
        Resume = ResumeMode.Allow,
        Directory = folder,
        LogModel = LogModel.Checkpoint,
        Notice = Console.Out.WriteLine,
    };

    /// <summary>Writes each row down after the tracker had it; one line is one write, so a kill loses no line that was told.</summary>
    private sealed class Truth(string path) : ITrainingObserver, IDisposable
    {
        private readonly FileStream _file = new(path, FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);

        public void StepLogged(LoggedStep logged)
        {
            _file.Write(System.Text.Encoding.UTF8.GetBytes(Invariant($"{logged.Update} {logged.Loss:R} {logged.GradientNorm:R}\n")));
            // A step of a real model takes longer than one of the tiny's; and the storm needs time.
            Thread.Sleep(20);
        }

        public void Dispose() => _file.Dispose();
    }
}
