using System.Text.Json.Nodes;
using NotebookLib.Data;
using NotebookLib.Tests.Training;
using NotebookLib.Tracking;
using NotebookLib.Training;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

public sealed class TrackingObserverTests
{
    [Fact]
    public void The_plan_is_what_the_run_decided_in_the_order_that_runs_have_always_had()
    {
        var plan = (IReadOnlyDictionary<string, object?>)TrainingConfig.Of(NotebookLib.Tests.Display.LivePanelTests.Summary, model: null)["plan"]!;

        Assert.Equal(
            [
                "device", "precision", "totalParameters", "trainedParameters", "trainingRows", "evaluationRows", "effectiveBatch", "microBatchesPerEpoch",
                "updatesPerEpoch", "updates", "warmupUpdates", "versions", "commit",
            ],
            plan.Keys);
        // Texts are texts: a node would come out with escapes, and unread by the mask of secrets.
        Assert.Equal("16 per micro-batch × 8 micro-batches = 128 sentences per update", plan["effectiveBatch"]);
        Assert.IsType<Dictionary<string, object?>>(plan["versions"]);
        Assert.Equal("100", plan["updates"]!.ToString());
    }

    [Fact]
    public async Task A_training_is_tracked_under_the_Hugging_Face_keys()
    {
        await using var fixture = await StartAsync();
        using var tiny = new TinyRun();
        TrainingResult? result = null;
        var run = await RunAsync(fixture.Settings with { LogModel = LogModel.End }, run => result = Train(tiny, run));

        var stored = fixture.Server.State.Run(run.RunId);
        var rows = stored.History.Select(line => (JsonObject)JsonNode.Parse(line)!).ToArray();
        // Every 3 of 10 updates a log, every 4 an evaluation, one row at the end; _step counts rows, as in 016-b-hf-trainer:10.
        Assert.Equal([3, 4, 6, 8, 9, 10], rows.Select(row => (int)row["train/global_step"]!));
        Assert.Equal([0, 1, 2, 3, 4, 5], rows.Select(row => (int)row["_step"]!));
        Assert.Equal(
            ["train/loss", "train/learning_rate", "train/grad_norm", "train/tokens_per_second", "train/epoch", "train/global_step", "_step", "_runtime",
                "_timestamp"],
            rows[0].Select(member => member.Key));
        Assert.Equal(result!.History.Steps[0].Loss, (double)rows[0]["train/loss"]!);
        Assert.Equal(result.History.Evaluations[0].Metrics["f1"], (double)rows[1]["eval/f1"]!);
        Assert.All(["eval/loss", "eval/accuracy", "eval/runtime", "eval/samples_per_second", "eval/steps_per_second", "train/epoch"],
            key => Assert.True(rows[1].ContainsKey(key), key));
        Assert.Equal(
            ["train/train_runtime", "train/train_samples_per_second", "train/train_steps_per_second", "train/train_loss", "train/epoch", "train/global_step"],
            rows[5].Select(member => member.Key).Take(6));
        Assert.Equal(result.MeanLoss, (double)rows[5]["train/train_loss"]!);
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Fact]
    public async Task Configuration_summary_and_model_are_the_runs()
    {
        await using var fixture = await StartAsync();
        using var tiny = new TinyRun();
        TrainingResult? result = null;
        var run = await RunAsync(fixture.Settings with { LogModel = LogModel.End, Name = "tiny" }, run => result = Train(tiny, run));

        var stored = fixture.Server.State.Run(run.RunId);
        Assert.Equal(5, (int)stored.Config["per_device_train_batch_size"]!["value"]!);
        Assert.Equal(32, (int)stored.Config["hidden_size"]!["value"]!);
        Assert.Equal(10, (int)stored.Config["settings"]!["value"]!["maximumUpdates"]!);
        Assert.Equal("output", (string?)stored.Config["settings"]!["value"]!["outputFolder"]);
        Assert.Equal("""[{"1":"train/global_step","6":[3],"7":[]},{"2":"*","5":1,"6":[1],"7":[]}]""", stored.Config["_wandb"]!["value"]!["m"]!.ToJsonString());
        var best = result!.History.Best!;
        var summary = JsonNode.Parse(stored.Summary!)!;
        Assert.Equal((best.Update, best.Loss), ((int)summary["best/global_step"]!, (double)summary["best/loss"]!));
        var model = Assert.Single(fixture.Server.State.Artifacts);
        Assert.Equal(("model-tiny", "model", true), (model.Collection, model.Type, model.IsCommitted));
        Assert.Equal(["best", "latest"], model.Aliases.Order());
        Assert.Equal(await File.ReadAllBytesAsync(Path.Combine(result.BestFolder!, "model.safetensors"), TestContext.Current.CancellationToken),
            model.Files["model.safetensors"]);
    }

    [Fact]
    public async Task Checkpoints_become_versions_of_one_artifact()
    {
        await using var fixture = await StartAsync();
        using var tiny = new TinyRun();
        await RunAsync(fixture.Settings with { LogModel = LogModel.Checkpoint, Name = "tiny" }, run => Train(tiny, run));

        var versions = fixture.Server.State.Artifacts.Where(artifact => artifact.Collection == "checkpoint-tiny").ToArray();
        Assert.Equal(["checkpoint-5,latest", "checkpoint-10,latest"], versions.Select(version => string.Join(',', version.Aliases.Order())));
        Assert.All(versions, version => Assert.True(version.IsCommitted));
    }

    [Fact]
    public async Task The_stop_button_ends_the_training_with_a_checkpoint_and_exit_code_255()
    {
        await using var fixture = await StartAsync();
        fixture.Server.State.StopRequested = true;
        using var tiny = new TinyRun();
        TrainingResult? result = null;
        var run = await RunAsync(fixture.Settings,
            run => result = Train(tiny, run, settings => settings with { MaximumUpdates = 20_000, LogEvery = 1, EvaluateEvery = 0, SaveEvery = 0 }));

        Assert.Equal((TrainingEnd.Stopped, "the stop button on the run's page"), (result!.End, result.Reason));
        Assert.True(File.Exists(Path.Combine(result.LastCheckpoint, "model.safetensors")));
        Assert.Equal((true, 255), (fixture.Server.State.Run(run.RunId).IsComplete, fixture.Server.State.Run(run.RunId).ExitCode));
    }

    [Fact]
    public async Task A_failed_training_ends_the_run_with_exit_code_1_and_the_exceptions_text()
    {
        await using var fixture = await StartAsync();
        using var tiny = new TinyRun();
        await using var run = TrackedRun.Start(fixture.Settings);

        var fault = Assert.Throws<NonFiniteLossException>(() =>
            Train(tiny, run, settings => settings with { LearningRate = 1e38, MaximumGradientNorm = 0, WarmupUpdates = 0 }));

        var stored = fixture.Server.State.Run(run.RunId);
        Assert.Equal((true, 1), (stored.IsComplete, stored.ExitCode));
        Assert.Contains(stored.Output,
            line => line.StartsWith("ERROR ", StringComparison.Ordinal) && line.Contains(fault.GetType().Name, StringComparison.Ordinal));
    }

    private static TrainingResult Train(TinyRun tiny, TrackedRun run, Func<TrainingSettings, TrainingSettings>? change = null)
    {
        using var model = tiny.LoadModel();
        using var observer = new TrackingObserver(run, model.Config);
        return new Trainer(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, (change ?? (settings => settings))(tiny.Settings), observer).Train();
    }
}
