using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Results;

/// <summary>
/// Runs of the runner whose process is gone: their files would tell for ever that they are at work, so whoever reads such a folder next says what became of it.
/// </summary>
internal static class LostRuns
{
    private const string Running = "running";
    private const string Killed = "killed";
    private const int LargestFactsBytes = 16 << 20;
    private const int LargestReportBytes = 256 << 20;

    /// <summary>How that file is written.</summary>
    public static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>What <c>run.json</c> of a folder says.</summary>
    /// <returns>Null where there is none that can be read.</returns>
    public static JsonObject? Facts(string folder)
    {
        var path = Path.Combine(folder, HostContract.RunName);
        try
        {
            return File.Exists(path) ? StrictJson.ReadObject(path, LargestFactsBytes, "what a run writes") : null;
        }
        catch (InvalidDataException)
        {
            return null;
        }
    }

    /// <summary>Marks the runs whose folders lie in a folder.</summary>
    public static void MarkIn(string folder)
    {
        foreach (var run in Directory.Exists(folder) ? Directory.EnumerateDirectories(folder) : [])
        {
            Mark(run);
        }
    }

    /// <summary>Marks a run in its facts, its page and its notebook with outputs.</summary>
    /// <param name="folder">The folder; one without a run, or with a run at work, is left alone, and so is one that cannot be written.</param>
    public static void Mark(string folder)
    {
        try
        {
            if (Facts(folder) is not { } facts || !IsRunning(facts))
            {
                return;
            }

            using var held = FileLock.Take(Path.Combine(folder, HostContract.LockName));
            // It may have ended well between the look and the lock.
            facts = Facts(folder);
            if (facts is null || !IsRunning(facts))
            {
                return;
            }

            foreach (var cell in (facts["cells"] as JsonArray ?? []).OfType<JsonObject>().Where(IsRunning))
            {
                cell["status"] = Killed;
            }

            Replace(folder, "*.html", ("<span class=\"pill running\">running</span>", "<span class=\"pill failed\">killed</span>"),
                (" · running</span>", " · killed</span>"));
            Replace(folder, "*.ipynb", ("\"status\": \"Running\"", "\"status\": \"Killed\""));
            facts["status"] = Killed;
            AtomicFile.WriteText(Path.Combine(folder, HostContract.RunName), facts.ToJsonString(Indented) + "\n");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Somebody is at work there, or it cannot be written: then it stays as it is.
        }
    }

    private static bool IsRunning(JsonObject facts) => facts["status"] is JsonValue status && status.TryGetValue<string>(out var word) && word == Running;

    private static void Replace(string folder, string pattern, params (string Old, string New)[] words)
    {
        foreach (var path in Directory.EnumerateFiles(folder, pattern).Where(path => new FileInfo(path).Length <= LargestReportBytes))
        {
            var text = File.ReadAllText(path);
            var marked = words.Aggregate(text, (marked, word) => marked.Replace(word.Old, word.New, StringComparison.Ordinal));
            if (marked != text)
            {
                AtomicFile.WriteText(path, marked);
            }
        }
    }
}
