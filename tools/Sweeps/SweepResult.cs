using System.Text.Json;
using NotebookLib.Platform;
using NotebookRunner.Reports;
using NotebookRunner.Running;

namespace NotebookRunner.Sweeps;

/// <summary>What came of one combination.</summary>
/// <param name="Point">The combination.</param>
/// <param name="Status">How it ended; not run while its turn has not come.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Scores">What the notebook says its scores are.</param>
/// <param name="Problem">Why it failed; empty otherwise.</param>
/// <param name="IsKept">True when an earlier sweep ran it.</param>
internal sealed record SweepResult(SweepPoint Point, RunStatus Status, double Seconds, IReadOnlyDictionary<string, double> Scores, string Problem, bool IsKept)
{
    /// <summary>A combination whose turn has not come.</summary>
    public static SweepResult Waiting(SweepPoint point) => new(point, RunStatus.NotRun, 0, new Dictionary<string, double>(), "", false);

    /// <summary>The result of a run that has ended.</summary>
    public static SweepResult Of(SweepPoint point, RunState run)
    {
        var failed = run.CodeCells.FirstOrDefault(cell => cell.Error is not null);
        return new(point, run.Status, run.Seconds, run.Scores, failed is null ? "" : $"cell {failed.Number}, {failed.Name}: {failed.Error!.Message}", false);
    }

    /// <summary>
    /// The result that lies in a folder, when it is of the same cells with the same parameters and ended well: then it need not be run again.
    /// </summary>
    /// <param name="point">The combination.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="planned">The run as it would be started now.</param>
    public static SweepResult? Kept(SweepPoint point, string folder, RunState planned)
    {
        try
        {
            var json = StrictJson.ParseNode(File.ReadAllBytes(Path.Combine(folder, HostContract.RunName)))!;
            var values = json["parameters"]!.AsArray().ToDictionary(value => (string)value!["name"]!, value => (string)value!["value"]!);
            var isSame = (string?)json["notebookHash"] == planned.NotebookHash && values.Count == planned.Parameters.Count
                && planned.Parameters.All(value =>
                    KeptRun.Switches.Contains(value.Parameter.Name) || values.GetValueOrDefault(value.Parameter.Name) == value.Literal);
            return isSame && (string?)json["status"] == RunJson.Word(RunStatus.Ok)
                ? new(point, RunStatus.Ok, (double)json["seconds"]!, json["scores"]!.AsObject().ToDictionary(score => score.Key, score => (double)score.Value!),
                    "", true)
                : null;
        }
        catch (Exception error) when (error is IOException or JsonException or InvalidOperationException or NullReferenceException or ArgumentException
            or FormatException)
        {
            // Nothing there, or not ours: the combination is run.
            return null;
        }
    }
}
