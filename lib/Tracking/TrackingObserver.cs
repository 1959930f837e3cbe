using NotebookLib.Inference;
using NotebookLib.Metrics;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Training;

namespace NotebookLib.Tracking;

/// <summary>
/// Tracks a training under the keys of the Hugging Face integration (transformers 4.35.2, WandbCallback), so that our runs and the original's overlay in one
/// chart. A call costs the training thread microseconds; the stop button on the run's page ends the training with a checkpoint.
/// </summary>
/// <param name="run">The started run; the caller finishes it, after the test scores. A training that fails ends it with exit code 1.</param>
/// <param name="model">The model's configuration, which becomes part of the run's.</param>
public sealed class TrackingObserver(TrackedRun run, DebertaConfig? model = null) : ITrainingObserver, IDisposable
{
    private const string Beginning = "beginning";

    /// <summary>The key of the horizontal axis.</summary>
    private const string GlobalStep = "train/global_step";

    // How long a training that failed or was stopped waits for its last rows to arrive; what is missing then is left to sync.
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(8);

    private CancellationTokenRegistration _stopButton;
    private RunSummary? _summary;
    private double _epoch;
    private long _update;

    /// <inheritdoc/>
    public void RunStarted(RunSummary summary, TrainingControl control)
    {
        ArgumentNullException.ThrowIfNull(summary);
        ArgumentNullException.ThrowIfNull(control);
        _summary = summary;
        // The training's cell, run again after a stop or a failure, comes with the run that these have ended.
        run.GoOn();
        GoOn(summary);
        run.LogConfig(TrainingConfig.Of(summary, model));
        DefineStep(run);
        _stopButton.Dispose();
        _stopButton = run.StopRequested.Register(() => control.RequestStop("the stop button on the run's page"));
    }

    /// <inheritdoc/>
    public void StepLogged(LoggedStep logged)
    {
        ArgumentNullException.ThrowIfNull(logged);
        var row = new Dictionary<string, object?>
        {
            ["train/loss"] = logged.Loss,
            ["train/learning_rate"] = logged.LearningRate,
            ["train/grad_norm"] = logged.GradientNorm,
            ["train/tokens_per_second"] = logged.TokensPerSecond,
        };
        if (logged.DeviceMemoryBytes > 0)
        {
            row["train/gpu_memory_bytes"] = logged.DeviceMemoryBytes;
        }

        if (logged.DeviceUtilisation is { } share)
        {
            row["train/gpu_utilisation"] = share;
        }

        Log(logged.Update, logged.Epoch, row);
    }

    /// <inheritdoc/>
    public void EvaluationDone(LoggedEvaluation evaluation, EvaluationResult result)
    {
        ArgumentNullException.ThrowIfNull(evaluation);
        ArgumentNullException.ThrowIfNull(result);
        Dictionary<string, object?> row = evaluation.Metrics.ToDictionary(pair => "eval/" + pair.Key, pair => (object?)pair.Value);
        AddTypes(row, "eval/", result.Scores);
        var batches = Math.Ceiling(result.Rows / (double)(_summary?.Settings.EvaluationBatchSize ?? 1));
        row["eval/runtime"] = result.ElapsedSeconds;
        row["eval/samples_per_second"] = result.Rows / Math.Max(result.ElapsedSeconds, 1e-9);
        row["eval/steps_per_second"] = batches / Math.Max(result.ElapsedSeconds, 1e-9);
        Log(evaluation.Update, evaluation.Epoch, row);
        if (evaluation.IsBest)
        {
            run.SetSummary(Best(evaluation));
        }
    }

    /// <inheritdoc/>
    public void CheckpointSaved(string folder, CheckpointKind kind)
    {
        if (kind is CheckpointKind.Resumable)
        {
            run.Mark(MarkOf(Path.GetFileName(folder)));
        }

        if (run.LogModel is LogModel.Checkpoint && kind is CheckpointKind.Resumable)
        {
            run.LogArtifact(TrackedArtifact.OfModel(run.CheckpointName, folder) with { Aliases = [Path.GetFileName(folder)] });
        }
    }

    /// <inheritdoc/>
    public void Noticed(string message) => run.LogOutput(message, isError: true);

    /// <inheritdoc/>
    public void RunEnded(TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        _stopButton.Dispose();
        var seconds = Math.Max(result.ElapsedSeconds, 1e-9);
        var epoch = result.Updates == _update ? _epoch : (double)result.Updates / result.Summary.UpdatesPerEpoch;
        Log(result.Updates, epoch, new()
        {
            ["train/train_runtime"] = result.ElapsedSeconds,
            ["train/train_samples_per_second"] = result.Summary.TrainingRows * epoch / seconds,
            ["train/train_steps_per_second"] = result.Updates / seconds,
            ["train/train_loss"] = result.MeanLoss,
        });
        if (run.LogModel is not LogModel.No)
        {
            LogFinalModel(result);
        }

        if (result.End is TrainingEnd.Stopped && Interruption.IsRequested)
        {
            // The cell ends here, and perhaps the process: nobody else would send the last rows and say that the run stands still.
            EndRun(patience => run.FinishAsync(TrackedRun.Stopped, patience));
        }
    }

