namespace NotebookLib.Tracking;

/// <summary>A table as the file of its artifact: rows and W&amp;B's types of the columns (031-a-simple:10).</summary>
internal static class TableTypes
{
    /// <summary>The file's members.</summary>
    public static IReadOnlyDictionary<string, object?> Describe(TrackedTable table)
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
