namespace NotebookLib.Tracking;

/// <summary>
/// Takes what a run has to say. No call waits for a network, except <see cref="FinishAsync"/> and disposal. A tracker ignores what it has no use for.
/// </summary>
public interface ITracker : IAsyncDisposable
{
    /// <summary>Logs a row of values.</summary>
    /// <param name="row">Keys as the user types them (dots, slashes, any script) and values: numbers, text, truth values, null, nested dictionaries and lists,
    /// <see cref="Histogram"/>, <see cref="TrackedTable"/>, <see cref="PlotlyFigure"/>.</param>
    /// <param name="atStep">W&amp;B's step; null: the next one, and the row is complete. Rows of one explicit step are merged; steps only rise. In a run that
    /// is resumed elsewhere explicit steps count from the run's beginning, as with W&amp;B's client.</param>
    /// <exception cref="ArgumentException">A key or value cannot be logged; nothing was logged.</exception>
    void Log(IReadOnlyDictionary<string, object?> row, long? atStep = null);

    /// <summary>Sets values of the configuration: settings, model, data.</summary>
    /// <param name="values">Keys and values; a key set before is replaced.</param>
    /// <exception cref="ArgumentException">A value cannot be logged.</exception>
    void LogConfig(IReadOnlyDictionary<string, object?> values)
    {
    }

    /// <summary>Says how a metric is drawn.</summary>
    /// <param name="name">A key, or a pattern with one * at its end.</param>
    /// <param name="stepMetric">The key of the horizontal axis, or null.</param>
    /// <param name="stepSync">Whether rows without the step metric take its last value.</param>
    void DefineMetric(string name, string? stepMetric = null, bool stepSync = false)
    {
    }

    /// <summary>Sets values of the summary, which rows then no longer change: for example the best score.</summary>
    /// <param name="values">Keys and values.</param>
    /// <exception cref="ArgumentException">A value cannot be logged.</exception>
    void SetSummary(IReadOnlyDictionary<string, object?> values)
    {
    }

    /// <summary>Logs console output.</summary>
    /// <param name="line">One line, without its end.</param>
    /// <param name="isError">Whether it went to standard error.</param>
    void LogOutput(string line, bool isError = false)
    {
    }

    /// <summary>Adds a file to the run: the notebook, its page.</summary>
    /// <param name="path">The file; it is copied now.</param>
    /// <param name="name">Its name in the run; null: its own.</param>
    /// <exception cref="ArgumentException">The name leads out of the run's files.</exception>
    /// <exception cref="IOException">The file cannot be read. <see cref="FanOutTracker"/> and <see cref="TrackedRun"/> give a notice instead.</exception>
    void SaveFile(string path, string? name = null)
    {
    }

    /// <summary>Adds an artifact: a model, a data set. Its files are staged now and uploaded in the background.</summary>
    /// <param name="artifact">What to upload.</param>
    /// <exception cref="ArgumentException">The name cannot be an artifact's.</exception>
    /// <exception cref="IOException">A file cannot be read. <see cref="FanOutTracker"/> and <see cref="TrackedRun"/> give a notice instead.</exception>
    void LogArtifact(TrackedArtifact artifact)
    {
    }

    /// <summary>Ends the run. A tracker that uploads sends the rest first, and waits for that.</summary>
    /// <param name="exitCode">0: it succeeded.</param>
    /// <param name="cancel">Stops waiting; what is missing is left to sync.</param>
    ValueTask FinishAsync(int exitCode = 0, CancellationToken cancel = default);
}
