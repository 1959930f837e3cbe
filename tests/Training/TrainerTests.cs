using System.Text.Json;
using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

[Collection(AutocastTestGroup.Name)]
public class TrainerTests
{
    [Fact]
    public void The_last_state_and_the_best_model_are_both_kept_and_rotation_touches_neither()
    {
        using var run = new TinyRun();

        var (result, weights) = run.Train(run.Settings with { SaveEvery = 1, EvaluateEvery = 3, KeepCheckpoints = 2 });

        var folders = Directory.EnumerateDirectories(run.Output).Select(Path.GetFileName).Order(StringComparer.Ordinal);
        Assert.Equal(["best", "checkpoint-10", "checkpoint-9"], folders);
        Assert.EndsWith("checkpoint-10", result.LastCheckpoint, StringComparison.Ordinal);
        using var last = ModelFolder.Load(result.LastCheckpoint).Model;
        TinyRun.AssertEqualBits(weights, TinyRun.WeightsOf(last));
        using var best = ModelFolder.Load(result.BestFolder!).Model;
        var loss = TokenEvaluation.Run(best, LabelSet.SystemA, TinyRun.Evaluation, 8, cancellation: TestContext.Current.CancellationToken).Loss;
        Assert.Equal(result.History.Evaluations.Min(evaluation => evaluation.Loss), loss, 1e-6);
    }

    [Fact]
    public void A_full_disk_in_the_middle_leaves_the_older_checkpoints_whole_and_the_run_goes_on()
    {
        using var run = new TinyRun();
        var watcher = new Watcher();
        watcher.OnStep = step =>
        {
            // A file where the checkpoint's temporary folder must go: the write fails as on a full disk.
            if (step.Update == 4)
            {
                File.WriteAllText(Path.Combine(run.Output, $".writing-checkpoint-4-{Environment.ProcessId}"), "in the way");
            }
        };

        var (result, _) = run.Train(run.Settings with { SaveEvery = 2, LogEvery = 1, KeepCheckpoints = 9, EvaluateEvery = Interval.Never }, watcher);

        Assert.Equal(TrainingEnd.Finished, result.End);
        Assert.Contains(result.Notices, notice => notice.StartsWith("The checkpoint of update 4 could not be written", StringComparison.Ordinal));
        Assert.Equal(["checkpoint-10", "checkpoint-2", "checkpoint-6", "checkpoint-8"],
            Directory.EnumerateDirectories(run.Output).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.All(Directory.EnumerateDirectories(run.Output), folder => Assert.Null(CheckpointManifest.FindDamage(folder)));
    }

    [Fact]
    public void One_times_sixteen_equals_four_times_four_when_the_loss_is_averaged_over_labelled_pieces()
    {
        using var first = new TinyRun();
        using var second = new TinyRun();
        var settings = first.Settings with { LossAverage = LossAverage.LabelledPieces, MaximumUpdates = 6, LogEvery = 1 };

        using var one = WithoutDropout();
        using var other = WithoutDropout();
        var coarse = Train(one, settings with { BatchSize = 16, AccumulationSteps = 1 });
        var fine = Train(other, settings with { BatchSize = 4, AccumulationSteps = 4, OutputFolder = second.Output });

        Assert.Equal(6, coarse.History.Steps.Count);
        // 72 rows are 4.5 times 16: the fifth update of the coarse run has 8 rows only, so the first four updates are compared.
        Assert.All(coarse.History.Steps.Zip(fine.History.Steps).Take(4), pair =>
        {
            Assert.Equal(pair.First.Loss, pair.Second.Loss, 1e-6);
            Assert.Equal(pair.First.GradientNorm, pair.Second.GradientNorm, 1e-5);
        });
    }

    [Fact]
    public void The_live_tensor_count_stays_flat_over_500_updates()
    {
        using var run = new TinyRun();
        var counts = new List<long>();
        var watcher = new Watcher { OnStep = _ => counts.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount) };

        run.Train(run.Settings with { BatchSize = 2, AccumulationSteps = 1, MaximumUpdates = 500, LogEvery = 50, EvaluateEvery = 100, SaveEvery = 200 },
            watcher);

        Assert.Equal(10, counts.Count);
        // The model keeps a few tables per sentence length; after 200 updates every length has come.
        Assert.All(counts.Skip(4), count => Assert.Equal(counts[4], count));
    }

