using System.Security.Cryptography;
using System.Text;
using NotebookLib.Platform;
using NotebookLib.Results;
using NotebookRunner.Commands;
using NotebookRunner.Parameters;
using NotebookRunner.Reports;
using NotebookRunner.Running;

namespace NotebookRunner.Sweeps;

/// <summary>
/// Runs a notebook once for each combination of a grid, skips what is done already, and keeps one comparison up to date. Several processes may work in one
/// folder: each combination is run by one of them (<see cref="PointClaims"/>), and all write the same comparison, in the grid's order.
/// </summary>
internal sealed class Sweep
{
    private static readonly string[] EndedWords = [.. new[] { RunStatus.Ok, RunStatus.Failed, RunStatus.TimedOut }.Select(RunJson.Word)];

    private readonly SweepOptions _options;
    private readonly ISweepView _view;
    private readonly StopRequests _stops;
    private readonly Lock _lock = new();
    private readonly SweepResult[] _results;
    private readonly RunState[] _runs;
    private readonly PointClaims[] _claims;
    private readonly string _work;
    private readonly Dictionary<string, PointClaims> _folders;
    // The claim that counted when this process began: what came later belongs to the same sweep.
    private readonly int[] _firstClaims;
    private readonly HashSet<int> _running = [];
    private string _told = "";
    private bool _hasTaken;

    /// <summary>Plans a sweep; nothing is run yet.</summary>
    /// <exception cref="ParameterException">A parameter of the grid is unknown, set elsewhere too, or has a value of another type.</exception>
    /// <exception cref="BadInputException">Another process runs something else in the folder.</exception>
    public Sweep(SweepOptions options, ISweepView view, StopRequests stops)
    {
        (_options, _view, _stops) = (options, view, stops);
        if (options.Grid.Axes.FirstOrDefault(axis => options.Fixed.ContainsKey(axis.Key)) is { Key: not null } both)
        {
            throw new ParameterException($"'{both.Key}' is varied by --grid and set by -p; choose one.");
        }

        var points = options.Grid.Points();
        _runs = [.. points.Select(Prepared)];
        _work = WorkOf(_runs);
        _claims = [.. points.Select(point => new PointClaims(FolderOf(point), options.Lease, options.Job, _work))];
        _folders = points.Select((point, i) => KeyValuePair.Create(FolderOf(point), _claims[i])).ToDictionary();
        _firstClaims = [.. _claims.Select(claims => claims.Look()).Select(claim => claim.IsHeld ? claim.Number - 1 : claim.Number)];
        _results = [
            .. points.Select((point, i) => (options.IsFresh ? null : SweepResult.Kept(point, FolderOf(point), _runs[i])) ?? SweepResult.Waiting(point))];
        _ = Others();
    }

    /// <summary>All combinations, in the order of the grid, as far as they have come.</summary>
    public IReadOnlyList<SweepResult> Results => _results;

    /// <summary>Combinations that other processes have not ended yet: none unless the sweep does not wait, or was stopped.</summary>
    public IReadOnlyList<SweepResult> LeftToOthers { get; private set; } = [];

    /// <summary>Runs what is not done yet, and waits for what others run.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    /// <exception cref="BadInputException">Another process runs something else in the folder.</exception>
    public async Task ExecuteAsync()
    {
        await WaitForOthersAsync();
        lock (_lock)
        {
            WriteComparison();
        }

        // The first fault ends all; what runs comes to its end.
        await Parallel.ForEachAsync(Enumerable.Range(0, _options.Parallel), new ParallelOptions { MaxDegreeOfParallelism = _options.Parallel },
            async (_, faulted) => await WorkAsync(faulted));
        lock (_lock)
        {
            WriteComparison();
        }
    }

