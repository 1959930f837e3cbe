using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

/// <summary>A notebook's training cell, run once more on the model and in the folder that it left.</summary>
[Collection(AutocastTestGroup.Name)]
public class RunAgainTests
{
    [Theory]
    [InlineData(ExistingRun.Resume)]
    [InlineData(ExistingRun.ReplaceFinished)]
    public void After_a_stop_it_goes_on_to_the_weights_of_an_unbroken_run_and_says_so_first(ExistingRun existing)
    {
        using var unbroken = new TinyRun();
        using var run = new TinyRun();
        var (_, expected) = unbroken.Train(unbroken.Settings);
        using var model = run.LoadModel();
        using var stop = new CancellationTokenSource();
        var settings = run.Settings with { ExistingRun = existing };
        var trainer = new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings, new StopAtEvaluation(stop));

        var stopped = trainer.Train(stop.Token);
        var resumed = trainer.Train(TestContext.Current.CancellationToken);

        Assert.Equal((TrainingEnd.Stopped, 4), (stopped.End, stopped.Updates));
        Assert.Equal((TrainingEnd.Finished, 10), (resumed.End, resumed.Updates));
        Assert.StartsWith("The run goes on from checkpoint-4: update 4 of 10", resumed.Notices[0], StringComparison.Ordinal);
        TinyRun.AssertEqualBits(expected, TinyRun.WeightsOf(model));
    }

    [Fact]
    public async Task Run_again_while_the_stopped_one_is_at_its_end_it_waits_for_that_and_goes_on()
    {
        using var unbroken = new TinyRun();
        using var run = new TinyRun();
        var (_, expected) = unbroken.Train(unbroken.Settings);
        using var model = run.LoadModel();
        using var stop = new CancellationTokenSource();
        using var gate = new ManualResetEventSlim();
        var stopping = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var trainer = new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, run.Settings with { ExistingRun = ExistingRun.Resume },
            new HeldAtEvaluation(stop, stopping, gate));

        var first = Task.Run(() => trainer.Train(stop.Token), TestContext.Current.CancellationToken);
        await stopping.Task;
        var second = Task.Run(() => trainer.Train(TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        gate.Set();

        Assert.Equal(TrainingEnd.Stopped, (await first).End);
        Assert.Equal(TrainingEnd.Finished, (await second).End);
        TinyRun.AssertEqualBits(expected, TinyRun.WeightsOf(model));
    }

    [Fact]
    public void A_finished_run_is_given_again_as_it_ended_and_no_checkpoint_is_written_anew()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        var trainer = new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation,
            run.Settings with { ExistingRun = ExistingRun.Resume, LoadBestAtEnd = true });
        var first = trainer.Train(TestContext.Current.CancellationToken);
        var weights = TinyRun.WeightsOf(model);
        var written = File.GetLastWriteTimeUtc(Path.Combine(first.LastCheckpoint, "model.safetensors"));

        var again = trainer.Train(TestContext.Current.CancellationToken);

        Assert.Equal((first.Updates, first.BestFolder, first.MeanLoss), (again.Updates, again.BestFolder, again.MeanLoss));
        Assert.Equal(first.History.Steps, again.History.Steps);
        Assert.StartsWith("The run is finished: checkpoint-10 holds its 10 updates; nothing is trained again.", again.Notices[0], StringComparison.Ordinal);
        Assert.Equal(written, File.GetLastWriteTimeUtc(Path.Combine(again.LastCheckpoint, "model.safetensors")));
        TinyRun.AssertEqualBits(weights, TinyRun.WeightsOf(model));
    }

    [Fact]
    public void Told_to_train_once_more_it_replaces_a_finished_run_but_never_from_weights_that_were_trained()
    {
        using var run = new TinyRun();
        var settings = run.Settings with { ExistingRun = ExistingRun.ReplaceFinished };
        using var model = run.LoadModel();
        var trainer = new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings);
        _ = trainer.Train(TestContext.Current.CancellationToken);
        var expected = TinyRun.WeightsOf(model);

        var error = Assert.Throws<InvalidOperationException>(() => trainer.Train(TestContext.Current.CancellationToken));
        Assert.Contains("The model was trained already", error.Message, StringComparison.Ordinal);
        Assert.True(Directory.Exists(Path.Combine(run.Output, "checkpoint-10")));

        var (again, actual) = run.Train(settings);
        Assert.Contains(again.Notices, notice => notice.StartsWith("The finished run in ", StringComparison.Ordinal));
        TinyRun.AssertEqualBits(expected, actual);
    }

    [Fact]
    public void The_best_weights_are_in_the_model_at_the_end_when_the_settings_ask_for_them()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();

        var result = new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, run.Settings with { LoadBestAtEnd = true })
            .Train(TestContext.Current.CancellationToken);

        // Evaluated last after update 8, ended after 10.
        Assert.Equal(8, result.History.Best!.Update);
        using var last = ModelFolder.Load(result.LastCheckpoint).Model;
        Assert.Contains(TinyRun.WeightsOf(last), pair => !pair.Value.AsSpan().SequenceEqual(TinyRun.WeightsOf(model)[pair.Key]));
        using var best = ModelFolder.Load(result.BestFolder!).Model;
        TinyRun.AssertEqualBits(TinyRun.WeightsOf(best), TinyRun.WeightsOf(model));
        Assert.False(model.training);
        Assert.True(result.PeakMemoryBytes > 0);
    }

    private sealed class StopAtEvaluation(CancellationTokenSource stop) : ITrainingObserver
    {
        public void EvaluationDone(LoggedEvaluation evaluation, EvaluationResult result) => stop.Cancel();
    }

    private sealed class HeldAtEvaluation(CancellationTokenSource stop, TaskCompletionSource stopping, ManualResetEventSlim gate) : ITrainingObserver
    {
        public void EvaluationDone(LoggedEvaluation evaluation, EvaluationResult result)
        {
            stop.Cancel();
            stopping.TrySetResult();
            gate.Wait(TestContext.Current.CancellationToken);
        }
    }
}
