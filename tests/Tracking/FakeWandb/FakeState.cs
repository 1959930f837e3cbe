using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Tracking.FakeWandb;

/// <summary>
/// What the server remembers, with the rules of the real one as far as captured traffic shows them. Whatever a client does that the real server or its storage
/// would not like is written down in <see cref="Problems"/>; a test that ends well has none.
/// </summary>
internal sealed class FakeState
{
    private readonly Lock _lock = new();

    public string DefaultEntity { get; set; } = "mock_server_entity";

    public HashSet<string> Entities { get; } = ["mock_server_entity"];

    public Func<string, bool> AcceptsProject { get; set; } = _ => true;

    public List<string> Features { get; } = [];

    public bool StopRequested { get; set; }

    /// <summary>Whether runs come back to checkpoints: the lines of their rows may then change.</summary>
    public bool MaySupersede { get; set; }

    public double? HeartbeatSeconds { get; set; }

    public long LargestBody { get; set; } = 10 << 20;

    public Dictionary<string, FakeRun> Runs { get; } = [];

    public List<FakeArtifact> Artifacts { get; } = [];

    public List<string> Problems { get; } = [];

    public FakeRun Run(string name) => Runs.Values.Single(run => run.Name == name);

    public void Problem(string text)
    {
        lock (_lock)
        {
            Problems.Add(text);
        }
    }

    /// <summary>Applies a file_stream body.</summary>
    /// <returns>The status and the answer.</returns>
    public (int Status, JsonNode Answer) Stream(string entity, string project, string name, JsonObject body)
    {
        lock (_lock)
        {
            if (!Runs.TryGetValue($"{entity}/{project}/{name}", out var run))
            {
                return (404, new JsonObject { ["error"] = "run not found" });
            }

            // The end itself may come twice, when its answer was lost.
            if (run.IsComplete && body.Count > 0 && body["complete"] is null)
            {
                Problems.Add($"{name}: something follows complete");
            }

            foreach (var (file, chunk) in body["files"] as JsonObject ?? [])
            {
                Apply(run, file, (JsonObject)chunk!);
            }

            run.Uploaded.AddRange((body["uploaded"] as JsonArray ?? []).Select(file => file!.GetValue<string>()));
            if (body["complete"]?.GetValue<bool>() ?? false)
            {
                (run.IsComplete, run.ExitCode) = (true, body["exitcode"]!.GetValue<int>());
                run.Completions++;
            }

            var limits = new JsonObject();
            if (HeartbeatSeconds is { } seconds)
            {
                limits["heartbeat_seconds"] = seconds;
            }

            var answer = new JsonObject { ["exitcode"] = null, ["limits"] = limits };
            if (StopRequested)
            {
                answer["stopped"] = true;
            }

            return (200, answer);
        }
    }

    /// <summary>Takes a file that was PUT to an address from us.</summary>
    /// <returns>The status.</returns>
    public int Store(string? runKey, string? artifactId, bool isManifest, string file, byte[] bytes, string? contentMd5)
    {
#pragma warning disable CA5351 // the protocol's digest
        var md5 = Convert.ToBase64String(MD5.HashData(bytes));
#pragma warning restore CA5351
        lock (_lock)
        {
            if (runKey is not null)
            {
                Runs[runKey].Files[file] = bytes;
                return 200;
            }

            var artifact = Artifacts.Single(artifact => artifact.Id == artifactId);
            if (isManifest)
            {
                artifact.Manifest = bytes;
                artifact.ManifestDigest = md5;
                return 200;
            }

            if (contentMd5 != md5)
            {
                Problems.Add($"{file}: Content-MD5 {contentMd5} is not {md5}");
                return 400;
            }

            artifact.Files[file] = bytes;
            return 200;
        }
    }

    public T Locked<T>(Func<T> work)
    {
        lock (_lock)
        {
            return work();
        }
    }

    private void Apply(FakeRun run, string file, JsonObject chunk)
    {
        var offset = chunk["offset"]!.GetValue<long>();
        var content = ((JsonArray)chunk["content"]!).Select(line => line!.GetValue<string>()).ToArray();
        if (file == "wandb-summary.json")
        {
            run.Summary = content.Single();
            return;
        }

        var lines = run.Stream(file);
        if (offset > run.LineCount(file))
        {
            Problems.Add($"{run.Name}: {file}: a gap before line {offset}, there are {run.LineCount(file)}");
        }

        foreach (var (line, i) in content.Select((line, i) => (line, i)))
        {
            if (lines.TryGetValue(offset + i, out var before) && before != line && !(MaySupersede && file == "wandb-history.jsonl"))
            {
                Problems.Add($"{run.Name}: {file}: line {offset + i} changed from {before} to {line}");
            }

            lines[offset + i] = line;
        }
    }

    public static string Id(string text) => Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
}
