namespace NotebookLib.Training;

/// <summary>
/// Somebody who watches a run: a panel, a tracker. Called on the training thread between steps, so a slow observer queues its work.
/// One that throws is reported once and not called again; the training goes on.
/// </summary>
public interface ITrainingObserver
{
    /// <summary>The run is about to make its first update, or its first since a resume.</summary>
    /// <param name="summary">What the run decided.</param>
    /// <param name="control">Lets the observer ask for a stop.</param>
    void RunStarted(RunSummary summary, TrainingControl control) { }

    /// <summary>A stretch of training was logged.</summary>
    void StepLogged(LoggedStep logged) { }

    /// <summary>The evaluation rows were scored.</summary>
    /// <param name="evaluation">As the history keeps it.</param>
    /// <param name="result">The full scores, per type and strict.</param>
    void EvaluationDone(LoggedEvaluation evaluation, EvaluationResult result) { }

    /// <summary>A checkpoint is on disk.</summary>
    /// <param name="folder">Its folder.</param>
    /// <param name="kind">Which one it is.</param>
    void CheckpointSaved(string folder, CheckpointKind kind) { }

    /// <summary>Something worth a line happened: a damaged checkpoint was passed over, an update skipped, an observer failed.</summary>
    void Noticed(string message) { }

    /// <summary>The run is over.</summary>
    /// <param name="result">How it ended and where its results are.</param>
    void RunEnded(TrainingResult result) { }

    /// <summary>The run failed; the exception goes on to the caller.</summary>
    void RunFailed(Exception failure) { }
}

/// <summary>What a saved folder is.</summary>
public enum CheckpointKind
{
    /// <summary>A whole state from which the run can be resumed.</summary>
    Resumable,

    /// <summary>The weights of the best evaluation so far.</summary>
    Best,
}

/// <summary>How a run ended.</summary>
public enum TrainingEnd
{
    /// <summary>All planned updates were made.</summary>
    Finished,

    /// <summary>The evaluations stopped getting better.</summary>
    StoppedEarly,

    /// <summary>Somebody asked to stop; the newest checkpoint holds the state.</summary>
    Stopped,
}

/// <summary>What a training run gives back.</summary>
/// <param name="End">How it ended.</param>
/// <param name="Reason">In words.</param>
/// <param name="Updates">Updates done.</param>
/// <param name="History">All that was logged.</param>
/// <param name="LastCheckpoint">Folder of the newest checkpoint, which is the state at the end.</param>
/// <param name="BestFolder">Folder of the best evaluation's weights, or null when there was no evaluation.</param>
/// <param name="Summary">What the run decided.</param>
/// <param name="ElapsedSeconds">Seconds of the whole run, time before a resume included.</param>
/// <param name="MeanLoss">Mean training loss over all updates (the reference's <c>train_loss</c>).</param>
/// <param name="Notices">What observers were told besides: damaged checkpoints, skipped updates, failed observers.</param>
public sealed record TrainingResult(
    TrainingEnd End, string Reason, int Updates, TrainingHistory History, string LastCheckpoint, string? BestFolder, RunSummary Summary, double ElapsedSeconds,
    double MeanLoss, IReadOnlyList<string> Notices)
{
    /// <summary>Largest resident memory of the process while it trained, since the last resume.</summary>
    public long PeakMemoryBytes { get; init; }
}

/// <summary>Lets others ask a run to stop at the next micro-batch; it then writes a checkpoint and ends.</summary>
public sealed class TrainingControl
{
    private string? _stopReason;

    /// <summary>Why a stop was asked for, or null.</summary>
    public string? StopReason => _stopReason;

    /// <summary>Asks for a stop; the first reason counts. May be called from any thread.</summary>
    public void RequestStop(string reason) => Interlocked.CompareExchange(ref _stopReason, reason, null);
}