    /// <inheritdoc/>
    public void RunFailed(Exception failure)
    {
        _stopButton.Dispose();
        EndRun(patience => run.FailAsync(failure, patience));
    }

    /// <summary>Logs the scores of the test split: <c>test/f1</c>, <c>test/loss</c>, <c>test/PER_f1</c>, …</summary>
    /// <param name="judged">The split, judged word by word.</param>
    public void LogTest(JudgedSplit judged)
    {
        ArgumentNullException.ThrowIfNull(judged);
        var (scores, strict) = (judged.Scores, judged.Strict);
        Dictionary<string, object?> row = new()
        {
            ["test/loss"] = judged.Loss,
            ["test/f1"] = scores.Micro.F1,
            ["test/precision"] = scores.Micro.Precision,
            ["test/recall"] = scores.Micro.Recall,
            ["test/accuracy"] = scores.Accuracy,
            ["test/f1_macro"] = scores.Macro.F1,
            ["test/f1_weighted"] = scores.Weighted.F1,
            ["test/f1_strict"] = strict.Micro.F1,
        };
        AddTypes(row, "test/", scores);
        Log(_update, _epoch, row);
    }

    /// <summary>Defines the horizontal axis as the integration does.</summary>
    internal static void DefineStep(TrackedRun run)
    {
        run.DefineMetric(GlobalStep);
        run.DefineMetric("*", GlobalStep, stepSync: true);
    }

    /// <summary>Stops listening to the stop button; the run goes on.</summary>
    public void Dispose() => _stopButton.Dispose();

    /// <summary>
    /// A training that goes on finds the rows that were logged before it was stopped: those behind the checkpoint from which it goes on are made again and
    /// supersede them. A run that did not come to its first checkpoint begins again at its first row.
    /// </summary>
    private void GoOn(RunSummary summary)
    {
        if (summary.ResumedFrom is { } point)
        {
            (_update, _epoch) = (point.Update, summary.EpochAfter(point.Update));
            run.ReturnTo(MarkOf(point.Checkpoint), isEarlier: false);
        }
        else if (!run.ReturnTo(MarkOf(Beginning), isEarlier: true))
        {
            run.Mark(MarkOf(Beginning));
        }
    }

    private static void EndRun(Func<CancellationToken, ValueTask> end)
    {
        using var patience = new CancellationTokenSource(EndPatience);
        end(patience.Token).AsTask().GetAwaiter().GetResult();
    }

    /// <summary>One run may track several trainings, each with its folder of checkpoints.</summary>
    private string MarkOf(string place) => $"{Path.GetFileName(Path.TrimEndingDirectorySeparator(_summary!.Settings.OutputFolder))}/{place}";

    private void Log(long update, double epoch, Dictionary<string, object?> row)
    {
        (_update, _epoch) = (update, epoch);
        row["train/epoch"] = epoch;
        row[GlobalStep] = update;
        run.Log(row);
    }

    private void LogFinalModel(TrainingResult result)
    {
        var (folder, metric) = (result.BestFolder ?? result.LastCheckpoint, result.Summary.Settings.BestMetric);
        run.LogArtifact(TrackedArtifact.OfModel(run.ModelName, folder) with
        {
            Aliases = result.BestFolder is null ? [] : ["best"],
            Metadata = result.History.Best is { } best
                ? new Dictionary<string, object?> { ["eval/" + metric] = best.Metrics[metric], [GlobalStep] = best.Update } : null,
        });
    }

    /// <summary>As transformers' own examples name entity-level scores: <c>PER_f1</c> and its sisters (run_ner.py, compute_metrics).</summary>
    private static void AddTypes(Dictionary<string, object?> row, string prefix, SequenceScores? scores)
    {
        foreach (var type in scores?.Types ?? [])
        {
            row[$"{prefix}{type.Name}_f1"] = type.F1;
            row[$"{prefix}{type.Name}_precision"] = type.Precision;
            row[$"{prefix}{type.Name}_recall"] = type.Recall;
            row[$"{prefix}{type.Name}_number"] = type.Support;
        }
    }

    private static Dictionary<string, object?> Best(LoggedEvaluation evaluation)
    {
        var best = evaluation.Metrics.ToDictionary(pair => "best/" + pair.Key, pair => (object?)pair.Value);
        (best["best/global_step"], best["best/epoch"]) = (evaluation.Update, evaluation.Epoch);
        return best;
    }
}
