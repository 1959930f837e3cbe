using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

[Collection(AutocastTestGroup.Name)]
public class ResumeTests
{
    [Theory]
    [InlineData(TrainingPrecision.Float32, 20)] // after update 5, in the middle of the second epoch
    [InlineData(TrainingPrecision.BFloat16, 20)]
    [InlineData(TrainingPrecision.Float32, 18)] // two micro-batches into update 5
    [InlineData(TrainingPrecision.BFloat16, 18)]
    [InlineData(TrainingPrecision.Float32, 15)] // at the very end of an epoch, three micro-batches into update 4
    public void Ten_updates_equal_a_stop_and_a_resume_bit_for_bit(TrainingPrecision precision, int microBatchesBeforeStop)
    {
        using var unbroken = new TinyRun();
        using var broken = new TinyRun();
        // In passes as they come where the stop is between updates; else one micro-batch is a pass, or there would be no middle.
        int? piecesPerPass = microBatchesBeforeStop % 4 == 0 ? null : 1;
        var (whole, expected) = unbroken.Train(unbroken.Settings with { Precision = precision, PiecesPerPass = piecesPerPass });
        var settings = broken.Settings with { Precision = precision, ExistingRun = ExistingRun.Resume, PiecesPerPass = piecesPerPass };

        var (stopped, _) = StopAfter(broken, settings, microBatchesBeforeStop);
        var (resumed, actual) = broken.Train(settings);

        Assert.Equal(TrainingEnd.Stopped, stopped.End);
        Assert.Equal(TrainingEnd.Finished, resumed.End);
        TinyRun.AssertEqualBits(expected, actual);
        Assert.Equal(whole.History.Steps.Select(step => (step.Update, step.Loss, step.LearningRate, step.GradientNorm)),
            resumed.History.Steps.Select(step => (step.Update, step.Loss, step.LearningRate, step.GradientNorm)));
        Assert.Equal(whole.History.Evaluations.Select(evaluation => (evaluation.Update, evaluation.Loss, evaluation.IsBest)),
            resumed.History.Evaluations.Select(evaluation => (evaluation.Update, evaluation.Loss, evaluation.IsBest)));
        Assert.Equal(whole.MeanLoss, resumed.MeanLoss);
    }

    [Fact]
    public void A_checkpoint_in_the_middle_of_an_accumulation_keeps_the_gradients_and_says_so_by_its_name()
    {
        using var run = new TinyRun();

        var (stopped, _) = StopAfter(run, run.Settings with { PiecesPerPass = 1 }, 18);

        Assert.Equal("checkpoint-4+2", Path.GetFileName(stopped.LastCheckpoint));
        Assert.Equal(4, stopped.Updates);
    }

    [Fact]
    public void A_damaged_checkpoint_is_told_and_set_aside_and_the_one_before_it_is_used()
    {
        using var unbroken = new TinyRun();
        using var run = new TinyRun();
        var (_, expected) = unbroken.Train(unbroken.Settings);
        var settings = run.Settings with { SaveEvery = 2, ExistingRun = ExistingRun.Resume };
        StopAfter(run, settings, 24);
        File.WriteAllBytes(Path.Combine(run.Output, "checkpoint-6", "optimizer.safetensors"), [1, 2, 3]);

        var (resumed, actual) = run.Train(settings);

        Assert.Contains(resumed.Notices, notice => notice.StartsWith("checkpoint-6 is damaged: optimizer.safetensors has 3 bytes", StringComparison.Ordinal));
        Assert.Contains(resumed.Notices, notice => notice.StartsWith("The run goes on from checkpoint-4", StringComparison.Ordinal));
        Assert.True(Directory.Exists(Path.Combine(run.Output, "damaged-checkpoint-6")));
        TinyRun.AssertEqualBits(expected, actual);
    }

