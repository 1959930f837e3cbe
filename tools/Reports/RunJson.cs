using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Results;
using NotebookRunner.Running;

namespace NotebookRunner.Reports;

/// <summary>run.json: what programs want to know about a run. Its keys and their order stay; new ones are added at the end.</summary>
internal static class RunJson
{
    /// <summary>Raised when the meaning of a key changes.</summary>
    public const int FormatVersion = 1;

    /// <summary>The JSON of a run, in whatever state it is.</summary>
    /// <param name="run">The run.</param>
    /// <param name="folder">Its folder, from which the notebook's path counts; null leaves the path out.</param>
    public static string ToJson(RunState run, string? folder = null) => new JsonObject
    {
        ["formatVersion"] = FormatVersion,
        ["notebook"] = run.NotebookName,
        ["about"] = run.About,
        ["status"] = Word(run.Status),
        ["started"] = run.Started.ToString("O"),
        ["seconds"] = Math.Round(run.Seconds, 3),
        ["parameters"] = new JsonArray([.. run.Parameters.Select(value => new JsonObject
        {
            ["name"] = value.Parameter.Name,
            ["type"] = value.Parameter.TypeName,
            ["value"] = value.Literal,
            ["default"] = value.Default,
            ["isSet"] = value.IsSet,
        })]),
        ["cells"] = new JsonArray([.. run.CodeCells.Select(CellOf)]),
        ["versions"] = new JsonObject(run.Versions.Select(version => KeyValuePair.Create(version.Key, (JsonNode?)version.Value))),
        ["notebookHash"] = run.NotebookHash,
        ["scores"] = new JsonObject(run.Scores.Select(score => KeyValuePair.Create(score.Key, (JsonNode?)score.Value))),
        ["given"] = new JsonObject(run.Given.Select(value => KeyValuePair.Create(value.Key, (JsonNode?)value.Value))),
        ["notebookPath"] = folder is null ? null : Path.GetRelativePath(folder, run.NotebookPath),
    }.ToJsonString(LostRuns.Indented) + "\n";

    private static JsonObject CellOf(CellState cell) => new()
    {
        ["number"] = cell.Number,
        ["id"] = cell.Id,
        ["name"] = cell.Name,
        ["line"] = cell.Cell.Line,
        ["status"] = Word(cell.Status),
        ["seconds"] = Math.Round(cell.Seconds, 3),
        ["error"] = cell.Error is not { } error ? null : new JsonObject
        {
            ["name"] = error.Name,
            ["message"] = error.Message,
            ["cellLine"] = error.Line,
            ["notebookLine"] = cell.ErrorLine,
            ["details"] = error.Details,
        },
    };

    /// <summary>A status as run.json spells it.</summary>
    public static string Word(RunStatus status) => JsonNamingPolicy.CamelCase.ConvertName(status.ToString());
}
