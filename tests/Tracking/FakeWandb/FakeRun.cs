using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Tracking.FakeWandb;

/// <summary>One run as the server stores it.</summary>
internal sealed class FakeRun
{
    public required string StorageId { get; init; }

    public required string Entity { get; init; }

    public required string Project { get; init; }

    public required string Name { get; init; }

    public string? DisplayName { get; set; }

    public JsonObject Config { get; set; } = [];

    /// <summary>What the calls of UpsertBucket said of the run besides: the last value of each variable that was not null.</summary>
    public JsonObject Fields { get; } = [];

    public int Upserts { get; set; }

    /// <summary>File → line number → line.</summary>
    public Dictionary<string, SortedDictionary<long, string>> Lines { get; } = [];

    public string? Summary { get; set; }

    public List<string> Uploaded { get; } = [];

    public Dictionary<string, byte[]> Files { get; } = [];

    public bool IsComplete { get; set; }

    public int? ExitCode { get; set; }

    public int Completions { get; set; }

    public IReadOnlyList<string> History => [.. Stream("wandb-history.jsonl").Values];

    public IReadOnlyList<string> Events => [.. Stream("wandb-events.jsonl").Values];

    public IReadOnlyList<string> Output => [.. Stream("output.log").Values];

    public SortedDictionary<long, string> Stream(string file)
    {
        if (!Lines.TryGetValue(file, out var lines))
        {
            Lines[file] = lines = [];
        }

        return lines;
    }

    public long LineCount(string file) => Stream(file) is { Count: > 0 } lines ? lines.Keys.Last() + 1 : 0;

    public JsonArray Tail(string file, int count = 2) => [.. Stream(file).Values.TakeLast(count).Select(line => (JsonNode)line)];
}

/// <summary>One version of an artifact as the server stores it.</summary>
internal sealed class FakeArtifact
{
    public required string Id { get; init; }

    public required string Collection { get; init; }

    public required string Type { get; init; }

    public required string Digest { get; init; }

    public required string ClientId { get; init; }

    public required int Version { get; init; }

    public HashSet<string> Aliases { get; } = [];

    public string? Metadata { get; init; }

    public string? Description { get; init; }

    public bool IsCommitted { get; set; }

    /// <summary>Name → MD5 in base64.</summary>
    public Dictionary<string, string> Digests { get; } = [];

    public Dictionary<string, byte[]> Files { get; } = [];

    public byte[]? Manifest { get; set; }

    public string? ManifestDigest { get; set; }
}
