namespace NotebookLib.Tracking;

/// <summary>Where a run lives on the server.</summary>
/// <param name="StorageId">The server's id of the run.</param>
/// <param name="Name">The run's name in charts.</param>
/// <param name="Entity">The entity that the server chose.</param>
/// <param name="Project">The project that the server chose.</param>
internal sealed record BucketAnswer(string StorageId, string? Name, string Entity, string Project);

/// <summary>What the server has of a run.</summary>
/// <param name="StorageId">The server's id of the run.</param>
/// <param name="HistoryLines">Lines of history.</param>
/// <param name="EventLines">Lines of system metrics.</param>
/// <param name="OutputLines">Lines of console output.</param>
/// <param name="HistoryTail">Its last lines.</param>
/// <param name="EventsTail">Its last lines.</param>
/// <param name="Summary">The summary, a JSON object, or null.</param>
/// <param name="Config">The configuration, a JSON object of {"value": …}, or null.</param>
internal sealed record ResumeAnswer(
    string StorageId, long HistoryLines, long EventLines, long OutputLines, IReadOnlyList<string> HistoryTail, IReadOnlyList<string> EventsTail,
    string? Summary,
    string? Config);

/// <summary>What file_stream answers.</summary>
/// <param name="Stopped">Whether somebody pressed the stop button.</param>
/// <param name="HeartbeatSeconds">How often the server wants to hear from us, or null.</param>
internal sealed record FileStreamAnswer(bool Stopped, double? HeartbeatSeconds);

/// <summary>An address to send a file to.</summary>
/// <param name="Name">The file.</param>
/// <param name="Url">Null: the server has it already.</param>
/// <param name="Headers">"Name:Value" strings to send along.</param>
internal sealed record UploadTarget(string Name, string? Url, IReadOnlyList<string> Headers);

/// <summary>A new artifact.</summary>
internal sealed record ArtifactAnswer(string Id, bool IsCommitted, string? LatestId);

/// <summary>A file's place in an artifact.</summary>
internal sealed record ArtifactFileTarget(string ArtifactId, UploadTarget Upload);
