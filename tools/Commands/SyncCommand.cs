extern alias lib;

using System.CommandLine;
using lib::NotebookLib.Platform;
using lib::NotebookLib.Tracking;
using NotebookLib.Results;
using static NotebookLib.Platform.NumberText;

namespace NotebookRunner.Commands;

/// <summary><c>sync FOLDER…</c>: uploads tracked runs, what the server lacks of them, any number of times.</summary>
internal static class SyncCommand
{
    /// <summary>Builds the verb.</summary>
    public static Command Create()
    {
        var folders = new Argument<string[]>("folder")
        {
            Description = "Folders of runs (wandb/offline-run-…), or folders that hold such, for instance results/runs",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command("sync", "Uploads tracked runs to Weights & Biases: what is missing there, any number of times") { folders };
        command.SetAction((arguments, _) =>
        {
            LibraryFolder.MakeLoadable();
            return SyncAsync(arguments.GetValue(folders)!);
        });
        return command;
    }

    private static async Task<int> SyncAsync(string[] folders)
    {
        try
        {
            var settings = TrackingEnvironment.Read() with { Notice = Console.Error.WriteLine };
            var runs = folders.SelectMany(RunSync.FindRuns).Distinct().ToList();
            return await SyncAllAsync(runs, settings, Interruption.Token);
        }
        catch (Exception error) when (error is DirectoryNotFoundException or ArgumentException)
        {
            throw new BadInputException(error.Message, error);
        }
    }

    private static async Task<int> SyncAllAsync(IReadOnlyList<string> runs, TrackingSettings settings, CancellationToken cancel)
    {
        var failed = 0;
        foreach (var run in runs)
        {
            // <run of a notebook>/wandb/<tracked run>
            if (Path.GetDirectoryName(Path.GetDirectoryName(run)) is { } notebooks)
            {
                LostRuns.Mark(notebooks);
            }

            try
            {
                var summary = await RunSync.SyncAsync(run, settings, cancel: cancel);
                Print(summary);
                failed += summary.Failures.Count > 0 ? 1 : 0;
            }
            catch (OperationCanceledException)
            {
                Console.Error.WriteLine($"{run}: interrupted; what was sent stays sent, sync again for the rest.");
                return ExitCodes.Interrupted;
            }
            catch (Exception error) when (error is TrackingException or IOException or InvalidDataException or UnauthorizedAccessException)
            {
                Console.Error.WriteLine($"{run}: {error.Message}");
                failed++;
            }
        }

        if (failed > 0)
        {
            Console.Error.WriteLine($"{failed} of {runs.Count} runs are not all there; their folders are whole, sync again when the cause is mended.");
        }

        return failed == 0 ? ExitCodes.Ok : ExitCodes.Failed;
    }

    private static void Print(SyncSummary summary)
    {
        var ended = summary.ExitCode is { } code ? Invariant($"exit code {code}") : "it was killed, the server is told exit code 1";
        Console.Out.WriteLine(summary.HasSent
            ? $"{summary.RunId}: sent {Counts(summary)}; {Count(summary.RowsOnServer)} of {Count(summary.RowsKept)} rows are on the server; {ended}"
            : $"{summary.RunId}: nothing to send, {Count(summary.RowsOnServer)} of {Count(summary.RowsKept)} rows are on the server; {ended}");
        Console.Out.WriteLine($"  {summary.Link}");
        foreach (var problem in summary.Failures)
        {
            Console.Error.WriteLine($"  {problem}");
        }

        if (summary.DamagedLines > 0)
        {
            Console.Error.WriteLine($"  {Count(summary.DamagedLines)} damaged lines of the journal were passed over");
        }
    }

    private static string Counts(SyncSummary summary)
    {
        (long Count, string One, string Many)[] all =
        [
            (summary.RowsSent, "row", "rows"), (summary.EventsSent, "system sample", "system samples"),
            (summary.OutputLinesSent, "console line", "console lines"),
            (summary.FilesSent, "file", "files"), (summary.ArtifactsSent, "artifact", "artifacts"),
        ];
        var counts = string.Join(", ", all.Where(part => part.Count > 0).Select(part => $"{Count(part.Count)} {(part.Count == 1 ? part.One : part.Many)}"));
        return counts.Length == 0 ? "its end" : counts;
    }
}
