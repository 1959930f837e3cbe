using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>
/// What the server has of a run, as far as we know: sync.json. Losing it costs time, never rows: lines carry their numbers, so sending one twice changes
/// nothing.
/// </summary>
internal sealed class SyncState
{
    private const int MostFiles = 10_000;

    private readonly Lock _lock = new();
    private readonly string _path;
    private Content _content;

    private SyncState(string path, Content content) => (_path, _content) = (path, content);

    public string? StorageId => _content.StorageId;

    public string? Entity => _content.Entity;

    public string? Project => _content.Project;

    public string? RunName => _content.RunName;

    /// <summary>How many lines of each stream the server has taken, by the journal's numbers.</summary>
    public StreamCounts Sent => new(_content.History, _content.Events, _content.Output);

    /// <summary>How many rows the server has taken at most, those included that were superseded since.</summary>
    public long Reached => Math.Max(_content.Reached, _content.History);

    /// <summary>How many of the journal's returns to a mark the numbers here take into account.</summary>
    public int Returns => _content.Returns;

    /// <summary>The last session that was completed on the server, or -1.</summary>
    public int CompletedSession => _content.CompletedSession;

    public bool HasArtifact(string clientId) => _content.Artifacts.Contains(clientId);

    /// <summary>Files of the run that the server has not in their present version, told by length and time.</summary>
    /// <exception cref="IOException">More than 10,000 files.</exception>
    public IReadOnlyList<(string Name, string Version)> PendingFiles(RunFolder folder)
    {
        if (!Directory.Exists(folder.Files))
        {
            return [];
        }

        var all = Directory.EnumerateFiles(folder.Files, "*", SearchOption.AllDirectories).Take(MostFiles + 1).ToArray();
        return all.Length > MostFiles
            ? throw new IOException($"{folder.Files}: expected at most {MostFiles} files, found more; log many files as one artifact")
            : [.. all.Select(Describe).Where(file => _content.Files.GetValueOrDefault(file.Name) != file.Version)];

        (string Name, string Version) Describe(string path)
        {
            var file = new FileInfo(path);
            return (Path.GetRelativePath(folder.Files, path).Replace('\\', '/'), Invariant($"{file.Length}:{file.LastWriteTimeUtc.Ticks}"));
        }
    }

    /// <summary>Reads the state for one server; another server's state, a damaged one or none is an empty one.</summary>
    public static SyncState Load(string path, string baseUrl)
    {
        var empty = new Content { BaseUrl = baseUrl };
        if (!File.Exists(path))
        {
            return new SyncState(path, empty);
        }

        try
        {
            var content = JournalJson.Read<Content>(File.ReadAllText(path));
            return new SyncState(path, content.BaseUrl == baseUrl ? content : empty);
        }
        catch (Exception fault) when (fault is InvalidDataException or JsonException)
        {
            return new SyncState(path, empty);
        }
    }

    public void SetPlace(RunPlace place) => Change(content => content with
    {
        StorageId = place.StorageId,
        Entity = place.Entity,
        Project = place.Project,
        RunName = place.Name,
    });

    public void SetSent(StreamCounts sent) => Change(content => content with
    {
        Reached = Math.Max(Reached, sent.Rows),
        History = sent.Rows,
        Events = sent.Events,
        Output = sent.Output,
    });

    /// <summary>Takes the journal's returns to marks into account: rows behind a mark are to be sent again.</summary>
    public void SetReturned(IReadOnlyList<long> returns)
    {
        if (returns.Count > Returns)
        {
            Change(content =>
                content with { Reached = Reached, History = Math.Min(content.History, returns.Skip(content.Returns).Min()), Returns = returns.Count });
        }
    }

    /// <summary>Notes that the server has more rows than we knew.</summary>
    public void SetReached(long rows) => Change(content => content with { Reached = Math.Max(Reached, rows) });

    public void SetCompleted(int session) => Change(content => content with { CompletedSession = session });

    public void AddArtifact(string clientId) => Change(content => content with { Artifacts = [.. content.Artifacts, clientId] });

    public void AddFiles(IEnumerable<(string Name, string Version)> files)
        => Change(content =>
            content with
            {
                Files = new(content.Files.Concat(files.Select(file => KeyValuePair.Create(file.Name, file.Version))).GroupBy(file => file.Key)
                .Select(file => file.Last()))
            });

    private void Change(Func<Content, Content> change)
    {
        lock (_lock)
        {
            _content = change(_content);
            AtomicFile.WriteText(_path, JournalJson.WriteText(_content));
        }
    }

    private sealed record Content
    {
        public string BaseUrl { get; init; } = "";

        public string? StorageId { get; init; }

        public string? Entity { get; init; }

        public string? Project { get; init; }

        public string? RunName { get; init; }

        public long History { get; init; }

        public long Events { get; init; }

        public long Output { get; init; }

        public long Reached { get; init; }

        public int Returns { get; init; }

        public int CompletedSession { get; init; } = -1;

        public IReadOnlyList<string> Artifacts { get; init; } = [];

        public Dictionary<string, string> Files { get; init; } = [];
    }
}