    /// <summary>
    /// A claim from another machine for something else: its holder has died, or works here with other parameters. Before that is known nothing is taken, for
    /// what it has done would be done again over it.
    /// </summary>
    private async Task WaitForOthersAsync()
    {
        while (_options is { Waits: true, Shards: 1 } && !_stops.Wish.IsCancellationRequested && Others() is { Count: > 0 } others)
        {
            Tell("Another sweep was at work here; waiting for a sign that these have ended (another --output begins at once):", others);
            await Task.Delay(TimeSpan.FromSeconds(1), _stops.Wish).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>
    /// Who may be at work in the folder for another sweep: with another notebook, other parameters or another grid, whose comparison would stand in this one's
    /// place.
    /// </summary>
    /// <exception cref="BadInputException">Somebody is.</exception>
    private List<string> Others()
    {
        var others = new List<string>();
        foreach (var folder in Directory.Exists(_options.Folder) ? Directory.EnumerateDirectories(_options.Folder) : [])
        {
            if (!_folders.TryGetValue(folder, out var claims))
            {
                _folders[folder] = claims = new(folder, _options.Lease, "", "");
            }

            if (claims.Look() is { IsHeld: true, Facts: { } facts } seen && facts.Work != _work)
            {
                others.Add(!seen.Lives ? $"{Path.GetFileName(folder)}: {HolderOf(seen)}" : throw new BadInputException(
                    $"{folder}: {HolderOf(seen)} runs another sweep in this folder: another notebook, other parameters or another grid. "
                    + "Name another --output, or wait for its end."));
            }
        }

        return others;
    }

    /// <summary>Looks again behind the first own claim: of two sweeps that begin at the same moment one at least sees the other.</summary>
    private void RefuseOthers(Taken taken)
    {
        if (_hasTaken)
        {
            return;
        }

        try
        {
            _ = Others();
            _hasTaken = true;
        }
        catch
        {
            taken.Claim.Dispose();
            taken.Lock.Dispose();
            throw;
        }
    }

    private static string HolderOf(ClaimView seen) => Excerpt.Long(seen.Facts?.Holder ?? "a process that says nothing of itself");

    /// <summary>What a sweep does: the same for the same cells with the same parameters at all points.</summary>
    private static string WorkOf(IEnumerable<RunState> runs)
    {
        var words = runs.SelectMany(run => run.Parameters.Where(value => !KeptRun.Switches.Contains(value.Parameter.Name))
            .Select(value => $"{value.Parameter.Name}={value.Literal}").Prepend(run.NotebookHash));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', words))).AsSpan(0, 16));
    }

    private async Task WorkAsync(CancellationToken faulted)
    {
        using var ends = CancellationTokenSource.CreateLinkedTokenSource(faulted, _stops.Wish);
        while (!ends.IsCancellationRequested)
        {
            var (taken, open) = Next();
            if (taken is not null)
            {
                await RunAsync(taken);
            }
            else if (open == 0)
            {
                return;
            }
            else
            {
                // Many claims on a file server are looked at less often.
                await Task.Delay(TimeSpan.FromSeconds(Math.Clamp(open / 20.0, 0.5, 5)), ends.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private sealed record Taken(int Index, IDisposable Lock, PointClaim Claim);

    /// <summary>Takes the next combination that nobody has.</summary>
    /// <returns>It, or null and how many are to be waited for.</returns>
    private (Taken? Taken, int Open) Next()
    {
        lock (_lock)
        {
            var held = new List<(int Index, string Holder)>();
            foreach (var index in Enumerable.Range(0, _results.Length).Where(index => IsOpen(index) && _options.IsInShard(index)))
            {
                var seen = _claims[index].Look();
                if (Learn(index, seen))
                {
                    continue;
                }

                if (!seen.IsHeld && Take(index, seen) is { } taken)
                {
                    RefuseOthers(taken);
                    _running.Add(index);
                    return (taken, 0);
                }

                held.Add((index, seen.IsHeld ? HolderOf(seen)
                    : seen.Facts is { Ended: null } ? $"{HolderOf(seen)}, which gives no sign of life and keeps the folder locked"
                    : "a process that runs a notebook there without a sweep"));
            }

            LeftToOthers = [.. held.Select(point => _results[point.Index])];
            if (!_options.Waits)
            {
                return (null, 0);
            }

            Tell("Waiting for what others run:", [.. held.Select(point => $"[{_results[point.Index].Point.Words}] {point.Holder}")]);
            return (null, held.Count);
        }
    }

    private Taken? Take(int index, ClaimView seen)
    {
        var folder = FolderOf(_results[index].Point);
        LostRuns.Mark(folder);
        if (KeptRun.TryLock(folder) is not { } held)
        {
            return null;
        }

        if (_claims[index].Take(seen) is { } claim)
        {
            return new(index, held, claim);
        }

        held.Dispose();
        return null;
    }

    private bool IsOpen(int index) => _results[index].Status is RunStatus.NotRun && !_running.Contains(index);

    /// <summary>
    /// Takes over what another process has done: it ended well, or it ended in this sweep, where a fault is not tried again. What failed in an earlier sweep
    /// is.
    /// </summary>
    private bool Learn(int index, ClaimView seen)
    {
        if (seen.IsHeld)
        {
            return false;
        }

        var (point, isOfThisSweep) = (_results[index].Point, IsOfThisSweep(index, seen));
        var found = !isOfThisSweep && _options is { IsFresh: true } ? null : SweepResult.Read(point, FolderOf(point), _runs[index]);
        if (found is null or { Status: RunStatus.Interrupted } || (found.Status is not RunStatus.Ok && !isOfThisSweep && _options.IsInShard(index)))
        {
            return false;
        }

        _results[index] = found with { IsKept = !isOfThisSweep };
        if (isOfThisSweep)
        {
            _view.End(_results[index], seen.Facts!.Holder);
        }

        return true;
    }

    private bool IsOfThisSweep(int index, ClaimView seen) => seen.Facts is { Ended: { } ended } facts && EndedWords.Contains(ended)
        && (seen.Number > _firstClaims[index] || facts.IsAliveHere || (facts.Job.Length > 0 && facts.Job == _options.Job));

    private void Tell(string title, IReadOnlyList<string> holders)
    {
        const int Most = 5;
        var words = title + string.Concat(holders.Take(Most).Select(holder => $"\n  {holder}"))
            + (holders.Count > Most ? Invariant($"\n  and {holders.Count - Most} more") : "");
        if (words != _told && holders.Count > 0)
        {
            _view.Notice(words);
        }

        _told = words;
    }

    private async Task RunAsync(Taken taken)
    {
        var (index, held, claim) = taken;
        using (held)
        using (claim)
        using (var stops = new StopRequests(_stops))
        using (claim.Lost.Register(() => End(stops)))
        {
            var point = _results[index].Point;
            var run = _runs[index] = GoingOn(point) ?? (_runs[index].Status is RunStatus.NotRun ? _runs[index] : Prepared(point));
            var reports = new ReportFiles(_options.NotebookPath, FolderOf(point));
            Save(run);
            var view = _view.Begin(point, index + 1, _results.Length, run);
            await new NotebookRun(run, RunOptionsFor(point), view, Save, stops).ExecuteAsync();
            var isOurs = claim.End(run.Status);
            lock (_lock)
            {
                _running.Remove(index);
                _results[index] = isOurs ? SweepResult.Of(point, run) : _results[index];
                WriteComparison();
            }

            if (isOurs)
            {
                _view.End(_results[index], null);
            }
            else
            {
                _view.Notice($"[{point.Words}] was taken by another process: this one showed no sign of life for longer than --lease.");
            }

            void Save(RunState state)
            {
                if (claim.IsOurs)
                {
                    reports.Write(state);
                }
            }
        }

        // Another process is at work there: at once.
        static void End(StopRequests stops)
        {
            stops.Make(System.Runtime.InteropServices.PosixSignal.SIGTERM);
            stops.Make(System.Runtime.InteropServices.PosixSignal.SIGTERM);
        }
    }

    /// <summary>Runs at the same time share the cores: each taking all of them would be slower than one after another.</summary>
    private RunOptions RunOptionsFor(SweepPoint point) => new(
        _options.NotebookPath, FolderOf(point), _options.CellTimeout, _options.Grace,
        _options.Parallel == 1 ? null : Math.Max(1, Environment.ProcessorCount / _options.Parallel));

    /// <summary>
    /// The run that an earlier process did not end, where it is the same: it goes on. What else lies in the point's folder goes, for the folders are the
    /// sweep's own, and a notebook begins no run where another lies.
    /// </summary>
    private RunState? GoingOn(SweepPoint point)
    {
        var (folder, values) = (FolderOf(point), _options.Fixed.Concat(point.Values).ToDictionary());
        try
        {
            if (!_options.IsFresh && KeptRun.Read(folder, _options.NotebookPath, values) is { HasChanged: false } kept
                && kept.Values.GetValueOrDefault("resume") == "true")
            {
                return RunPreparation.Prepare(kept.NotebookPath, kept.Values);
            }
        }
        catch (BadInputException)
        {
            // Nothing to go on with, or with other parameters: the point is run from its beginning.
        }

        var checkpoints = Path.Combine(folder, "checkpoints");
        if (Directory.Exists(checkpoints))
        {
            Directory.Delete(checkpoints, recursive: true);
        }

        return null;
    }

    private RunState Prepared(SweepPoint point) =>
        RunPreparation.Prepare(_options.NotebookPath, _options.Fixed.Concat(point.Values).ToDictionary());

    private string FolderOf(SweepPoint point) => Path.Combine(_options.Folder, point.FolderName);

    /// <summary>
    /// Writes what is known of all combinations. Another process may have learned more and written it meanwhile: whoever writes looks again behind it, so that
    /// the last one to write has seen everything.
    /// </summary>
    private void WriteComparison()
    {
        const int Tries = 3;
        LearnAll();
        for (var tries = 1; ; tries++)
        {
            try
            {
                SweepReport.Write(_options, _results);
            }
            catch (FileNotFoundException) when (tries < Tries)
            {
                // On a file server without locks another machine may take the temporary file for one that was left over.
                continue;
            }

            if (!LearnAll())
            {
                return;
            }
        }
    }

    private bool LearnAll()
    {
        var hasLearned = false;
        foreach (var index in Enumerable.Range(0, _results.Length).Where(IsOpen))
        {
            hasLearned |= Learn(index, _claims[index].Look());
        }

        // What was seen to fail may have been tried again by a sweep that was typed later.
        foreach (var index in Enumerable.Range(0, _results.Length).Where(index => _results[index].Status is not (RunStatus.NotRun or RunStatus.Ok)))
        {
            var point = _results[index].Point;
            if (!_claims[index].Look().IsHeld && SweepResult.Read(point, FolderOf(point), _runs[index]) is { Status: RunStatus.Ok } well)
            {
                _results[index] = well;
                hasLearned = true;
            }
        }

        return hasLearned;
    }
}
