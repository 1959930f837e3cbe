using System.Security.Cryptography;
using System.Text;
using NotebookLib.Platform;
using NotebookRunner.Kernel;

namespace NotebookRunner.Running;

/// <summary>
/// This process as one of those that <c>mpirun</c> started to run one notebook together (docs/SCALE.md). Rank 0 runs it as ever. The others run the same cells
/// for their part in the training: what they write goes to a folder that is gone at their end, and they speak only where they fail and rank 0 does not.
/// </summary>
internal static class RankOfJob
{
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(10);

    /// <summary>How many there are; 1 for a process that was started alone.</summary>
    public static int Count { get; } = RankVariables.Count;

    /// <summary>Which one this is, from 0.</summary>
    public static int Own { get; } = RankVariables.Own;

    /// <summary>
    /// The cores of each rank where several share a machine and nobody gave each its own; null leaves it to the environment.
    /// </summary>
    public static int? Threads => Count == 1 || IsBound || Environment.GetEnvironmentVariable("OMP_NUM_THREADS") is { Length: > 0 } ? null
        : Math.Max(1, Environment.ProcessorCount / RankVariables.Number("OMPI_COMM_WORLD_LOCAL_SIZE", 1));

    /// <summary>What to know about how mpirun placed the ranks; null for nothing.</summary>
    public static string? Advice => IsBound && Environment.ProcessorCount < Cores / RankVariables.Number("OMPI_COMM_WORLD_LOCAL_SIZE", 1)
        ? $"mpirun keeps each rank on {Environment.ProcessorCount} of this machine's {Cores} cores; mpirun --bind-to none gives them all." : null;

    /// <summary>What the cells' process of a rank has to know.</summary>
    /// <param name="run">What is run.</param>
    /// <param name="isRank">False where the process works alone whoever started it: its notebook is not the others'.</param>
    public static IEnumerable<KeyValuePair<string, string>> Variables(RunState run, bool isRank)
    {
        if (Count == 1)
        {
            return [];
        }

        if (!isRank)
        {
            return [new(HostContract.RanksVariable, "1"), new(HostContract.RankVariable, "0")];
        }

        var values = run.Given.Where(pair => !KeptRun.Switches.Contains(pair.Key)).OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => $"\n{pair.Key}={pair.Value}");
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes(run.NotebookHash + string.Concat(values)));
        return [new(HostContract.NotebookVariable, Convert.ToHexStringLower(hash.AsSpan(0, 8)))];
    }

    /// <summary>Runs a notebook as a rank other than the first.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> ExecuteAsync(RunOptions options, IReadOnlyDictionary<string, string> values)
    {
        var folder = Directory.CreateTempSubdirectory($"rank-{Own}-");
        try
        {
            using var stops = new StopRequests();
            var run = RunPreparation.Prepare(options.NotebookPath, values);
            await new NotebookRun(run, options with { OutputFolder = folder.FullName }, new Silence(), _ => { }, stops).ExecuteAsync();
            if (run.CodeCells.FirstOrDefault(cell => cell.Error is not null) is { } failed && run.Status is not RunStatus.Interrupted)
            {
                // Where rank 0 fails too, mpirun ends the job and rank 0 has said it all.
                await Task.Delay(Turn, stops.Wish).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (stops.Count == 0)
                {
                    Console.Error.WriteLine($"Rank {Own} of {Count} on {Environment.MachineName} failed, and ends the whole job. Cell {failed.Number}, "
                        + $"{failed.Name}: {failed.Error!.Name}\n{Pages.AnsiText.Strip(failed.Error.Message)}");
                }
            }

            return run.Status switch { RunStatus.Ok => ExitCodes.Ok, RunStatus.Interrupted => ExitCodes.Interrupted, _ => ExitCodes.Failed };
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Gives rank 0 the time to say what is wrong for all: mpirun then ends this process.</summary>
    public static void LetTheFirstSpeak() => Thread.Sleep(Own == 0 ? TimeSpan.Zero : Turn);

    private static bool IsBound => Environment.GetEnvironmentVariable("OMPI_MCA_orte_bound_at_launch") is { Length: > 0 };

    // Of the machine, whatever this process is kept to.
    private static int Cores => Directory.Exists("/sys/devices/system/cpu")
        ? Directory.GetDirectories("/sys/devices/system/cpu", "cpu*").Count(folder => char.IsAsciiDigit(folder[^1])) : Environment.ProcessorCount;

    private sealed class Silence : IRunView
    {
        public Task ShowWhileAsync(RunState run, Func<Task> work) => work();

        public void CellStarted(CellState cell)
        {
        }

        public void Happened(KernelEvent happened)
        {
        }

        public void Tick(CellState cell, TimeSpan elapsed)
        {
        }

        public void CellEnded(CellState cell)
        {
        }

        public void Notice(string text)
        {
        }
    }
}
