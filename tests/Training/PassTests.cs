extern alias runner;

using System.Runtime.InteropServices;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Training;
using runner::NotebookRunner.Verification;
using static TorchSharp.torch;

#pragma warning disable CA2201 // What libtorch throws when memory is short.

namespace NotebookLib.Tests.Training;

/// <summary>An update in few passes, nothing read between logs, memory that is short: what a training does on a device, on a CPU.</summary>
[Collection(AutocastTestGroup.Name)]
public class PassTests
{
    private const int Huge = 1 << 20;
    private const double Relative = 1e-6;

    [Theory]
    [InlineData("all weights")]
    [InlineData("adapters")]
    [InlineData("recomputed")]
    [InlineData("focal and class weights")]
    [InlineData("labelled pieces")]
    public void One_pass_over_four_micro_batches_has_the_gradients_of_four_passes(string variant)
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        using var adapters = variant == "adapters" ? LoraAdapters.Attach(model, new LoraSettings { Rank = 4, Alpha = 8, Dropout = 0.1 }, 42) : null;
        model.Engine.RecomputesActivations = variant == "recomputed";
        model.Engine.ActivationBudget = 0;
        var settings = variant == "focal and class weights"
            ? run.Settings with { FocalGamma = 2, ClassWeights = [.. Enumerable.Range(0, LabelSet.SystemA.Count).Select(label => 0.5 + (label % 3))] }
            : run.Settings;
        using var task = new TokenClassificationTask(model, LabelSet.SystemA, TinyRun.Training, [], settings);
        ReadOnlyMemory<int>[] microBatches = [.. Enumerable.Range(0, 20).Chunk(5).Select(rows => new ReadOnlyMemory<int>(rows))];
        double? divisor = variant == "labelled pieces" ? Enumerable.Range(0, 20).Sum(task.LossWeightOf) : null;
        model.train();

        var separate = Gradients(task, model, [.. microBatches.Select(rows => (ReadOnlyMemory<int>[])[rows])], divisor);
        var together = Gradients(task, model, [microBatches], divisor);

