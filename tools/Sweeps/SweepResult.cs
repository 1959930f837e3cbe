using System.Text.Json.Nodes;
using NotebookLib.Results;
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
    private static readonly RunStatus[] Ends = [RunStatus.Ok, RunStatus.Failed, RunStatus.TimedOut, RunStatus.Interrupted];

    /// <summary>A combination whose turn has not come.</summary>
    public static SweepResult Waiting(SweepPoint point) => new(point, RunStatus.NotRun, 0, new Dictionary<string, double>(), "", false);

    /// <summary>The result of a run that has ended.</summary>
    public static SweepResult Of(SweepPoint point, RunState run)
    {
        var failed = run.CodeCells.FirstOrDefault(cell => cell.Error is not null);
        return new(point, run.Status, run.Seconds, run.Scores, failed is null ? "" : ProblemAt(failed.Number, failed.Name, failed.Error!.Message), false);
    }

    /// <summary>The result that an earlier sweep left in a folder, when it ended well: then it need not be run again.</summary>
    /// <inheritdoc cref="Read" path="/param"/>
    public static SweepResult? Kept(SweepPoint point, string folder, RunState planned) =>
        Read(point, folder, planned) is { Status: RunStatus.Ok } result ? result with { IsKept = true } : null;

    /// <summary>The result that lies in a folder, when it is of the same cells with the same parameters and has come to an end.</summary>
    /// <param name="point">The combination.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="planned">The run as it would be started now.</param>
    public static SweepResult? Read(SweepPoint point, string folder, RunState planned)
    {
        try
        {
            if (LostRuns.Facts(folder) is not { } json)
            {
                return null;
            }

            var values = json["parameters"]!.AsArray().ToDictionary(value => (string)value!["name"]!, value => (string)value!["value"]!);
            var isSame = (string?)json["notebookHash"] == planned.NotebookHash && values.Count == planned.Parameters.Count
                && planned.Parameters.All(value =>
                    KeptRun.Switches.Contains(value.Parameter.Name) || values.GetValueOrDefault(value.Parameter.Name) == value.Literal);
            var status = Ends.FirstOrDefault(status => (string?)json["status"] == RunJson.Word(status));
            var (seconds, scores) = ((double)json["seconds"]!, json["scores"]!.AsObject().ToDictionary(score => score.Key, score => (double)score.Value!));
            return isSame && status is not RunStatus.NotRun && seconds >= 0 && double.IsFinite(seconds) && scores.Values.All(double.IsFinite)
                ? new(point, status, seconds, scores, ProblemOf(json), false) : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or InvalidOperationException or NullReferenceException
            or ArgumentException or FormatException)
        {
            // Nothing there, or not ours: the combination is run.
            return null;
        }
    }

    private static string ProblemOf(JsonNode json) =>
        json["cells"]?.AsArray().FirstOrDefault(cell => cell?["error"] is not null) is { } failed
        ? ProblemAt(failed["number"], failed["name"], failed["error"]!["message"]) : "";

    private static string ProblemAt(object? number, object? name, object? message) => Invariant($"cell {number}, {name}: {message}");
}
