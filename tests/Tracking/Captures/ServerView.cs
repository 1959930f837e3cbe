using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using NotebookLib.Tests.Tracking.FakeWandb;
using YamlDotNet.Serialization;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>What people see of a run on the server, as one document: two clients that tracked the same run leave the same.</summary>
internal static partial class ServerView
{
    /// <summary>The document of one run and of all artifacts.</summary>
    public static JsonObject Of(FakeState state, FakeRun run) => new()
    {
        ["run"] = Upserted(run),
        ["config"] = new JsonObject(run.Config.Select(member => KeyValuePair.Create(member.Key, Entry(member)))),
        ["history"] = Lines(run.History),
        ["summary"] = run.Summary is null ? null : LooseJson.Parse(run.Summary),
        ["events"] = Lines(run.Events),
        // "ERROR 2026-11-23T09:28:27.729841 text"; 0.16.1 keeps the line's end.
        ["output"] = new JsonArray([.. run.Output.Select(line => (JsonNode)line.TrimEnd('\n'))]),
        ["files"] = new JsonObject(run.Files.Select(file => KeyValuePair.Create(file.Key, (JsonNode?)FileText(file.Key, file.Value)))),
        ["uploaded"] = new JsonArray([.. run.Uploaded.Where(run.Files.ContainsKey).Distinct().Order(StringComparer.Ordinal).Select(name => (JsonNode)name)]),
        ["complete"] = run.IsComplete,
        ["exitcode"] = run.ExitCode,
        ["artifacts"] = new JsonObject(
            state.Artifacts.Select(artifact => KeyValuePair.Create($"{artifact.Collection}:v{artifact.Version}", (JsonNode?)Artifact(artifact)))),
    };

    private static JsonObject Upserted(FakeRun run) => new()
    {
        ["name"] = run.Name,
        ["project"] = run.Project,
        ["entity"] = run.Entity,
        ["fields"] = run.Fields.DeepClone(),
    };

    private static JsonNode? Entry(KeyValuePair<string, JsonNode?> member)
    {
        var entry = (JsonObject)member.Value!.DeepClone();
        // 0.16.1 adds "desc": null.
        entry.Remove("desc");
        return entry;
    }

    private static JsonArray Lines(IEnumerable<string> lines) => [.. lines.Select(line => LooseJson.Parse(line))];

    private static JsonNode? FileText(string name, byte[] bytes) => Path.GetExtension(name) switch
    {
        ".json" => LooseJson.Parse(Encoding.UTF8.GetString(bytes)),
        ".yaml" => Yaml(Encoding.UTF8.GetString(bytes)),
        _ => Encoding.UTF8.GetString(bytes),
    };

    private static JsonNode? Yaml(string text)
    {
        var members = new DeserializerBuilder().Build().Deserialize<Dictionary<string, object?>>(text);
        var json = (JsonObject)JsonSerializer.SerializeToNode(members.Where(member => member.Key is not ("_wandb" or "wandb_version")).ToDictionary())!;
        foreach (var (_, entry) in json)
        {
            ((JsonObject)entry!).Remove("desc");
        }

        return LooseJson.Parse(Number().Replace(json.ToJsonString(), "$1"));
    }

    // YAML read without a schema gives texts: numbers become numbers again, so that 1.0 equals 1.
    [GeneratedRegex("""
        "(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)"(?!:)
        """)]
    private static partial Regex Number();

    private static JsonObject Artifact(FakeArtifact artifact) => new()
    {
        ["type"] = artifact.Type,
        ["committed"] = artifact.IsCommitted,
        ["digest"] = artifact.Digest,
        ["description"] = artifact.Description,
        ["metadata"] = artifact.Metadata is null ? null : LooseJson.Parse(artifact.Metadata),
        ["aliases"] = new JsonArray([.. artifact.Aliases.Order(StringComparer.Ordinal).Select(alias => (JsonNode)alias)]),
        ["files"] = new JsonObject(artifact.Digests.OrderBy(file => file.Key, StringComparer.Ordinal)
            .Select(file => KeyValuePair.Create(file.Key, (JsonNode?)file.Value))),
        ["sent"] = new JsonObject(artifact.Files.Keys.Order(StringComparer.Ordinal)
            .Select(name => KeyValuePair.Create(name, (JsonNode?)Convert.ToBase64String(artifact.Files[name])))),
        ["manifest"] = artifact.Manifest is null ? null : JsonNode.Parse(artifact.Manifest),
    };
}
