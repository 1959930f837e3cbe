using NotebookLib.Data;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Tests.Training;
using NotebookLib.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Lora;

[Collection(AutocastTestGroup.Name)]
public class LoraTrainingTests
{
    private static readonly LoraSettings Small = new() { Dropout = 0.2 };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Training_moves_adapters_and_head_and_leaves_every_bit_of_the_base(bool recomputes)
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        using var adapters = LoraAdapters.Attach(model, Small, 42);
        model.Engine.RecomputesActivations = recomputes;
        var (before, weights) = (LoraNetwork.BaseBytes(model), TinyRun.WeightsOf(model));

        Train(run, model, run.Settings);

        var (after, moved) = (LoraNetwork.BaseBytes(model), TinyRun.WeightsOf(model));
        Assert.Equal(["classifier.bias", "classifier.weight"],
            before.Where(pair => !pair.Value.SequenceEqual(after[pair.Key])).Select(pair => pair.Key).Order(StringComparer.Ordinal));
        Assert.Equal(8, moved.Count(pair => pair.Key.Contains("lora_", StringComparison.Ordinal) && !pair.Value.SequenceEqual(weights[pair.Key])));
        Assert.All(moved.Where(pair => pair.Key.EndsWith("lora_B", StringComparison.Ordinal)), pair => Assert.Contains(pair.Value, value => value != 0));
    }

    [Fact]
    public void Recomputed_activations_end_at_the_very_same_adapters()
    {
        using var kept = new LoraRun(Small);
        using var recomputed = new LoraRun(Small, model => model.Engine.RecomputesActivations = true);

        TinyRun.AssertEqualBits(kept.Train().Weights, recomputed.Train().Weights);
    }

    [Fact]
    public void The_published_behaviour_trains_the_head_alone()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        using var adapters = LoraAdapters.Attach(model, Small with { TrainsHeadOnly = true }, 42);
        var before = TinyRun.WeightsOf(model);

        var result = Train(run, model, run.Settings);

        Assert.Equal(["classifier.bias", "classifier.weight"],
            TinyRun.WeightsOf(model).Where(pair => !pair.Value.SequenceEqual(before[pair.Key])).Select(pair => pair.Key).Order(StringComparer.Ordinal));
        Assert.Equal((31 * 32) + 31, adapters.TrainableParameters);
        Assert.Equal(adapters.TrainableParameters, result.Summary.TrainedParameters);
    }

    [Fact]
    public void Frozen_parts_cost_no_gradient_and_no_optimiser_state()
    {
        using var run = new LoraRun(Small);
        var (result, _) = run.Train();

        using var state = SafetensorsFile.Open(Path.Combine(result.LastCheckpoint, "optimizer.safetensors"));
        // 2 layers × query and key × A and B, and the head; two moments each.
        Assert.Equal(2 * (8 + 2), state.Tensors.Count);
        Assert.Equal(2 * run.TrainableParameters, state.Tensors.Values.Sum(tensor => tensor.ElementCount));
    }

    [Fact]
    public void Nothing_runs_backwards_below_the_lowest_trained_layer()
    {
        using var scope = NewDisposeScope();
        using var run = new TinyRun();
        using var model = run.LoadModel();
        using var adapters = LoraAdapters.Attach(model, Small with { Targets = [@".*layer\.1\..*query_proj"] }, 42);
        using var input = tensor(new long[,] { { 1, 5, 9, 44, 2 } });
        var encoder = model.Deberta.Encoder;

        var withAdapter = SavedTensors();
        adapters.Detach();
        var withoutAny = SavedTensors(model => model.Deberta.parameters().ToList().ForEach(parameter => parameter.requires_grad = false));
        var everything = SavedTensors(model => model.Deberta.parameters().ToList().ForEach(parameter => parameter.requires_grad = true));

        Assert.True(withoutAny < withAdapter && withAdapter < everything, $"{withoutAny} < {withAdapter} < {everything}");

        long SavedTensors(Action<DebertaV2ForTokenClassification>? change = null)
        {
            change?.Invoke(model);
            model.train();
            var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
            var logits = model.call(input, ones_like(input));
            var during = DisposeScopeManager.Statistics.ThreadTotalLiveCount - before;
            logits.sum().backward();
            return during;
        }
    }

    [Fact]
    public void The_live_tensor_count_stays_flat()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        using var adapters = LoraAdapters.Attach(model, Small, 42);
        model.Engine.RecomputesActivations = true;
        var counts = new List<long>();

        new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation,
            run.Settings with
            {
                BatchSize = 2,
                AccumulationSteps = 1,
                MaximumUpdates = 500,
                LogEvery = 50,
                EvaluateEvery = 100,
                SaveEvery = 200,
                OutputFolder = run.Output,
                Precision = TrainingPrecision.BFloat16
            },
            new Counter(counts)).Train(TestContext.Current.CancellationToken);

        Assert.Equal(10, counts.Count);
        // The model keeps a few tables per sentence length; after 200 updates every length has come.
        Assert.All(counts.Skip(4), count => Assert.Equal(counts[4], count));
    }

    [Fact]
    public void A_checkpoint_holds_an_adapter_that_loads_by_itself()
    {
        using var run = new LoraRun(Small);
        var (result, weights) = run.Train();

        foreach (var folder in (string[])[result.LastCheckpoint, result.BestFolder!])
        {
            Assert.True(File.Exists(Path.Combine(folder, "adapter_config.json")) && File.Exists(Path.Combine(folder, "adapter_model.safetensors")));
            Assert.False(File.Exists(Path.Combine(folder, "model.safetensors")));
        }

        using var model = run.LoadBase();
        using var loaded = LoraAdapters.Load(result.LastCheckpoint, model);
        TinyRun.AssertEqualBits(weights, TinyRun.WeightsOf(model));
        Assert.Equal(Small, result.Summary.Adapters! with { Targets = Small.Targets });
        Assert.Equal((4, loaded.TotalParameters, loaded.TrainableParameters),
            (result.Summary.AdaptedLayers, result.Summary.TotalParameters, result.Summary.TrainedParameters));
    }

    [Fact]
    public void Going_back_to_the_best_adapter_needs_no_second_base()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        using var adapters = LoraAdapters.Attach(model, Small, 42);
        var result = Train(run, model, run.Settings with { LearningRate = 0.5, EvaluateEvery = 1 });

        adapters.ReadWeights(result.BestFolder!);

        model.eval();
        var loss = TokenEvaluation.Run(model, LabelSet.SystemA, TinyRun.Evaluation, 8, cancellation: TestContext.Current.CancellationToken).Loss;
        Assert.Equal(result.History.Best!.Loss, loss, 1e-6);
        Assert.NotEqual(result.History.Evaluations[^1].Loss, loss, 1e-6);
    }

    private sealed class Counter(List<long> counts) : ITrainingObserver
    {
        public void StepLogged(LoggedStep logged) => counts.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    private static TrainingResult Train(TinyRun run, DebertaV2ForTokenClassification model, TrainingSettings settings) =>
        new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings with { OutputFolder = run.Output })
            .Train(TestContext.Current.CancellationToken);
}
