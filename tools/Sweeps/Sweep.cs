using NotebookLib.Results;
using NotebookRunner.Commands;
using NotebookRunner.Parameters;
using NotebookRunner.Reports;
using NotebookRunner.Running;

namespace NotebookRunner.Sweeps;

/// <summary>Runs a notebook once for each combination of a grid, skips what is done already, and keeps one comparison up to date.</summary>
internal sealed class Sweep
{
    private readonly SweepOptions _options;
    private readonly ISweepView _view;
    private readonly StopRequests _stops;
    private readonly Lock _lock = new();
    private readonly SweepResult[] _results;
    private readonly RunState[] _runs;

    /// <summary>Plans a sweep; nothing is run yet.</summary>
    /// <exception cref="ParameterException">A parameter of the grid is unknown, set elsewhere too, or has a value of another type.</exception>
    public Sweep(SweepOptions options, ISweepView view, StopRequests stops)
    {
        (_options, _view, _stops) = (options, view, stops);
        if (options.Grid.Axes.FirstOrDefault(axis => options.Fixed.ContainsKey(axis.Key)) is { Key: not null } both)
        {
            throw new ParameterException($"'{both.Key}' is varied by --grid and set by -p; choose one.");
        }

        var points = options.Grid.Points();
        foreach (var point in points)
        {
            LostRuns.Mark(FolderOf(point));
        }

        _runs = [.. points.Select(point => RunPreparation.Prepare(options.NotebookPath, options.Fixed.Concat(point.Values).ToDictionary()))];
        _results = [
            .. points.Select((point, i) => (options.IsFresh ? null : SweepResult.Kept(point, FolderOf(point), _runs[i])) ?? SweepResult.Waiting(point))];
    }

    /// <summary>All combinations, in the order of the grid, as far as they have come.</summary>
    public IReadOnlyList<SweepResult> Results => _results;

    /// <summary>Runs what is not done yet.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public async Task ExecuteAsync()
    {
        WriteComparison();
        var waiting = Enumerable.Range(0, _results.Length).Where(i => _results[i].Status is RunStatus.NotRun).ToList();
        await Parallel.ForEachAsync(waiting, new ParallelOptions { MaxDegreeOfParallelism = _options.Parallel }, async (index, _) => await RunAsync(index));
        WriteComparison();
    }

    private async Task RunAsync(int index)
    {
        if (_stops.Count > 0)
        {
            return;
        }

        var point = _results[index].Point;
        using var held = KeptRun.Lock(FolderOf(point));
        var run = _runs[index] = GoingOn(point) ?? _runs[index];
        var reports = new ReportFiles(_options.NotebookPath, FolderOf(point));
        reports.Write(run);
        var view = _view.Begin(point, index + 1, _results.Length, run);
        await new NotebookRun(run, RunOptionsFor(point), view, reports.Write, _stops).ExecuteAsync();
        lock (_lock)
        {
            _results[index] = SweepResult.Of(point, run);
            WriteComparison();
        }

        _view.End(_results[index]);
    }

    /// <summary>Runs at the same time share the cores: each taking all of them would be slower than one after another.</summary>
    private RunOptions RunOptionsFor(SweepPoint point) => new(
        _options.NotebookPath, FolderOf(point), _options.CellTimeout, _options.Grace,
        _options.Parallel == 1 ? null : Math.Max(1, Environment.ProcessorCount / _options.Parallel));

    /// <summary>
    /// The run that an earlier sweep did not end, where it is the same: it goes on. What else lies in the point's folder goes, for the folders are the sweep's
    /// own, and a notebook begins no run where another lies.
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

    private string FolderOf(SweepPoint point) => Path.Combine(_options.Folder, point.FolderName);

    private void WriteComparison() => SweepReport.Write(_options, _results);
}
