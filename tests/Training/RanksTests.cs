extern alias runner;

using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Training;
using runner::NotebookRunner.Verification;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>One training by several ranks, which are threads here; tools/mpi/rehearse.sh does it with processes and Open MPI.</summary>
[Collection(AutocastTestGroup.Name)]
public class RanksTests
{
    [Theory]
    [InlineData(2, null)]
    [InlineData(3, null)]
    [InlineData(3, 1)]
    [InlineData(4, null)]
    public void Ranks_give_the_numbers_of_one_process(int ranks, int? piecesPerPass)
    {
        using var alone = new TinyRun();
        using var together = new TinyRun();
        var (expected, expectedWeights) = alone.Train(alone.Settings with { PiecesPerPass = piecesPerPass });

        var results = Train(together, together.Settings with { PiecesPerPass = piecesPerPass }, ranks);

        AssertSame(expected, results[0].Result);
        AssertNear(expectedWeights, results[0].Weights, 1e-5);
        Assert.All(results, result => TinyRun.AssertEqualBits(results[0].Weights, result.Weights));
        Assert.All(results, result => Assert.Equal(expected.History.Evaluations.Select(evaluation => evaluation.IsBest),
            result.Result.History.Evaluations.Select(evaluation => evaluation.IsBest)));
        Assert.Contains(results[0].Result.Notices, notice => notice.StartsWith($"{ranks} ranks: each gave", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, true)]
    [InlineData(3, false)] // modules tell nothing of layers: all goes at the end
    public void Gradients_of_an_update_are_those_of_one_process(int ranks, bool usesKernels)
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        model.Engine.UsesKernels = usesKernels;
        var expected = GradientsOfUpdate(run, model, null);

        var results = new ThreadRanks(ranks).Run(rank =>
        {
            using var own = run.LoadModel();
            own.Engine.UsesKernels = usesKernels;
            return GradientsOfUpdate(run, own, rank);
        });

        Assert.All(results, result => AssertNear(expected, result.Value ?? throw result.Error!, 1e-6));
    }

    [Fact]
    public void Layers_are_under_way_before_the_backward_pass_is_over()
    {
        using var run = new TinyRun();
        List<int> calls = [];
        var results = new ThreadRanks(2).Run(rank =>
        {
            using var model = run.LoadModel();
            using var task = NewTask(model, run.Settings, rank);
            using var optimiser = new AdamWOptimiser(ParameterGroups.Of(model), run.Settings, task.TrainedRows);
            using var exchange = new GradientExchange(rank, task, optimiser.Slots);
            ReadOnlyMemory<int>[] rows = [new([0, 1, 2]), new([3, 4])];
            exchange.Begin(rows);
            var told = new List<int>();
            using (task.WatchLayers(layer => { told.Add(layer); exchange.LayerDone(layer); }))
            {
                BackwardPass.Run(task.ComputeLosses([rows[rank.Rank]], rank.Rank, null).sum());
            }

            var before = exchange.Bytes;
            exchange.Finish(new float[2], wishesStop: false);
            return (told, before, exchange.Bytes);
        });

        Assert.All(results, result => Assert.Equal([1, 0], result.Value.told));
        Assert.All(results, result => Assert.InRange(result.Value.before, 1, result.Value.Bytes - 1));
    }

    [Fact]
    public void Of_the_embedding_table_only_rows_of_the_updates_sentences_travel()
    {
        using var run = new TinyRun();
        var group = new ThreadRanks(2);
        var settings = run.Settings with { MaximumUpdates = 1, WarmupUpdates = 0, EvaluateEvery = Interval.Never };

        Train(run, settings, 2, group: group);

        using var model = run.LoadModel();
        var table = model.Deberta.Embeddings.WordEmbeddings.Weight;
        var others = model.parameters().Where(parameter => !ReferenceEquals(parameter, table)).Sum(parameter => parameter.numel());
        var order = new MicroBatchOrder(new TrainingPlan(settings, TinyRun.Training.Count), settings.Seed);
        var ids = order.MicroBatchesOfUpdate(0).SelectMany(microBatch => order.RowsOf(microBatch).ToArray()).SelectMany(row => TinyRun.Training[row].InputIds)
            .Distinct().Count();
        Assert.InRange(group.Summed, others + (ids * table.shape[1]), others + (ids * table.shape[1]) + 100);
        Assert.True(ids < table.shape[0], $"all {ids} rows are looked up: nothing is shown");
    }

