using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using NotebookLib.Tests.Tracking;
using NotebookLib.Tracking;

namespace NotebookLib.Tests.Runner.Stops;

/// <summary>
/// What a run left, beside what an unbroken run with the same parameters left: files, weights, optimiser, history, results rows, tracked rows.
/// </summary>
internal sealed partial class RunComparison(RunWorkspace workspace, TrackingFixture tracking)
{
    private static readonly string[] OfTheClock =
        ["secondsSinceLog", "elapsedSeconds", "tokensPerSecond", "memoryBytes", "outputFolder", "training seconds", "tokens per second", "piecesPerPass"];

    private const string Printed = "wandb/RUN/files/output.log";

    // What the runner adds to a run that an editor's kernel would not.
    private static readonly string[] OfTheRunner =
        [".run.lock", "run.json", "scores.json", "about.json", "*.html", "*.ipynb", "wandb/RUN/files/*.html", "wandb/RUN/files/*.ipynb",
        "wandb/RUN/files/code/*"];

    /// <summary>Everything in which the runs differ; empty when they are equal.</summary>
    /// <param name="unbroken">The run that nobody stopped.</param>
    /// <param name="broken">The other.</param>
    /// <param name="isInEditor">Whether an editor's kernel ran it, so that the runner's own files are missing.</param>
    public async Task<IReadOnlyList<string>> DifferencesAsync(string unbroken, string broken, bool isInEditor = false)
    {
        List<string> differences = [];
        // First, since an upload leaves files too.
        var (expectedRun, actualRun) = (await SyncedAsync(unbroken), await SyncedAsync(broken));
        var (expected, actual) = (FilesOf(unbroken), FilesOf(broken));
        // What was printed: a process that goes on says so, one that never stopped has nothing to say.
        _ = expected.Remove(Printed);
        _ = actual.Remove(Printed);
        if (isInEditor)
        {
            expected = expected.Where(file => !OfTheRunner.Any(pattern => Glob(pattern).IsMatch(file.Key))).ToDictionary();
        }

        differences.AddRange(expected.Keys.Except(actual.Keys).Select(file => $"{file} is missing"));
        // Claims of a sweep's processes stay: a number is never given twice.
        differences.AddRange(
            actual.Keys.Except(expected.Keys).Where(file => !file.StartsWith(".claim-", StringComparison.Ordinal)).Select(file => $"{file} is left over"));
        foreach (var file in expected.Keys.Intersect(actual.Keys).Where(IsComparable))
        {
            Compare(file, ContentOf(expected[file]), ContentOf(actual[file]));
        }

        Compare("row of runs.csv", RowOf(unbroken), RowOf(broken));
        Compare("rows of runs-types.csv", TypesOf(unbroken), TypesOf(broken));
        foreach (var (part, value) in expectedRun)
        {
            Compare(part, value, actualRun[part]);
        }

        return differences;

        void Compare(string what, string one, string other) => differences.AddRange(one == other ? [] : [$"{what}: {FirstDifference(one, other)}"]);
    }

    /// <summary>Files below a run's folder, by names without what is a run's own.</summary>
    private Dictionary<string, string> FilesOf(string run)
    {
        var folder = workspace.RunFolder(run);
        return Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .ToDictionary(path => TrackedName().Replace(TrackedFolder().Replace(Path.GetRelativePath(folder, path), "wandb/RUN"), "run-ID.wandb"));
    }

    private static bool IsComparable(string file) => !file.StartsWith("wandb/", StringComparison.Ordinal)
        && (Path.GetExtension(file) is ".safetensors" or ".model" || Path.GetFileName(file) is "trainer_state.json" or "evaluation.json" or "config.json"
        or "adapter_config.json" or "scores.json" or "tokenizer.json");

