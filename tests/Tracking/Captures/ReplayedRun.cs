using System.Globalization;
using System.Text.Json.Nodes;
using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tracking;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>
/// Tracks with our client the run that W&amp;B's own client tracked in a capture: the same configuration, rows, console lines, tables, artifacts and end.
/// </summary>
/// <param name="captured">What their client left on its server.</param>
/// <param name="script">The run there.</param>
/// <param name="folder">For files of artifacts.</param>
internal sealed class ReplayedRun(FakeState captured, FakeRun script, string folder)
{
    private static readonly string[] Reserved = ["_step", "_runtime", "_timestamp", "_wandb"];

    /// <summary>Settings that name the run as theirs was named.</summary>
    public TrackingSettings Name(TrackingSettings settings) => settings with
    {
        RunId = script.Name,
        Project = script.Project,
        Group = (string?)script.Fields["groupName"],
        Name = (string?)script.Fields["displayName"],
        Notes = (string?)script.Fields["notes"],
        JobType = (string?)script.Fields["jobType"],
        Tags = [.. (script.Fields["tags"] as JsonArray ?? []).Select(tag => tag!.GetValue<string>())],
    };

    /// <summary>Says what their program said.</summary>
    /// <param name="run">Ours.</param>
    /// <param name="firstRow">Rows and console lines before these were an earlier process's.</param>
    /// <param name="firstLine">The same of console lines.</param>
    public void Log(TrackedRun run, int firstRow = 0, int firstLine = 0)
    {
        run.LogConfig(script.Config.Where(member => member.Key != "_wandb")
            .ToDictionary(member => member.Key, member => LooseJson.Value(member.Value!["value"])));
        if (script.Config["_wandb"]!["value"]!["m"] is JsonArray { Count: > 0 })
        {
            TrackingObserver.DefineStep(run);
        }

        foreach (var line in script.History.Skip(firstRow))
        {
            var row = (JsonObject)LooseJson.Parse(line)!;
            run.Log(row.Where(member => !Reserved.Contains(member.Key)).ToDictionary(member => member.Key, member => Value(member.Value)), StepOf(row));
        }

        LogSummary(run);
        foreach (var line in script.Output.Skip(firstLine))
        {
            var isError = line.StartsWith("ERROR ", StringComparison.Ordinal);
            run.LogOutput(line.TrimEnd('\n')[((isError ? "ERROR ".Length : 0) + "2026-11-23T09:28:27.729841 ".Length)..], isError);
        }

        foreach (var artifact in captured.Artifacts.Where(artifact => artifact.Type != "run_table"))
        {
            LogArtifact(run, artifact);
        }
    }

    private static long StepOf(JsonObject row) => long.Parse(row["_step"]!.ToJsonString(), CultureInfo.InvariantCulture);

    private object? Value(JsonNode? node) => node is not JsonObject media ? LooseJson.Value(node) : (string?)media["_type"] switch
    {
        "table-file" => Table(script.Files[(string)media["path"]!]),
        _ => LooseJson.Value(node),
    };

    private static TrackedTable Table(byte[] file)
    {
        var table = JsonNode.Parse(file)!;
        return new(
            [.. table["columns"]!.AsArray().Select(name => name!.GetValue<string>())],
            [.. table["data"]!.AsArray().Select(row => (IReadOnlyList<object?>)(List<object?>)LooseJson.Value(row)!)]);
    }

    /// <summary>Keys that no row has were set by hand.</summary>
    private void LogSummary(TrackedRun run)
    {
        var logged = script.History.SelectMany(line => ((JsonObject)LooseJson.Parse(line)!).Select(member => member.Key)).ToHashSet();
        var own = ((JsonObject?)LooseJson.Parse(script.Summary ?? "{}"))!.Where(member => !logged.Contains(member.Key) && !Reserved.Contains(member.Key))
            .ToArray();
        if (own.Length > 0)
        {
            run.SetSummary(own.ToDictionary(member => member.Key, member => LooseJson.Value(member.Value)));
        }
    }

    private void LogArtifact(TrackedRun run, FakeArtifact artifact)
    {
        Dictionary<string, string> files = [];
        foreach (var (name, digest) in artifact.Digests)
        {
            // A file that an older version has was not sent again.
            var bytes = captured.Artifacts.First(other => other.Files.ContainsKey(name) && other.Digests[name] == digest).Files[name];
            files[name] = Path.Combine(folder, artifact.Version.ToString(CultureInfo.InvariantCulture), name);
            Directory.CreateDirectory(Path.GetDirectoryName(files[name])!);
            File.WriteAllBytes(files[name], bytes);
        }

        run.LogArtifact(new TrackedArtifact
        {
            Name = artifact.Collection,
            Type = artifact.Type,
            Files = files,
            Description = artifact.Description,
            Aliases = [.. artifact.Aliases],
            Metadata = artifact.Metadata is null ? null : (Dictionary<string, object?>)LooseJson.Value(LooseJson.Parse(artifact.Metadata))!,
        });
    }
}