    [Fact]
    public void An_observer_that_throws_is_reported_once_and_harms_nothing()
    {
        using var quiet = new TinyRun();
        using var loud = new TinyRun();
        var (_, expected) = quiet.Train(quiet.Settings);
        var watcher = new Watcher();

        var (result, actual) = loud.Train(loud.Settings, new Thrower(), watcher);

        Assert.Single(result.Notices, notice => notice.Contains("Thrower failed", StringComparison.Ordinal));
        Assert.Equal(3, watcher.Steps);
        TinyRun.AssertEqualBits(expected, actual);
    }

    [Fact]
    public void A_gradient_that_throws_ends_the_run_instead_of_leaving_its_parameters_where_they_are()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        using var task = new TokenClassificationTask(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, run.Settings);
        // The library's own exception on the way back, in place of one that memory would bring.
        using var others = new TrainedRows(model.Deberta.Embeddings.WordEmbeddings.Weight, [1]);
        model.Deberta.Embeddings.WordEmbeddings.TrainedRows = others;
        using var loop = new TrainingLoop(task, run.Settings, []);

        var error = Assert.Throws<InvalidOperationException>(() => loop.Run(CancellationToken.None));

        Assert.Contains("row", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateDirectories(run.Settings.OutputFolder));
    }

    [Fact]
    public void A_layer_whose_gradient_throws_ends_the_run_too()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        using var task = new TokenClassificationTask(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, run.Settings);
        model.Engine.LayerDone = layer => throw new InvalidOperationException($"layer {layer} broke");
        using var loop = new TrainingLoop(task, run.Settings, []);

        var error = Assert.Throws<InvalidOperationException>(() => loop.Run(CancellationToken.None));

        Assert.Equal("layer 1 broke", error.Message);
    }

    [Fact]
    public void A_folder_in_which_a_run_is_training_is_refused_and_left_as_it_is()
    {
        using var run = new TinyRun();
        var watcher = new Watcher();
        InvalidOperationException? refusal = null;
        var half = Path.Combine(run.Settings.OutputFolder, ".writing-checkpoint-1-1");
        watcher.OnStep = _ =>
        {
            Directory.CreateDirectory(half);
            refusal ??= Assert.Throws<InvalidOperationException>(() => run.Train(run.Settings with { ExistingRun = ExistingRun.Replace }));
            Assert.True(Directory.Exists(half), "somebody else's half-written checkpoint was cleared away");
        };

        var (result, _) = run.Train(run.Settings, watcher);

        Assert.Contains("another run is training there", refusal!.Message, StringComparison.Ordinal);
        Assert.Equal(TrainingEnd.Finished, result.End);
        Assert.DoesNotContain(result.Notices, notice => notice.Contains("Watcher", StringComparison.Ordinal));
    }

    [Fact]
    public void An_observer_can_ask_for_a_stop_and_gets_a_checkpoint()
    {
        using var run = new TinyRun();
        var watcher = new Watcher();
        watcher.OnStep = step => watcher.Control!.RequestStop("seen enough");

        var (result, _) = run.Train(run.Settings, watcher);

        Assert.Equal((TrainingEnd.Stopped, "seen enough", 3), (result.End, result.Reason, result.Updates));
        Assert.True(File.Exists(Path.Combine(result.LastCheckpoint, "model.safetensors")));
    }

    [Fact]
    public void Early_stopping_ends_the_run_when_the_metric_stays()
    {
        using var run = new TinyRun();

        // A rate this small leaves the rounded F1 where it is.
        var (result, _) = run.Train(run.Settings with { LearningRate = 1e-12, BestMetric = "f1", EvaluateEvery = 1, EarlyStoppingPatience = 3 });

        Assert.Equal((TrainingEnd.StoppedEarly, 4), (result.End, result.Updates));
    }

    [Theory]
    [InlineData(NonFiniteAction.Stop)]
    [InlineData(NonFiniteAction.SkipUpdate)]
    public void A_batch_that_makes_the_loss_infinite_is_kept_in_a_file(NonFiniteAction action)
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        var settings = run.Settings with { OnNonFinite = action, MaximumUpdates = 2, AccumulationSteps = 1, EvaluateEvery = Interval.Never };
        using (no_grad())
        {
            model.named_parameters().First(pair => pair.name == "classifier.bias").parameter.fill_(float.NaN);
        }

        var trainer = new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings);
        var before = TinyRun.WeightsOf(model);
        if (action == NonFiniteAction.Stop)
        {
            var error = Assert.Throws<NonFiniteLossException>(() => trainer.Train(TestContext.Current.CancellationToken));
            Assert.Contains("Update 1 is not finite: the loss of 1 of its 1 micro-batches is NaN", error.Message, StringComparison.Ordinal);
            using var kept = JsonDocument.Parse(File.ReadAllText(error.BatchFile));
            var rows = kept.RootElement.GetProperty("microBatches")[0].GetProperty("rows");
            Assert.Equal(5, rows.GetArrayLength());
            Assert.Equal(TinyRun.Training[rows[0].GetProperty("row").GetInt32()].InputIds.Length,
                rows[0].GetProperty("content").GetProperty("inputIds").GetArrayLength());
        }
        else
        {
            var result = trainer.Train(TestContext.Current.CancellationToken);
            Assert.Equal(2, result.Notices.Count(notice => notice.Contains("is skipped", StringComparison.Ordinal)));
            TinyRun.AssertEqualBits(before, TinyRun.WeightsOf(model));
        }
    }

    [Fact]
    public void Labels_that_the_head_lacks_are_refused_before_the_run()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();

        var error = Assert.Throws<ArgumentException>(() =>
            new Trainer(model, LabelSet.SystemA, [new([1, 5, 2], [-100, 31, -100], [-1, 0, -1])], [], run.Settings));

        Assert.Contains("training row 0 has label 31; expected 0 to 30", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_summary_says_what_was_decided()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();

        var summary = new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, run.Settings).Summary;

        Assert.Equal("5 per micro-batch × 4 micro-batches = 20 sentences per update", summary.EffectiveBatch);
        Assert.Equal((15, 3, 10, 2, 42L), (summary.MicroBatchesPerEpoch, summary.UpdatesPerEpoch, summary.Updates, summary.WarmupUpdates, summary.Seed));
        Assert.Equal(summary.TotalParameters, summary.TrainedParameters);
        Assert.Equal(["NotebookLib", "TorchSharp", "libtorch", ".NET"], summary.Versions.Keys);
        Assert.Matches("^[0-9a-f]{40}$", summary.Commit);
    }

    [Fact]
    public void BFloat16_ends_near_float32()
    {
        using var wide = new TinyRun();
        using var narrow = new TinyRun();

        var (full, _) = wide.Train(wide.Settings);
        var (half, _) = narrow.Train(narrow.Settings with { Precision = TrainingPrecision.BFloat16 });

        Assert.NotEqual(full.MeanLoss, half.MeanLoss);
        Assert.Equal(full.MeanLoss, half.MeanLoss, 0.02);
    }

    private static DebertaV2ForTokenClassification WithoutDropout() =>
        ModelFolder.Load(Repository.PathOf("tests", "goldens", "training", "full-linear", "start")).Model;

    private static TrainingResult Train(DebertaV2ForTokenClassification model, TrainingSettings settings) =>
        new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings).Train(TestContext.Current.CancellationToken);

    private sealed class Watcher : ITrainingObserver
    {
        public Action<LoggedStep>? OnStep { get; set; }

        public TrainingControl? Control { get; private set; }

        public int Steps { get; private set; }

        public void RunStarted(RunSummary summary, TrainingControl control) => Control = control;

        public void StepLogged(LoggedStep logged)
        {
            Steps++;
            OnStep?.Invoke(logged);
        }
    }

    private sealed class Thrower : ITrainingObserver
    {
        public void StepLogged(LoggedStep logged) => throw new InvalidOperationException("no panel");
    }
}
