using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using NotebookLib.Net;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>
/// Writes tables and charts of a row as files of the run and gives the values that stand for them in the row.
/// Plotly's form is that of wandb's data_types/plotly.py and base_types/media.py (04c7788): no capture shows one.
/// </summary>
internal static class MediaFiles
{
    /// <summary>The row with media replaced by what stands for them.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="row">The row.</param>
    /// <param name="number">The row's number; it becomes part of the files' names.</param>
    /// <param name="secrets">Key and token, which are kept out of the files.</param>
    /// <param name="onArtifact">Takes the artifact that a table also is.</param>
    /// <exception cref="ArgumentException">A table's row has another length than its columns; a chart is no JSON object.</exception>
    public static IReadOnlyDictionary<string, object?> Store(
        RunFolder folder, IReadOnlyDictionary<string, object?> row, long number, Secrets secrets, Action<ArtifactRequest> onArtifact)
    {
        foreach (var (_, value) in row)
        {
            if (value is TrackedTable or PlotlyFigure)
            {
                return row.ToDictionary(pair => pair.Key, pair => pair.Value switch
                {
                    TrackedTable table => Table(folder, pair.Key, table, number, secrets, onArtifact),
                    PlotlyFigure figure => Plotly(folder, pair.Key, figure, number, secrets),
                    var other => other,
                });
            }
        }

        return row;
    }

    private static Dictionary<string, object?> Table(
        RunFolder folder, string key, TrackedTable table, long number, Secrets secrets, Action<ArtifactRequest> onArtifact)
    {
        if (table.Rows.FirstOrDefault(row => row.Count != table.Columns.Count) is { } odd)
        {
            throw new ArgumentException($"key \"{key}\": a table row has {odd.Count} values, expected {table.Columns.Count}, one per column");
        }

        var text = secrets.Scrub(RowText.Value(new Dictionary<string, object?> { ["columns"] = table.Columns, ["data"] = table.Rows }));
        var members = Write(folder, "table", key, number, ".table.json", text);
        var file = ArtifactStaging.SafeName(key) + ".table.json";
        var artifact = StageTable(folder, key, file, table, number, secrets);
        onArtifact(artifact);
        return new(members)
        {
            ["_type"] = "table-file",
            ["ncols"] = table.Columns.Count,
            ["nrows"] = table.Rows.Count,
            ["artifact_path"] = $"wandb-client-artifact://{artifact.ClientId}/{file}",
            ["_latest_artifact_path"] = $"wandb-client-artifact://{artifact.SequenceClientId}:latest/{file}",
            ["log_mode"] = "IMMUTABLE",
        };
    }

    /// <summary>The artifact's file says more than the run's: the columns' types.</summary>
    private static ArtifactRequest StageTable(RunFolder folder, string key, string file, TrackedTable table, long number, Secrets secrets)
    {
        Directory.CreateDirectory(folder.Artifacts);
        var path = Path.Combine(folder.Artifacts, $"{number}-{file}");
        File.WriteAllText(path, secrets.Scrub(RowText.Value(Describe(table))));
        var artifact = new TrackedArtifact
        {
            Name = ArtifactStaging.SafeName($"run-{folder.RunId}-{key}"),
            Type = "run_table",
            Files = new Dictionary<string, string> { [file] = path },
        };
        var staged = ArtifactStaging.Stage(folder, artifact, number, secrets);
        File.Delete(path);
        return staged;
    }

    private static Dictionary<string, object?> Plotly(RunFolder folder, string key, PlotlyFigure figure, long number, Secrets secrets)
    {
        try
        {
            using var document = JsonDocument.Parse(figure.Json);
            if (document.RootElement.ValueKind is not JsonValueKind.Object || !document.RootElement.TryGetProperty("data", out _))
            {
                throw new ArgumentException($"key \"{key}\": a Plotly figure must be a JSON object with \"data\"");
            }
        }
        catch (JsonException fault)
        {
            throw new ArgumentException($"key \"{key}\": a Plotly figure must be JSON ({fault.Message})", fault);
        }

        var members = Write(folder, "plotly", key, number, ".plotly.json", secrets.Scrub(figure.Json));
        members["_type"] = "plotly-file";
        return members;
    }

    /// <summary>Writes media/kind/key_number_hash.extension.</summary>
    private static Dictionary<string, object?> Write(RunFolder folder, string kind, string key, long number, string extension, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes));
        var name = $"media/{kind}/{SafePath(key)}_{number}_{hash[..20]}{extension}";
        AtomicFile.Write(Path.Combine(folder.Files, name), stream => stream.Write(bytes));
        return new() { ["sha256"] = hash, ["size"] = bytes.Length, ["path"] = name };
    }

    /// <summary>Keys keep their slashes as folders, and cannot leave the folder.</summary>
    private static string SafePath(string key) => string.Join('/', key.Split('/', '\\')
        .Select(part => string.Concat(part.Select(c => char.IsLetterOrDigit(c) || c is '-' or '_' or '.' or ' ' ? c : '_')))
        .Where(part => part.Trim('.', ' ').Length > 0)
        .DefaultIfEmpty("media"));

    /// <summary>A table as the file of its artifact: rows and W&amp;B's types of the columns.</summary>
    private static IReadOnlyDictionary<string, object?> Describe(TrackedTable table)
    {
        var types = table.Columns.Select((name, column) => (name, Type: TypeOf(table.Rows.Select(row => row[column]))));
        return new Dictionary<string, object?>
        {
            ["_type"] = "table",
            ["column_types"] = Typed("typedDict",
                new() { ["type_map"] = types.DistinctBy(pair => pair.name).ToDictionary(pair => pair.name, pair => (object?)pair.Type) }),
            ["columns"] = table.Columns,
            ["data"] = table.Rows,
            ["log_mode"] = "IMMUTABLE",
            ["ncols"] = table.Columns.Count,
            ["nrows"] = table.Rows.Count,
        };
    }

    /// <summary>"number, or nothing" and its like; values of several kinds are "any".</summary>
    private static Dictionary<string, object?> TypeOf(IEnumerable<object?> values)
    {
        string[] kinds = [.. values.OfType<object>().Select(KindOf).Distinct().Take(2)];
        return kinds is [not "any"]
            ? Typed("union", new() { ["allowed_types"] = new[] { Typed("none"), Typed(kinds[0]) } })
            : Typed("any");
    }

    private static string KindOf(object value) => value switch
    {
        string or char or Enum => "string",
        bool => "boolean",
        IFormattable and not (DateTime or DateTimeOffset or TimeSpan) => "number",
        _ => "any",
    };

    private static Dictionary<string, object?> Typed(string type, Dictionary<string, object?>? parameters = null)
    {
        Dictionary<string, object?> described = new() { ["wb_type"] = type };
        if (parameters is not null)
        {
            described["params"] = parameters;
        }

        return described;
    }
}
