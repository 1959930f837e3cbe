using System.Buffers;
using System.Text.Json;

namespace NotebookLib.Data;

/// <summary>One JSON object that holds all rows: in an array under some name, or as columns.</summary>
internal static class JsonContainer
{
    private static readonly string[] Usual = ["data", "rows", "examples", "sentences", "documents", "items", "instances", "annotations", "dataset", "train"];
    private static readonly string[] NoRows = ["features", "classes", "columns", "schema", "fields", "labels", "index"];

    /// <summary>The rows within.</summary>
    /// <param name="root">The object.</param>
    /// <exception cref="FormatException">It has none, or several lists of them; names what it has.</exception>
    public static IEnumerable<JsonElement> Rows(JsonElement root)
    {
        if (root.TryGetProperty("columns", out var names) && root.TryGetProperty("data", out var table) && names.ValueKind == JsonValueKind.Array
            && table.ValueKind == JsonValueKind.Array)
        {
            return Split([.. names.EnumerateArray().Select(name => name.ToString())], table);
        }

        var lists = root.EnumerateObject().Where(field => !NoRows.Contains(field.Name, StringComparer.OrdinalIgnoreCase) && IsListOfRows(field.Value)).ToList();
        if (lists.Count > 0)
        {
            var chosen = lists.Count == 1 ? lists[0].Name : FieldNames.First(Usual[..^1], lists.Select(list => list.Name));
            return chosen is not null ? root.GetProperty(chosen).EnumerateArray()
                : throw new FormatException($"holds several lists of rows ({FieldNames.Listed(lists.Select(list => list.Name))}); "
                    + "write each to a file of its own");
        }

        var columns = root.EnumerateObject().Where(field => field.Value.ValueKind == JsonValueKind.Object || IsListOf(field.Value, JsonValueKind.Array))
            .ToList();
        if (columns.Count == 1 && columns[0].Value.ValueKind == JsonValueKind.Object)
        {
            return Rows(columns[0].Value);
        }

        return columns.Count > 1 ? Transposed(columns)
            : throw new FormatException($"holds no list of rows; found {FieldNames.Listed(root.EnumerateObject().Select(field => field.Name))}; "
            + "expected words and tags (tokens, ner_tags), a text and its spans, or an array of them");
    }

    private static bool IsListOfRows(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array && value.EnumerateArray().Any(item => item.ValueKind == JsonValueKind.Object || JsonLayout.IsSpacyPair(item));

    private static bool IsListOf(JsonElement value, JsonValueKind kind) =>
        value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 && value[0].ValueKind == kind;

    // pandas, orient="split": {"columns": [names], "data": [[values], …]}.
    private static IEnumerable<JsonElement> Split(string[] names, JsonElement table)
    {
        foreach (var row in table.EnumerateArray())
        {
            yield return row.ValueKind == JsonValueKind.Object ? row
                : row.ValueKind == JsonValueKind.Array && row.GetArrayLength() == names.Length ? Row(names.Zip(row.EnumerateArray()))
                : throw new FormatException("its data does not have one value for each of its columns");
        }
    }

    // pandas' default {"tokens": {"0": [...], "1": [...]}, …}, or lists {"tokens": [[...], ...], …}.
    private static IEnumerable<JsonElement> Transposed(List<JsonProperty> columns)
    {
        var keys = columns[0].Value.ValueKind == JsonValueKind.Object ? columns[0].Value.EnumerateObject().Select(row => row.Name).ToList() : null;
        var values = columns.Select(column => column.Value.ValueKind == JsonValueKind.Array ? [.. column.Value.EnumerateArray()]
            : keys is not null && column.Value.EnumerateObject().Select(row => row.Name).SequenceEqual(keys)
            ? column.Value.EnumerateObject().Select(row => row.Value).ToList()
            : throw new FormatException($"its columns {columns[0].Name} and {column.Name} do not have the same rows")).ToList();
        if (values.Exists(column => column.Count != values[0].Count))
        {
            throw new FormatException($"its columns do not have the same number of rows: "
                + $"{string.Join(", ", columns.Zip(values, (column, rows) => Invariant($"{column.Name} {rows.Count}")))}");
        }

        for (var row = 0; row < values[0].Count; row++)
        {
            yield return Row(columns.Zip(values, (column, rows) => (column.Name, rows[row])));
        }
    }

    private static JsonElement Row(IEnumerable<(string Name, JsonElement Value)> fields)
    {
        var bytes = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(bytes))
        {
            writer.WriteStartObject();
            foreach (var (name, value) in fields)
            {
                writer.WritePropertyName(name);
                value.WriteTo(writer);
            }

            writer.WriteEndObject();
        }

        return JsonDocument.Parse(bytes.WrittenMemory).RootElement;
    }
}