        Assert.Equal(separate.Keys, together.Keys);
        // The keys' biases move every score of a row alike: their gradient is what is left of sums a hundred times as large.
        var floor = separate.Values.Max(values => values.Max(Math.Abs)) / 100;
        Assert.All(separate, pair =>
        {
            var largest = Math.Max(floor, pair.Value.Max(Math.Abs));
            Assert.All(pair.Value.Zip(together[pair.Key]), values => Assert.Equal(values.First, values.Second, Math.Max(Relative * largest, 1e-12)));
        });
    }

    [Fact]
    public void Recorded_trainings_of_the_Python_stack_come_out_the_same_in_one_pass_an_update()
    {
        var results = TrainingChecks.With(Huge).Run(Repository.PathOf("tests", "goldens", "training"), new()).ToList();

        Assert.NotEmpty(results);
        Assert.All(results, result => Assert.True(result.IsOk, $"{result}"));
    }

    [Theory]
    [InlineData(Huge, 10, 10)]
    [InlineData(250, 11, 39)]
    [InlineData(1, 40, 40)]
    [InlineData(null, 10, 10)]
    public void Pieces_per_pass_say_how_many_passes_ten_updates_take_and_leave_what_comes_out(int? piecesPerPass, int fewest, int most)
    {
        using var one = new TinyRun();
        using var other = new TinyRun();
        var (expected, _) = one.Train(one.Settings);

        var (result, passes, _) = Run(other, other.Settings with { PiecesPerPass = piecesPerPass });

        Assert.Equal(40, passes.Sum());
        Assert.InRange(passes.Count, fewest, most);
        Assert.Equal(expected.History.Steps.Count, result.History.Steps.Count);
        Assert.All(expected.History.Steps.Zip(result.History.Steps), pair => Assert.Equal(pair.First.Loss, pair.Second.Loss, 1e-4));
        Assert.Equal(expected.MeanLoss, result.MeanLoss, 1e-5);
    }

    [Theory]
    [InlineData(TrainingPrecision.Float32, 7)] // in the middle of update 2
    [InlineData(TrainingPrecision.BFloat16, 7)]
    [InlineData(TrainingPrecision.Float32, 20)]
    public void A_run_of_merged_passes_goes_on_from_a_stop_bit_for_bit(TrainingPrecision precision, int microBatchesBeforeStop)
    {
        using var unbroken = new TinyRun();
        using var broken = new TinyRun();
        var (whole, passes, expected) = Run(unbroken, unbroken.Settings with { Precision = precision, PiecesPerPass = 250 });
        var settings = broken.Settings with { Precision = precision, PiecesPerPass = 250, ExistingRun = ExistingRun.Resume };

        var (stopped, _, _) = Run(broken, settings, stopAfter: microBatchesBeforeStop);
        var (resumed, _, actual) = Run(broken, settings);

        Assert.InRange(passes.Count, 11, 39);
        Assert.Equal((TrainingEnd.Stopped, TrainingEnd.Finished), (stopped.End, resumed.End));
        TinyRun.AssertEqualBits(expected, actual);
        Assert.Equal(whole.History.Steps.Select(step => (step.Loss, step.GradientNorm)), resumed.History.Steps.Select(step => (step.Loss, step.GradientNorm)));
    }

    [Fact]
    public void A_run_that_goes_on_may_take_other_passes()
    {
        using var run = new TinyRun();
        Run(run, run.Settings with { ExistingRun = ExistingRun.Resume }, stopAfter: 7);

        var (resumed, _, _) = Run(run, run.Settings with { ExistingRun = ExistingRun.Resume, PiecesPerPass = Huge });

        Assert.Equal(10, resumed.Updates);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void Between_logs_nothing_is_read_from_a_device_and_every_number_stays(int logEvery)
    {
        using var early = new TinyRun();
        using var late = new TinyRun();
        var settings = early.Settings with { LogEvery = logEvery, EvaluateEvery = Interval.Never, SaveEvery = Interval.Never, PiecesPerPass = Huge };
        var (expected, _, expectedWeights) = Run(early, settings);
        var reads = new ReadCounts();

        var (result, _, weights) = Run(late, settings with { OutputFolder = late.Output }, readsLate: true, observers: [reads]);

        Assert.Equal(10 / logEvery, reads.AtLogs.Count);
        // The norms of all updates, and the sum of their losses.
        Assert.All(reads.AtLogs.Zip(reads.AtLogs.Skip(1)), pair => Assert.Equal(2, pair.Second - pair.First));
        TinyRun.AssertEqualBits(expectedWeights, weights);
        Assert.Equal(expected.MeanLoss, result.MeanLoss);
        Assert.Equal(expected.History.Steps.Select(step => (step.Loss, step.LearningRate, step.GradientNorm)),
            result.History.Steps.Select(step => (step.Loss, step.LearningRate, step.GradientNorm)));
    }

    [Fact]
    public void Updates_that_are_not_finite_are_skipped_and_told_the_same_whether_norms_are_read_early_or_late()
    {
        using var early = new TinyRun();
        using var late = new TinyRun();
        var settings = early.Settings with { OnNonFinite = NonFiniteAction.SkipUpdate, LogEvery = 5, PiecesPerPass = 1 };

        var (expected, _, expectedWeights) = Run(early, settings, happen: SpoilUpdates3And4);
        var (result, _, weights) = Run(late, settings with { OutputFolder = late.Output }, readsLate: true, happen: SpoilUpdates3And4);

        Assert.Equal(2, result.Notices.Count);
        Assert.StartsWith("Update 3 is skipped: the loss of 1 of its 4 micro-batches is NaN", result.Notices[0], StringComparison.Ordinal);
        Assert.StartsWith("Update 4 is skipped: the loss of 1 of its 4 micro-batches is NaN", result.Notices[1], StringComparison.Ordinal);
        Assert.Equal(expected.Notices.Count, result.Notices.Count);
        TinyRun.AssertEqualBits(expectedWeights, weights);
        Assert.Equal(expected.MeanLoss, result.MeanLoss);
        Assert.Equal(expected.History.Steps.Select(step => step.Loss), result.History.Steps.Select(step => step.Loss));
        Assert.Equal(File.ReadAllText(Path.Combine(early.Output, "non-finite-update-3.json")),
            File.ReadAllText(Path.Combine(late.Output, "non-finite-update-3.json")));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_run_that_stops_at_an_update_that_is_not_finite_leaves_the_weights_from_before_it(bool readsLate)
    {
        using var run = new TinyRun();
        using var sound = new TinyRun();
        var settings = run.Settings with { EvaluateEvery = Interval.Never, SaveEvery = Interval.Never, PiecesPerPass = 1 };
        using var model = run.LoadModel();
        using var task = new FaultyTask(new TokenClassificationTask(model, LabelSet.SystemA, TinyRun.Training, [], settings, readsLate), SpoilUpdates3And4);
        using var loop = new TrainingLoop(task, settings with { LogEvery = 7 }, []);

        var error = Assert.Throws<NonFiniteLossException>(() => loop.Run(CancellationToken.None));

        Assert.StartsWith("Update 3 is not finite: the loss of 1 of its 4 micro-batches is NaN", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("non-finite-update-3.json", error.BatchFile, StringComparison.Ordinal);
        task.TrainedRows?.CatchUp();
        var (_, _, expected) = Run(sound, settings with { OutputFolder = sound.Output }, stopAfter: 8);
        TinyRun.AssertEqualBits(expected, TinyRun.WeightsOf(model));
    }

    [Theory]
    [InlineData(false, null)]
    [InlineData(true, null)]
    [InlineData(false, 18)] // the update that starts again was begun by another process, two micro-batches of it
    public void Memory_that_is_short_costs_smaller_passes_and_no_number(bool isInBackward, int? stopAfter)
    {
        using var whole = new TinyRun();
        using var run = new TinyRun();
        var (_, expected) = whole.Train(whole.Settings with { PiecesPerPass = 1 });
        var settings = run.Settings with { PiecesPerPass = Huge, ExistingRun = stopAfter is null ? ExistingRun.Refuse : ExistingRun.Resume };
        if (stopAfter is { } count)
        {
            Run(run, settings with { PiecesPerPass = 1 }, stopAfter: count);
        }

        var (result, passes, actual) = Run(run, settings, happen: (_, microBatches, losses) =>
        {
            if (microBatches > 1)
            {
                if (isInBackward)
                {
                    BackwardPass.Run(losses.sum());
                }

                throw new ExternalException("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 8 GiB");
            }

            return losses;
        });

        Assert.Contains(passes, pass => pass > 1);
        TinyRun.AssertEqualBits(expected, actual);
        var notice = Assert.Single(result.Notices, notice => notice.Contains("memory", StringComparison.Ordinal));
        Assert.StartsWith($"Update {(stopAfter is null ? 1 : 5)}: the device's memory does not hold ", notice, StringComparison.Ordinal);
        Assert.Contains("PiecesPerPass", notice, StringComparison.Ordinal);
    }

    [Fact]
    public void A_micro_batch_that_does_not_fit_alone_ends_the_run_and_says_what_to_set()
    {
        using var run = new TinyRun();

        var error = Assert.Throws<InvalidOperationException>(() =>
            Run(run, run.Settings, happen: (_, _, _) => throw new ExternalException("CUDA out of memory. Tried to allocate 2 GiB")));

        Assert.Contains("does not hold one batch of", error.Message, StringComparison.Ordinal);
        Assert.Contains("lower BatchSize (5) and raise AccumulationSteps (4)", error.Message, StringComparison.Ordinal);
        Assert.Contains("Tried to allocate 2 GiB", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_trained_before_memory_ended_is_kept_and_goes_on_to_the_bit()
    {
        using var run = new TinyRun();
        var (_, whole) = run.Train(run.Settings with { OutputFolder = run.Output + "-whole" });

        // Micro-batches 0 to 7 are the first two updates. The words are libtorch's for a CPU.
        const string Words = "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.";
        var error = Assert.Throws<InvalidOperationException>(
            () => Run(run, run.Settings, happen: (first, _, losses) => first < 8 ? losses : throw new ExternalException(Words)));
        var (_, resumed) = run.Train(run.Settings with { ExistingRun = ExistingRun.Resume });

        Assert.Contains("lower BatchSize (5)", error.Message, StringComparison.Ordinal);
        Assert.EndsWith($"The 2 updates before it are kept in {Path.Combine(run.Output, "checkpoint-2")}: go on from there with other settings of memory.",
            error.Message, StringComparison.Ordinal);
        TinyRun.AssertEqualBits(whole, resumed);
    }

    [Fact]
    public void Other_failures_are_no_matter_of_memory()
    {
        using var run = new TinyRun();

        Assert.Throws<ExternalException>(() =>
            Run(run, run.Settings with { PiecesPerPass = Huge }, happen: (_, _, _) => throw new ExternalException("device-side assert triggered")));
    }

    [Theory]
    [InlineData(9, TrainingPrecision.BFloat16)]
    [InlineData(8, TrainingPrecision.BFloat16)]
    [InlineData(7, TrainingPrecision.Float16)]
    [InlineData(null, TrainingPrecision.Float16)]
    public void Half_precision_is_bfloat16_where_a_device_has_it_in_hardware(int? computeCapability, TrainingPrecision expected) =>
        Assert.Equal(expected, PrecisionPolicy.HalfOf(computeCapability));

    [Fact]
    public void An_overflow_under_a_loss_scale_makes_the_schedule_wait()
    {
        using var run = new TinyRun();
        var settings = run.Settings with
        {
            Precision = TrainingPrecision.Float16,
            LogEvery = 1,
            EvaluateEvery = Interval.Never,
            MaximumUpdates = 6,
            WarmupUpdates = 4
        };

        // Finite, and infinite once scaled: what a scale that is too large does.
        var (result, _, _) = Run(run, settings, readsLate: true, happen: (first, _, losses) => first / 4 == 1 ? losses * 1e35 : losses);

        double[] rates = [.. result.History.Steps.Select(step => step.LearningRate / 1e-3)];
        Assert.Equal([0.25, 0.25, 0.5, 0.75, 1, 0.5], rates);
    }

    [Fact]
    public void An_evaluation_in_one_pass_gives_the_loss_and_scores_of_many_and_reads_twice()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        model.eval();
        var many = TokenEvaluation.Run(model, LabelSet.SystemA, TinyRun.Evaluation, 3, cancellation: TestContext.Current.CancellationToken);
        var before = DeviceRead.Count;

        var one = TokenEvaluation.Run(model, LabelSet.SystemA, TinyRun.Evaluation, 3, piecesPerPass: Huge, cancellation: TestContext.Current.CancellationToken);

        Assert.Equal(2, DeviceRead.Count - before);
        Assert.Equal(many.Loss, one.Loss, 1e-6);
        Assert.Equal(many.Tokens, one.Tokens);
        Assert.Equal(many.Scores!.Micro, one.Scores!.Micro);
    }

    [Fact]
    public void Scores_of_a_text_do_not_depend_on_those_beside_it()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        IReadOnlyList<int[]> texts = [.. TinyRun.Evaluation.Select(row => row.InputIds)];

        var alone = new ModelPieceScorer(model, 1).Score(texts, TestContext.Current.CancellationToken);
        var together = new ModelPieceScorer(model, texts.Count).Score(texts, TestContext.Current.CancellationToken);

        Assert.Equal(texts.Select(ids => ids.Length * LabelSet.SystemA.Count), together.Select(scores => scores.Length));
        Assert.All(alone.Zip(together), pair => Assert.All(pair.First.Zip(pair.Second), values => Assert.Equal(values.First, values.Second, 1e-5)));
    }

    [Fact]
    public void Passes_are_halved_until_they_fit_and_every_unit_is_run_once()
    {
        var (done, tried) = (new List<int>(), new List<int>());

        PassMemory.InPasses([10, 10, 10, 10, 10, 10, 10], 60, (first, count) =>
        {
            tried.Add(count);
            if (count > 2)
            {
                throw new InvalidOperationException("cuMemAlloc: out of memory");
            }

            done.AddRange(Enumerable.Range(first, count));
        });

        Assert.Equal([6, 3, 1, 1, 1, 1, 1, 1, 1], tried);
        Assert.Equal(Enumerable.Range(0, 7), done);
    }

    [Fact]
    public void The_estimate_of_what_fits_covers_what_the_layers_keep()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        var longest = TinyRun.Training.Max(row => row.Length);

        var few = PassMemory.PiecesThatFit(model, longest, ScalarType.Float32, trains: true, freeBytes: 100L << 20)!.Value;
        var more = PassMemory.PiecesThatFit(model, longest, ScalarType.Float32, trains: true, freeBytes: 200L << 20)!.Value;
        model.Engine.RecomputesActivations = true;
        model.Engine.ActivationBudget = 0;
        var recomputed = PassMemory.PiecesThatFit(model, longest, ScalarType.Float32, trains: true, freeBytes: 100L << 20)!.Value;

        Assert.InRange(more, 2 * few, (2 * few) + (few / 2));
        Assert.True(recomputed > few, $"{recomputed} pieces with recomputation, {few} without");
        Assert.Equal(0, PassMemory.PiecesThatFit(model, longest, ScalarType.Float32, trains: true));
        model.Engine.ActivationBudget = 10L << 20;
        Assert.InRange(PassMemory.PiecesThatFit(model, longest, ScalarType.BFloat16, trains: true)!.Value,
            PassMemory.PiecesThatFit(model, longest, ScalarType.Float32, trains: true)!.Value + 1, int.MaxValue - 1);
        Assert.Equal(0, PassMemory.PiecesThatFit(model, longest, ScalarType.Float32, trains: true, freeBytes: 1000));
    }

    private static Tensor SpoilUpdates3And4(long first, int count, Tensor losses) => first is 9 or 13 ? losses * float.NaN : losses;

    private static (TrainingResult Result, List<int> Passes, Dictionary<string, float[]> Weights) Run(
        TinyRun run, TrainingSettings settings, bool readsLate = false, int? stopAfter = null, Func<long, int, Tensor, Tensor>? happen = null,
        IReadOnlyList<ITrainingObserver>? observers = null)
    {
        using var model = run.LoadModel();
        using var source = new CancellationTokenSource();
        using var task = new FaultyTask(
            new StoppingTask(new TokenClassificationTask(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings, readsLate), source.Cancel,
                stopAfter ?? -1), happen);
        using var loop = new TrainingLoop(task, settings, observers ?? []);
        return (loop.Run(source.Token), task.Passes, TinyRun.WeightsOf(model));
    }

    private static Dictionary<string, float[]> Gradients(TokenClassificationTask task, DebertaV2ForTokenClassification model, ReadOnlyMemory<int>[][] passes,
        double? divisor)
    {
        using var scope = NewDisposeScope();
        task.Seed(42);
        foreach (var parameter in model.parameters())
        {
            parameter.grad = null;
        }

        task.TrainedRows?.ClearGradient();
        foreach (var pass in passes)
        {
            BackwardPass.Run(task.ComputeLosses(pass, 0, divisor).sum() / 4);
        }

        var gradients = model.named_parameters().Where(pair => pair.parameter.grad is not null)
            .ToDictionary(pair => pair.name, pair => pair.parameter.grad!.data<float>().ToArray(), StringComparer.Ordinal);
        if (task.TrainedRows?.Gradient is { } rows)
        {
            gradients["trained rows"] = rows.data<float>().ToArray();
        }

        return gradients;
    }

    private sealed class ReadCounts : ITrainingObserver
    {
        public List<int> AtLogs { get; } = [];

        public void StepLogged(LoggedStep logged) => AtLogs.Add(DeviceRead.Count);
    }
}
