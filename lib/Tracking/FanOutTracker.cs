namespace NotebookLib.Tracking;

/// <summary>
/// Passes everything to several trackers, in order. A tracker that meets a full disk or a refusing server is reported once and does not disturb the others or
/// the training; a row that cannot be logged at all is the caller's mistake and is thrown.
/// </summary>
/// <remarks><see cref="IOException"/>, <see cref="UnauthorizedAccessException"/> and <see cref="TrackingException"/> of a tracker become a notice, in every
/// method except <see cref="DisposeAsync"/>; all others are thrown.</remarks>
/// <param name="trackers">Where to pass it; the local journal first.</param>
/// <param name="notice">Hears of failures.</param>
public sealed class FanOutTracker(IReadOnlyList<ITracker> trackers, Action<string> notice) : ITracker
{
    private readonly HashSet<string> _reported = [];
    private readonly Lock _lock = new();

    /// <inheritdoc/>
    public void Log(IReadOnlyDictionary<string, object?> row, long? atStep = null) => Each(tracker => tracker.Log(row, atStep));

    /// <inheritdoc/>
    public void LogConfig(IReadOnlyDictionary<string, object?> values) => Each(tracker => tracker.LogConfig(values));

    /// <inheritdoc/>
    public void DefineMetric(string name, string? stepMetric = null, bool stepSync = false) =>
        Each(tracker => tracker.DefineMetric(name, stepMetric, stepSync));

    /// <inheritdoc/>
    public void SetSummary(IReadOnlyDictionary<string, object?> values) => Each(tracker => tracker.SetSummary(values));

    /// <inheritdoc/>
    public void LogOutput(string line, bool isError = false) => Each(tracker => tracker.LogOutput(line, isError));

    /// <inheritdoc/>
    public void SaveFile(string path, string? name = null) => Each(tracker => tracker.SaveFile(path, name));

    /// <inheritdoc/>
    public void LogArtifact(TrackedArtifact artifact) => Each(tracker => tracker.LogArtifact(artifact));

    /// <inheritdoc/>
    public async ValueTask FinishAsync(int exitCode = 0, CancellationToken cancel = default)
    {
        foreach (var tracker in trackers)
        {
            try
            {
                await tracker.FinishAsync(exitCode, cancel).ConfigureAwait(false);
            }
            catch (Exception fault) when (IsOutside(fault))
            {
                Report(tracker, fault);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var tracker in trackers.Reverse())
        {
            await tracker.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Does what only the local journal knows; a full disk is reported as it is for rows.</summary>
    internal void Keep(Action work) => Try(trackers.Count > 0 ? trackers[0] : this, work);

    private void Each(Action<ITracker> call)
    {
        foreach (var tracker in trackers)
        {
            Try(tracker, () => call(tracker));
        }
    }

    private void Try(ITracker tracker, Action work)
    {
        try
        {
            work();
        }
        catch (Exception fault) when (IsOutside(fault))
        {
            Report(tracker, fault);
        }
    }

    private static bool IsOutside(Exception fault) => fault is IOException or UnauthorizedAccessException or TrackingException;

    private void Report(ITracker tracker, Exception fault)
    {
        var sentence = $"{tracker.GetType().Name}: {fault.Message}";
        lock (_lock)
        {
            if (!_reported.Add(sentence))
            {
                return;
            }
        }

        notice(sentence);
    }
}
