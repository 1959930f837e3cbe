using NotebookLib.Lora;
using NotebookLib.Tests.Training;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Lora;

[Collection(AutocastTestGroup.Name)]
public class LoraResumeTests
{
    private static readonly LoraSettings Settings = new() { Dropout = 0.2 };

    [Theory]
    [InlineData(TrainingPrecision.Float32, 20, false)] // after update 5, in the middle of the second epoch
    [InlineData(TrainingPrecision.BFloat16, 20, false)]
    [InlineData(TrainingPrecision.Float32, 18, false)] // two micro-batches into update 5
    [InlineData(TrainingPrecision.BFloat16, 18, true)]
    [InlineData(TrainingPrecision.Float32, 15, true)] // at the very end of an epoch, three micro-batches into update 4
    public void Ten_updates_equal_a_stop_and_a_resume_bit_for_bit(TrainingPrecision precision, int microBatchesBeforeStop, bool recomputes)
    {
        using var unbroken = new LoraRun(Settings);
        using var broken = new LoraRun(Settings, model => model.Engine.RecomputesActivations = recomputes);
        var (whole, expected) = unbroken.Train(unbroken.Settings with { Precision = precision });
        var settings = broken.Settings with { Precision = precision, ExistingRun = ExistingRun.Resume };

        var (stopped, _) = broken.StopAfter(settings, microBatchesBeforeStop);
        var (resumed, actual) = broken.Train(settings);

        Assert.Equal((TrainingEnd.Stopped, TrainingEnd.Finished), (stopped.End, resumed.End));
        TinyRun.AssertEqualBits(expected, actual);
        Assert.Equal(whole.History.Steps.Select(step => (step.Update, step.Loss, step.LearningRate, step.GradientNorm)),
            resumed.History.Steps.Select(step => (step.Update, step.Loss, step.LearningRate, step.GradientNorm)));
        Assert.Equal(whole.History.Evaluations.Select(evaluation => (evaluation.Update, evaluation.Loss, evaluation.IsBest)),
            resumed.History.Evaluations.Select(evaluation => (evaluation.Update, evaluation.Loss, evaluation.IsBest)));
    }

    [Fact]
    public void Other_adapters_or_another_base_do_not_continue_a_run()
    {
        using var run = new LoraRun(Settings);
        run.StopAfter(run.Settings, 20);
        var resume = run.Settings with { ExistingRun = ExistingRun.Resume };

        var error = Assert.Throws<InvalidOperationException>(() =>
            Continue(run, Settings with { Rank = 8, Alpha = 4, Dropout = 0 }, changesBase: true, resume));

        Assert.Contains("LoRA's Rank is 8, the checkpoint was made with 4", error.Message, StringComparison.Ordinal);
        Assert.Contains("LoRA's Alpha is 4, the checkpoint was made with 8", error.Message, StringComparison.Ordinal);
        Assert.Contains("LoRA's Dropout is 0, the checkpoint was made with 0.2", error.Message, StringComparison.Ordinal);
        Assert.Contains("the frozen base has other weights", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_with_adapters_is_not_continued_without_them_nor_the_other_way_round()
    {
        using var adapted = new LoraRun(Settings);
        adapted.StopAfter(adapted.Settings, 20);
        using var whole = new TinyRun();
        whole.Train(whole.Settings with { MaximumUpdates = 5 });

        var without = Assert.Throws<InvalidOperationException>(() =>
            whole.Train(whole.Settings with { OutputFolder = adapted.Output, ExistingRun = ExistingRun.Resume }));
        var with = Assert.Throws<InvalidOperationException>(() =>
            adapted.Train(adapted.Settings with { OutputFolder = whole.Output, MaximumUpdates = 5, ExistingRun = ExistingRun.Resume }));

        Assert.Contains("the model carries no adapters, the checkpoint holds some", without.Message, StringComparison.Ordinal);
        Assert.Contains("the model carries adapters, the checkpoint holds a whole model", with.Message, StringComparison.Ordinal);
    }

    private static void Continue(LoraRun run, LoraSettings lora, bool changesBase, TrainingSettings settings)
    {
        using var model = run.LoadBase();
        using var adapters = LoraAdapters.Attach(model, lora, 42);
        using (no_grad())
        {
            if (changesBase)
            {
                model.Deberta.Encoder.Layers[1].Output.Dense.Weight.add_(1e-3);
            }
        }

        new Trainer(model, NotebookLib.Data.LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings).Train(TestContext.Current.CancellationToken);
    }
}