    [Fact]
    public void Whoever_watches_is_told_where_the_run_goes_on()
    {
        using var run = new TinyRun();
        var watcher = new StartWatcher();
        run.Train(run.Settings with { MaximumUpdates = 5 }, watcher);
        var first = watcher.Summary!;

        StopAfter(run, run.Settings with { ExistingRun = ExistingRun.Replace, PiecesPerPass = 1 }, 22);
        run.Train(run.Settings with { ExistingRun = ExistingRun.Resume }, watcher);

        Assert.Null(first.ResumedFrom);
        Assert.Equal(("checkpoint-5+2", 5), (watcher.Summary!.ResumedFrom!.Checkpoint, watcher.Summary.ResumedFrom.Update));
        Assert.Equal([3], watcher.Summary.ResumedFrom.History.Steps.Select(step => step.Update));
        Assert.DoesNotContain("resumedFrom", File.ReadAllText(Path.Combine(run.Output, "checkpoint-10", "trainer_state.json")),
            StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void A_checkpoint_whose_writing_was_killed_is_no_checkpoint()
    {
        using var run = new TinyRun();
        var settings = run.Settings with { ExistingRun = ExistingRun.Resume };
        StopAfter(run, settings, 20);
        Directory.Move(Path.Combine(run.Output, "checkpoint-5"), Path.Combine(run.Output, ".writing-checkpoint-5-123"));

        var (resumed, _) = run.Train(settings);

        Assert.DoesNotContain(resumed.Notices, notice => notice.StartsWith("The run goes on", StringComparison.Ordinal));
        Assert.Equal(10, resumed.Updates);
        Assert.DoesNotContain(Directory.EnumerateDirectories(run.Output), folder => Path.GetFileName(folder).StartsWith('.'));
    }

    [Fact]
    public void Settings_and_rows_that_contradict_the_checkpoint_are_refused_by_name()
    {
        using var run = new TinyRun();
        StopAfter(run, run.Settings, 20);
        var other = run.Settings with { ExistingRun = ExistingRun.Resume, LearningRate = 2e-3, Seed = 7, LogEvery = 1 };
        using var model = run.LoadModel();
        var trainer = new Trainer(model, NotebookLib.Data.LabelSet.SystemA, TinyRun.Training[1..], TinyRun.Evaluation, other);

        var error = Assert.Throws<InvalidOperationException>(() => trainer.Train(TestContext.Current.CancellationToken));

        Assert.Contains("LearningRate is 0.002, the checkpoint was made with 0.001", error.Message, StringComparison.Ordinal);
        Assert.Contains("Seed is 7, the checkpoint was made with 42", error.Message, StringComparison.Ordinal);
        Assert.Contains("the training rows are others (71 rows", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("LogEvery", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_with_a_run_is_not_overwritten_unasked()
    {
        using var run = new TinyRun();
        var (_, first) = run.Train(run.Settings);

        var error = Assert.Throws<InvalidOperationException>(() => run.Train(run.Settings));
        var (again, second) = run.Train(run.Settings with { ExistingRun = ExistingRun.Replace });

        Assert.Contains("holds a run already (checkpoint-10)", error.Message, StringComparison.Ordinal);
        Assert.Equal(10, again.Updates);
        TinyRun.AssertEqualBits(first, second);
    }

    [Fact]
    public void Resuming_a_finished_run_changes_nothing()
    {
        using var run = new TinyRun();
        var (_, first) = run.Train(run.Settings);

        var (again, second) = run.Train(run.Settings with { ExistingRun = ExistingRun.Resume });

        Assert.Equal(TrainingEnd.Finished, again.End);
        TinyRun.AssertEqualBits(first, second);
    }

    private static (TrainingResult Result, Dictionary<string, float[]> Weights) StopAfter(TinyRun run, TrainingSettings settings, int microBatches)
    {
        using var model = run.LoadModel();
        using var source = new CancellationTokenSource();
        using var task = new StoppingTask(new TokenClassificationTask(model, NotebookLib.Data.LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings),
            source.Cancel, microBatches);
        using var loop = new TrainingLoop(task, settings, []);
        return (loop.Run(source.Token), TinyRun.WeightsOf(model));
    }

    private sealed class StartWatcher : ITrainingObserver
    {
        public RunSummary? Summary { get; private set; }

        public void RunStarted(RunSummary summary, TrainingControl control) => Summary = summary;
    }
}