    [Fact]
    public void Recorded_runs_of_the_Python_Trainer_are_repeated_by_two_ranks() =>
        CheckGoldens(Repository.PathOf("tests", "goldens", "training"), 2, 3 * 7);

    [Fact]
    public void A_recorded_run_is_repeated_by_three_ranks()
    {
        var root = Directory.CreateTempSubdirectory("golden-");
        try
        {
            var source = Repository.PathOf("tests", "goldens", "training", "full-linear-uneven");
            foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
            {
                var target = Path.Combine(root.FullName, "full-linear-uneven", Path.GetRelativePath(source, file));
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(file, target);
            }

            CheckGoldens(root.FullName, 3, 7);
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(1, 3)]
    [InlineData(3, 2)]
    [InlineData(2, 1)]
    public void A_run_goes_on_with_another_number_of_ranks(int before, int after)
    {
        using var alone = new TinyRun();
        using var run = new TinyRun();
        var (expected, expectedWeights) = alone.Train(alone.Settings);
        var settings = run.Settings with { ExistingRun = ExistingRun.Resume, PiecesPerPass = 1 };

        // Alone it stops in the middle of an update, ranks do so between updates.
        var stopped = Train(run, settings, before, stopAfter: before == 1 ? 18 : 6);
        var resumed = Train(run, settings, after);

        Assert.All(stopped, result => Assert.Equal(TrainingEnd.Stopped, result.Result.End));
        Assert.Equal(before == 1 ? "checkpoint-4+2" : $"checkpoint-{stopped[0].Result.Updates}", Path.GetFileName(stopped[0].Result.LastCheckpoint));
        AssertSame(expected, resumed[0].Result);
        AssertNear(expectedWeights, resumed[0].Weights, 1e-5);
    }

    [Fact]
    public void A_rank_that_fails_ends_all_and_leaves_a_checkpoint_to_go_on_from()
    {
        using var alone = new TinyRun();
        using var run = new TinyRun();
        var (_, expected) = alone.Train(alone.Settings);
        var settings = run.Settings with { ExistingRun = ExistingRun.Resume, SaveEvery = Interval.Never };

        var results = TrainOrFail(run, settings, 3,
            happen: (rank, first, losses) => rank == 2 && first >= 24 ? throw new IOException("its disk burns") : losses);
        var resumed = Train(run, settings, 2);

        Assert.Contains("its disk burns", results[2].Error!.Message, StringComparison.Ordinal);
        Assert.IsType<LostRankException>(results[1].Error);
        Assert.Contains($"updates before it are kept in {Path.Combine(run.Output, "checkpoint-6")}: go on from there, with any number of ranks.",
            results[0].Error!.Message, StringComparison.Ordinal);
        AssertNear(expected, resumed[0].Weights, 1e-5);
    }

    [Fact]
    public void A_pass_that_runs_short_of_memory_after_its_first_sums_is_done_again()
    {
        using var alone = new TinyRun();
        using var run = new TinyRun();
        var (expected, expectedWeights) = alone.Train(alone.Settings);
        var failed = 0;

        // As memory fails in a backward pass: when some layers have been sent.
        var results = TrainOrFail(run, run.Settings with { PiecesPerPass = 1_000_000 }, 2, breakPass: (rank, layer) =>
        {
            if (rank == 1 && layer == 0 && Interlocked.Exchange(ref failed, 1) == 0)
            {
                throw new InvalidOperationException("CUDA out of memory");
            }
        });

        Assert.Equal(1, failed);
        AssertSame(expected, results[0].Value.Result);
        AssertNear(expectedWeights, results[1].Value.Weights, 1e-5);
    }

    [Theory]
    [InlineData(5, "5 ranks are to share an update of 4 micro-batches (AccumulationSteps); expected at most 4 ranks", "BatchSize 2 and AccumulationSteps 10")]
    public void More_ranks_than_micro_batches_are_refused(int ranks, string expected, string advice)
    {
        using var run = new TinyRun();

        var results = TrainOrFail(run, run.Settings, ranks);

        Assert.All(results, result => Assert.Contains(expected, Assert.IsType<ArgumentException>(result.Error).Message, StringComparison.Ordinal));
        Assert.Contains(advice, results[0].Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ranks_that_train_something_else_are_told_what_differs()
    {
        using var run = new TinyRun();

        var results = new ThreadRanks(3).Run(rank =>
        {
            using var model = run.LoadModel();
            var settings = run.Settings with { LearningRate = rank.Rank == 2 ? 0.5 : 1e-3, OutputFolder = Path.Combine(run.Output, $"{rank.Rank}") };
            var rows = TinyRun.Training.Skip(rank.Rank == 1 ? 1 : 0).ToList();
            using var task = new TokenClassificationTask(model, LabelSet.SystemA, rows, TinyRun.Evaluation, settings);
            using var loop = new TrainingLoop(task, settings, [], rank);
            return loop.Run(CancellationToken.None);
        });

        Assert.Single(results.Select(result => result.Error!.Message).Distinct());
        Assert.Contains("learningRate: 0.5 on rank 2, 0.001 on rank 0", results[0].Error!.Message, StringComparison.Ordinal);
        Assert.Contains("the training rows (count and hash): \"71-", results[0].Error!.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("outputFolder", results[0].Error!.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(run.Output), "something was written");
    }

    [Fact]
    public void Only_rank_0_writes_and_is_watched()
    {
        using var run = new TinyRun();
        var folders = new string[2];
        var watchers = new Watcher[2];

        new ThreadRanks(2).Run(rank =>
        {
            using var model = run.LoadModel();
            folders[rank.Rank] = Path.Combine(run.Output, $"{rank.Rank}");
            watchers[rank.Rank] = new();
            var settings = run.Settings with { OutputFolder = folders[rank.Rank] };
            using var task = NewTask(model, settings, rank);
            using var loop = new TrainingLoop(task, settings, [watchers[rank.Rank]], rank);
            return loop.Run(CancellationToken.None);
        });

        Assert.True(Directory.Exists(Path.Combine(folders[0], "checkpoint-10")));
        Assert.Empty(Directory.EnumerateFileSystemEntries(folders[1]));
        Assert.Equal((3, 0), (watchers[0].Steps, watchers[1].Steps));
    }

    [Theory]
    [InlineData(NonFiniteAction.Stop)]
    [InlineData(NonFiniteAction.SkipUpdate)]
    public void A_loss_that_is_no_number_on_one_rank_is_everybodys(NonFiniteAction action)
    {
        using var run = new TinyRun();
        var settings = run.Settings with { OnNonFinite = action, EvaluateEvery = Interval.Never };

        var results = TrainOrFail(run, settings, 2, happen: (rank, first, losses) => rank == 1 && first / 4 == 2 ? losses * float.NaN : losses);

        if (action == NonFiniteAction.Stop)
        {
            Assert.All(results, result => Assert.Contains("Update 3 is not finite: the loss of 2 of its 4 micro-batches is NaN",
                Assert.IsType<NonFiniteLossException>(result.Error).Message, StringComparison.Ordinal));
            Assert.True(File.Exists(Path.Combine(run.Output, "non-finite-update-3.json")));
        }
        else
        {
            Assert.Single(results[0].Value.Result.Notices, notice => notice.Contains("is skipped", StringComparison.Ordinal));
            TinyRun.AssertEqualBits(results[0].Value.Weights, results[1].Value.Weights);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void An_evaluation_is_shared_and_each_rank_has_the_whole_result(int ranks)
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        model.eval();
        var expected = TokenEvaluation.Run(model, LabelSet.SystemA, TinyRun.Evaluation, run.Settings, keepPredictions: true,
            TestContext.Current.CancellationToken);

        var results = new ThreadRanks(ranks).Run(rank =>
        {
            using var own = run.LoadModel();
            own.eval();
            var predictions = new PredictedPieces[TinyRun.Evaluation.Count];
            var result = TokenEvaluation.Run(own, LabelSet.SystemA, TinyRun.Evaluation, run.Settings.EvaluationBatchSize, run.Settings.EvaluationOrder, null,
                null, rank, CancellationToken.None, predictions);
            return result with { Predictions = predictions };
        });

        Assert.All(results, result =>
        {
            var found = result.Value ?? throw result.Error!;
            Assert.Equal(expected.Loss, found.Loss, 1e-6);
            Assert.Equal((expected.Rows, expected.Tokens, expected.Scores!.Micro), (found.Rows, found.Tokens, found.Scores!.Micro));
            Assert.All(expected.Predictions!.Zip(found.Predictions!), pair =>
            {
                Assert.Equal(pair.First.Tags, pair.Second.Tags);
                Assert.All(pair.First.Scores.Zip(pair.Second.Scores), scores => Assert.Equal(scores.First, scores.Second, 1e-6f));
                Assert.Equal(pair.First.LossSum, pair.Second.LossSum, 1e-5);
            });
        });
    }

    [Fact]
    public void A_stop_in_one_ranks_evaluation_is_everybodys_and_the_evaluation_is_made_up_for()
    {
        using var alone = new TinyRun();
        using var run = new TinyRun();
        var (expected, _) = alone.Train(alone.Settings);
        var settings = run.Settings with { ExistingRun = ExistingRun.Resume };

        var stopped = new ThreadRanks(2).Run(rank =>
        {
            using var model = run.LoadModel();
            using var source = new CancellationTokenSource();
            var inner = NewTask(model, settings, rank);
            using var task = new EvaluationTask(inner, () =>
            {
                if (rank.Rank == 1)
                {
                    source.Cancel();
                }
            });
            using var loop = new TrainingLoop(task, settings, [], rank);
            return loop.Run(source.Token);
        });
        var resumed = Train(run, settings, 2);

        Assert.All(stopped, result => Assert.Equal((TrainingEnd.Stopped, 4), (result.Value!.End, result.Value.Updates)));
        AssertSame(expected, resumed[0].Result);
    }

    private static (TrainingResult Result, Dictionary<string, float[]> Weights)[] Train(
        TinyRun run, TrainingSettings settings, int ranks, int? stopAfter = null, ThreadRanks? group = null)
    {
        if (ranks == 1)
        {
            using var source = new CancellationTokenSource();
            using var model = run.LoadModel();
            using var task = new StoppingTask(NewTask(model, settings, null), source.Cancel, stopAfter ?? -1);
            using var loop = new TrainingLoop(task, settings, []);
            return [(loop.Run(source.Token), TinyRun.WeightsOf(model))];
        }

        return [.. TrainOrFail(run, settings, ranks, stopAfter, group: group).Select(result => result.Error is null ? result.Value : throw result.Error)];
    }

    private static ((TrainingResult Result, Dictionary<string, float[]> Weights) Value, Exception? Error)[] TrainOrFail(
        TinyRun run, TrainingSettings settings, int ranks, int? stopAfter = null, Func<int, long, Tensor, Tensor>? happen = null,
        Action<int, int>? breakPass = null, ThreadRanks? group = null) =>
        (group ?? new ThreadRanks(ranks)).Run(rank =>
        {
            using var model = run.LoadModel();
            using var source = new CancellationTokenSource();
            // Only the last rank hears of the wish to stop.
            var inner = new StoppingTask(NewTask(model, settings, rank), source.Cancel, rank.Rank == ranks - 1 ? stopAfter ?? -1 : -1);
            using var task = new BreakingTask(inner, happen is null ? null : (first, losses) => happen(rank.Rank, first, losses),
                layer => breakPass?.Invoke(rank.Rank, layer));
            using var loop = new TrainingLoop(task, settings, [], rank);
            return (loop.Run(source.Token), TinyRun.WeightsOf(model));
        });

    private static TokenClassificationTask NewTask(DebertaV2ForTokenClassification model, TrainingSettings settings, ICommunicator? ranks) =>
        new(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings, ranks: ranks);

    private static Dictionary<string, float[]> GradientsOfUpdate(TinyRun run, DebertaV2ForTokenClassification model, ICommunicator? ranks)
    {
        var settings = run.Settings;
        using var scope = NewDisposeScope();
        using var task = NewTask(model, settings, ranks);
        using var optimiser = new AdamWOptimiser(ParameterGroups.Of(model), settings, task.TrainedRows);
        using var exchange = ranks is null ? null : new GradientExchange(ranks, task, optimiser.Slots);
        ReadOnlyMemory<int>[] rows = [.. Enumerable.Range(0, 7).Select(batch => (ReadOnlyMemory<int>)Enumerable.Range(batch * 5, 5).ToArray())];
        task.Seed(42);
        exchange?.Begin(rows);
        var (first, count) = ranks?.PartOf(rows.Length) ?? (0, rows.Length);
        task.SkipRandom(first);
        for (var batch = first; batch < first + count; batch++)
        {
            using (batch == first + count - 1 && exchange is not null ? task.WatchLayers(exchange.LayerDone) : null)
            {
                BackwardPass.Run(task.ComputeLosses([rows[batch]], batch, null).sum() / rows.Length);
            }
        }

        _ = exchange?.Finish(new float[rows.Length], wishesStop: false);
        return optimiser.Slots.Where(slot => slot.Gradient is not null)
            .ToDictionary(slot => slot.Name, slot => slot.Gradient!.data<float>().ToArray(), StringComparer.Ordinal);
    }

    private static void CheckGoldens(string folder, int ranks, int rows)
    {
        var results = new ThreadRanks(ranks).Run(rank => TrainingChecks.With(null, rank).Run(folder, new()).ToList());
        Assert.All(results, result =>
        {
            var checks = result.Value ?? throw result.Error!;
            Assert.Equal(rows, checks.Count);
            Assert.All(checks, check => Assert.True(check.IsOk, $"{check}"));
        });
    }

    private static void AssertSame(TrainingResult expected, TrainingResult actual)
    {
        Assert.Equal((expected.End, expected.Updates), (actual.End, actual.Updates));
        Assert.Equal(expected.History.Steps.Select(step => (step.Update, step.LearningRate, step.Epoch)),
            actual.History.Steps.Select(step => (step.Update, step.LearningRate, step.Epoch)));
        Assert.All(expected.History.Steps.Zip(actual.History.Steps), pair =>
        {
            Assert.Equal(pair.First.Loss, pair.Second.Loss, 1e-5);
            Assert.Equal(pair.First.GradientNorm, pair.Second.GradientNorm, 1e-4);
        });
        Assert.Equal(expected.History.Evaluations.Count, actual.History.Evaluations.Count);
        Assert.All(expected.History.Evaluations.Zip(actual.History.Evaluations), pair => Assert.Equal(pair.First.Loss, pair.Second.Loss, 1e-5));
        Assert.Equal(expected.MeanLoss, actual.MeanLoss, 1e-5);
    }

    private static void AssertNear(Dictionary<string, float[]> expected, Dictionary<string, float[]> actual, double tolerance)
    {
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), actual.Keys.Order(StringComparer.Ordinal));
        foreach (var (name, values) in expected)
        {
            var worst = values.Zip(actual[name]).Max(pair => Math.Abs(pair.First - pair.Second));
            Assert.True(worst <= tolerance, $"{name} differs by {worst}");
        }
    }

    private sealed class Watcher : ITrainingObserver
    {
        public int Steps { get; private set; }

        public void StepLogged(LoggedStep logged) => Steps++;
    }

    /// <summary>A task to whose losses, or to whose backward pass after a layer, something happens.</summary>
    private sealed class BreakingTask(ITrainingTask inner, Func<long, Tensor, Tensor>? happen, Action<int> afterLayer) : ForwardingTask(inner)
    {
        public override Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> microBatches, long first, double? divisor)
        {
            var losses = base.ComputeLosses(microBatches, first, divisor);
            return happen is null ? losses : happen(first, losses);
        }

        public override IDisposable WatchLayers(Action<int> done) => base.WatchLayers(layer =>
        {
            done(layer);
            afterLayer(layer);
        });
    }

    /// <summary>A task to which something happens when its evaluation begins.</summary>
    private sealed class EvaluationTask(ITrainingTask inner, Action happen) : ForwardingTask(inner)
    {
        public override EvaluationResult Evaluate(PrecisionPolicy precision, CancellationToken cancellation)
        {
            happen();
            return base.Evaluate(precision, cancellation);
        }
    }
}
