namespace NotebookLib.Tracking;

/// <summary>Where the rows of a run go besides the local journal.</summary>
public enum TrackingMode
{
    /// <summary>To the W&amp;B server, in the background.</summary>
    Online,

    /// <summary>To the run's folder only; <see cref="RunSync"/> uploads it later.</summary>
    Offline,

    /// <summary>Nowhere: no folder, no network.</summary>
    Disabled,
}

/// <summary>What a run id that the server already knows means (<c>WANDB_RESUME</c>).</summary>
public enum ResumeMode
{
    /// <summary>Continue the run when it exists, else start it.</summary>
    Allow,

    /// <summary>Continue the run; a run that does not exist is refused.</summary>
    Must,

    /// <summary>Start the run; a run that exists is refused.</summary>
    Never,
}

/// <summary>Which models become artifacts (<c>WANDB_LOG_MODEL</c>, as the Hugging Face integration reads it).</summary>
public enum LogModel
{
    /// <summary>None.</summary>
    No,

    /// <summary>The final model, once.</summary>
    End,

    /// <summary>Each checkpoint, and the final model.</summary>
    Checkpoint,
}