    private static string ContentOf(string path) => Path.GetExtension(path) is ".json" && new FileInfo(path).Length < 1 << 20
        ? WithoutClock(JsonNode.Parse(File.ReadAllText(path))!).ToJsonString()
        : Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path)));

    private static JsonNode WithoutClock(JsonNode node)
    {
        if (node is JsonObject fields)
        {
            Array.ForEach(OfTheClock, key => fields.Remove(key));
        }

        foreach (var child in (node as JsonObject)?.Select(field => field.Value) ?? node as JsonArray ?? Enumerable.Empty<JsonNode?>())
        {
            _ = child is JsonObject or JsonArray ? WithoutClock(child) : null;
        }

        return node;
    }

    private string RowOf(string run)
    {
        var folder = workspace.RunFolder(run);
        var rows = workspace.Table.Read().Where(row => row.Link == folder).ToList();
        return string.Join('\n', rows.Select(row => row with
        {
            RunId = "",
            Started = default,
            Link = "",
            TrainSeconds = null,
            TokensPerSecond = null,
            PeakMemoryBytes = null,
            Parameters = WithoutOutput(row.Parameters),
        }));
    }

    private static string WithoutOutput(string parameters)
    {
        var settings = JsonNode.Parse(parameters)!.AsObject();
        return settings.Remove("OutputFolder") ? settings.ToJsonString() : parameters;
    }

    private string TypesOf(string run)
    {
        var ids = workspace.Table.Read().Where(row => row.Link == workspace.RunFolder(run)).Select(row => row.RunId).ToHashSet();
        return string.Join('\n', workspace.Table.ReadTypes().Where(row => ids.Contains(row.RunId)).Select(row => row with { RunId = "" }));
    }

    /// <summary>What the server has of a run once it is uploaded.</summary>
    private async Task<Dictionary<string, string>> SyncedAsync(string run)
    {
        var folders = RunSync.FindRuns(workspace.RunFolder(run));
        foreach (var folder in folders)
        {
            await RunSync.SyncAsync(folder, tracking.Settings, cancel: TestContext.Current.CancellationToken);
        }

        var id = (string)JsonNode.Parse(
            await File.ReadAllTextAsync(Path.Combine(workspace.RunFolder(run), "tracked-run.json"), TestContext.Current.CancellationToken))!["runId"]!;
        var stored = tracking.Server.State.Run(id);
        return new()
        {
            ["tracked runs"] = folders.Count.ToString(CultureInfo.InvariantCulture),
            ["tracked rows"] = string.Join('\n', stored.History.Select(TrackingFixture.Comparable)),
            ["tracked summary"] = TrackingFixture.Comparable(stored.Summary!),
            ["tracked configuration"] = ConfigurationOf(stored.Config),
            ["tracked end"] = $"{stored.IsComplete} {stored.ExitCode}",
            ["problems on the server"] = string.Join('\n', tracking.Server.State.Problems),
        };
    }

    private static string ConfigurationOf(JsonObject config) =>
        string.Join('\n', config.Where(item => item.Key != "_wandb").OrderBy(item => item.Key, StringComparer.Ordinal)
        .Select(item => $"{item.Key}={(item.Value is JsonObject or JsonArray ? WithoutClock(item.Value.DeepClone()) : item.Value)?.ToJsonString()}"));

    private static string FirstDifference(string one, string other)
    {
        var (expected, actual) = (one.Split('\n'), other.Split('\n'));
        for (var line = 0; line < Math.Max(expected.Length, actual.Length); line++)
        {
            var (left, right) = (expected.ElementAtOrDefault(line) ?? "nothing", actual.ElementAtOrDefault(line) ?? "nothing");
            if (left != right)
            {
                var at = Math.Max(0, left.Zip(right).TakeWhile(pair => pair.First == pair.Second).Count() - 40);
                return $"line {line + 1} of {expected.Length} and {actual.Length}: …{Cut(left, at)} | …{Cut(right, at)}";
            }
        }

        return "";

        static string Cut(string text, int at) => at >= text.Length ? "" : text.Substring(at, Math.Min(160, text.Length - at));
    }

    private static Regex Glob(string pattern) => new($"^{Regex.Escape(pattern).Replace("\\*", "[^/]*", StringComparison.Ordinal)}$");

    [GeneratedRegex(@"^wandb/(offline-)?run-\d{8}_\d{6}-[a-z0-9]+")]
    private static partial Regex TrackedFolder();

    [GeneratedRegex(@"run-[a-z0-9]+\.wandb$")]
    private static partial Regex TrackedName();
}
