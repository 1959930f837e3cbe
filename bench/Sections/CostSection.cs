using System.Diagnostics;
using System.Globalization;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Reports;
using NotebookLib.Display;
using NotebookLib.Tracking;
using NotebookLib.Training;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// What watching a training costs: processor time of all threads for each logged update and for each second of a run, live panel and offline tracking on, over
/// the processor time that a step of base takes. Told in numbers of its own, since half a per cent drowns in the noise of timing a training with and without.
/// </summary>
internal sealed class CostSection : ISection
{
    private const int Logs = 400;
    // What runs once a second is compiled twice in the background, after thirty calls and after thirty more: a run of hours pays that once, in its first
    // minute.
    private static readonly TimeSpan WarmupTime = TimeSpan.FromSeconds(75);
    private static readonly TimeSpan IdleTime = TimeSpan.FromSeconds(20);

    public string Verb => "cost";

    public string Title => "Cost of tracking and the live panel";

    public SectionReport Measure(BenchOptions options)
    {
        var corpus = Corpus.Load();
        var kind = TrainingKind.Base;
        var batches = corpus.TrainingBatches(kind.BatchSize, 2);
        using var model = TrainingPair.OurModel(kind);
        using var trainer = new OurTrainer(model, batches, kind.Accumulation);
        var stepSeconds = StepSeconds(trainer, kind.Accumulation);
        var summary = RunSummary.Of(model, new TrainingSettings { MaximumUpdates = Logs * 10 }, trainingRows: 100_000, evaluationRows: 1000);
        var (perLog, perSecond, onThread) = Watch(summary);

        // Logged at every update, ten times as often as the original does.
        var cores = Environment.ProcessorCount;
        var share = (perLog + (perSecond * stepSeconds)) / (stepSeconds * cores) * 100;
        var report = new SectionReport();
        report.Tables.Add(new(
            "Live panel redrawn once a second, journal written, machine sampled every 15 s; every update logged.",
            new(["", "ms"],
            [
                ["processor time of a logged update", Milliseconds(perLog)], ["of that on the training thread, by the clock", Milliseconds(onThread)],
                ["processor time of each second of a run", Milliseconds(perSecond)],
                [$"a step of base in bf16, by the clock, on {cores} cores", Milliseconds(stepSeconds)],
            ])));
        report.Targets.Add(Target.AtMost("tracking and live panel, share of a step", 0.5, share, "%", "0.000"));
        return report;
    }

    private static (double PerLog, double PerSecond, double OnThread) Watch(RunSummary summary)
    {
        var folder = Directory.CreateTempSubdirectory("bench-tracking-");
        NotebookHost.Current = new TextHost(TextWriter.Null);
        var run = TrackedRun.Start("offline", folder.FullName);
        using var panel = new LivePanel();
        using var tracking = new TrackingObserver(run);
        ITrainingObserver[] observers = [panel, tracking];
        var control = new TrainingControl();
        Array.ForEach(observers, observer => observer.RunStarted(summary, control));
        Log(observers, 0, 50);
        Thread.Sleep(WarmupTime);

        var idle = ProcessorSeconds(() => Thread.Sleep(IdleTime)) / IdleTime.TotalSeconds;
        var clock = Stopwatch.StartNew();
        var busy = ProcessorSeconds(() => Log(observers, 50, Logs));
        var onThread = clock.Elapsed.TotalSeconds / Logs;
        run.FinishAsync().AsTask().GetAwaiter().GetResult();
        NotebookHost.Current = null;
        folder.Delete(recursive: true);
        return (busy / Logs, idle, onThread);
    }

    private static void Log(ITrainingObserver[] observers, int first, int count)
    {
        for (var i = first; i < first + count; i++)
        {
            var step = new LoggedStep(i + 1, i / 100.0, 3.4 / (i + 1), 5e-5, 1, 900, i) { MemoryBytes = 2_000_000_000 };
            Array.ForEach(observers, observer => observer.StepLogged(step));
        }
    }

    private static double ProcessorSeconds(Action action)
    {
        var before = Environment.CpuUsage.TotalTime;
        action();
        return (Environment.CpuUsage.TotalTime - before).TotalSeconds;
    }

    private static double StepSeconds(OurTrainer trainer, int accumulation)
    {
        trainer.MicroBatch(0, isHalf: true);
        trainer.Update();
        var clock = Stopwatch.StartNew();
        trainer.MicroBatch(0, isHalf: true);
        trainer.MicroBatch(1, isHalf: true);
        var microBatches = clock.Elapsed.TotalSeconds / 2 * accumulation;
        clock.Restart();
        trainer.Update();
        return microBatches + clock.Elapsed.TotalSeconds;
    }

    private static string Milliseconds(double seconds) => (seconds * 1000).ToString("0.00", CultureInfo.InvariantCulture);
}
