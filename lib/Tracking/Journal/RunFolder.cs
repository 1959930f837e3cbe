using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>
/// The files of one run, named so that W&amp;B's own tools know the folder:
/// <code>
/// wandb/offline-run-20260101_000000-ab12cd34/   (run-… when online)
///   journal.log        the truth: every row, in order (JournalFile.cs)
///   sync.json          what the server has
///   run-ab12cd34.wandb the same run as W&amp;B's transaction log
///   files/             what is uploaded as the run's files
///   artifacts/         staged artifact files
/// </code>
/// </summary>
internal sealed partial class RunFolder
{
    /// <summary>The file that makes a folder a run's.</summary>
    public const string JournalName = "journal.log";

    private const string PointerName = "tracked-run.json";

    private const string TimeFormat = "yyyyMMdd_HHmmss";

    private const int LongestRunId = 64;

    private RunFolder(string path, string runId) => (FullPath, RunId) = (Path.GetFullPath(path), runId);

    public string FullPath { get; }

    public string RunId { get; }

    public string Journal => Path.Combine(FullPath, JournalName);

    public string State => Path.Combine(FullPath, "sync.json");

    public string TransactionLog => Path.Combine(FullPath, $"run-{RunId}.wandb");

    public string Files => Path.Combine(FullPath, "files");

    public string Artifacts => Path.Combine(FullPath, "artifacts");

    private string LockFile => Path.Combine(FullPath, "journal.lock");

    /// <summary>A new run id: 8 characters of [0-9a-z], 36^8 = 2.8e12 possibilities.</summary>
    public static string NewRunId() => RandomNumberGenerator.GetString("0123456789abcdefghijklmnopqrstuvwxyz", 8);

    /// <summary>Says what is wrong with a run id, which becomes a folder's name, a file's name and a segment of an address.</summary>
    /// <returns>Null when the id is fine, else a sentence.</returns>
    public static string? FaultOfRunId(string id)
        => id.Length is 0 or > LongestRunId || !id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_')
            ? $"run id \"{id}\": expected 1 to {LongestRunId} characters of a-z, A-Z, 0-9, - and _, for example \"{NewRunId()}\""
            : null;

    /// <summary>Makes the folder of a new run.</summary>
    public static RunFolder Create(string directory, string runId, DateTimeOffset startedAt, bool online)
    {
        for (var time = startedAt; ; time = time.AddSeconds(1))
        {
            var name = $"{(online ? "run" : "offline-run")}-{time.UtcDateTime.ToString(TimeFormat, CultureInfo.InvariantCulture)}-{runId}";
            var folder = new RunFolder(Path.Combine(directory, "wandb", name), runId);
            // Two runs of one given id within a second are still two runs.
            if (!File.Exists(folder.Journal))
            {
                System.IO.Directory.CreateDirectory(folder.Files);
                return folder;
            }
        }
    }

    /// <summary>The newest folder of a run that was tracked here before, or null.</summary>
    public static RunFolder? Find(string directory, string runId)
    {
        var parent = Path.Combine(directory, "wandb");
        return !System.IO.Directory.Exists(parent)
            ? null
            : System.IO.Directory.EnumerateDirectories(parent, $"*run-*-{runId}")
                .Where(path => RunIdOf(path) == runId && File.Exists(Path.Combine(path, JournalName)))
                // The time stands before the id in every name, whatever the prefix.
                .OrderByDescending(path => Path.GetFileName(path)[^(runId.Length + TimeFormat.Length + 1)..], StringComparer.Ordinal)
                .Select(path => new RunFolder(path, runId))
                .FirstOrDefault();
    }

    /// <summary>The run that an output folder was last tracked by, wherever its rows are kept; null when there is none.</summary>
    public static RunFolder? OfOutput(string output)
    {
        try
        {
            var pointer = JournalJson.Read<Pointer>(File.ReadAllText(Path.Combine(output, PointerName)));
            var path = Path.GetFullPath(pointer.Folder, output);
            return System.IO.Directory.Exists(path) && FaultOfRunId(pointer.RunId) is null ? new(path, pointer.RunId) : null;
        }
        catch (Exception fault) when (fault is IOException or InvalidDataException or ArgumentException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Notes the run of an output folder; relative where it lies inside, so that the folder can be moved.</summary>
    /// <exception cref="IOException">The output folder cannot be written.</exception>
    public static void SetOfOutput(string output, RunFolder run)
    {
        var relative = Path.GetRelativePath(output, run.FullPath);
        var pointer = new Pointer(run.RunId, relative.StartsWith("..", StringComparison.Ordinal) ? run.FullPath : relative.Replace('\\', '/'));
        var (path, text) = (Path.Combine(output, PointerName), JournalJson.WriteText(pointer));
        if (!File.Exists(path) || File.ReadAllText(path) != text)
        {
            AtomicFile.WriteText(path, text);
        }
    }

    /// <summary>Opens the folder of a run.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no journal at this place.</exception>
    public static RunFolder Open(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        return File.Exists(Path.Combine(full, JournalName))
            ? new RunFolder(full, RunIdOf(full))
            : throw new DirectoryNotFoundException($"{path}: expected the folder of a tracked run ({JournalName} inside) or one that holds such, found none; "
                + "give a folder like wandb/offline-run-…");
    }

    /// <summary>Takes the right to write; the operating system gives it back when the process ends, however it ends.</summary>
    /// <exception cref="IOException">Another process holds it.</exception>
    public IDisposable Lock()
    {
        try
        {
            return FileLock.Take(LockFile);
        }
        catch (IOException fault)
        {
            throw new IOException($"{FullPath}: the run is being written by another process; wait until it ends ({fault.Message})", fault);
        }
    }

    private static string RunIdOf(string path)
    {
        var name = Path.GetFileName(path);
        return FolderName().Match(name) is { Success: true } match ? match.Groups["id"].Value : name;
    }

    private sealed record Pointer([property: JsonRequired] string RunId, [property: JsonRequired] string Folder);

    [GeneratedRegex(@"^(offline-)?run-\d{8}_\d{6}-(?<id>.+)$")]
    private static partial Regex FolderName();
}
