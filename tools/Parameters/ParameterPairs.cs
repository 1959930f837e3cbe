namespace NotebookRunner.Parameters;

/// <summary>Reads <c>name=value</c> from the command line.</summary>
internal static class ParameterPairs
{
    /// <summary>Splits at the first equals sign.</summary>
    /// <exception cref="ParameterException">There is none, or nothing stands before it.</exception>
    public static (string Name, string Value) Split(string pair)
    {
        var equals = pair.IndexOf('=', StringComparison.Ordinal);
        return equals > 0
            ? (pair[..equals].Trim(), pair[(equals + 1)..])
            : throw new ParameterException($"{pair}: expected name=value, for instance seed=42.");
    }

    /// <summary>All pairs by name.</summary>
    /// <exception cref="ParameterException">A pair is malformed, or a name is set twice.</exception>
    public static Dictionary<string, string> Read(IEnumerable<string> pairs)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in pairs.Select(Split))
        {
            if (!values.TryAdd(name, value))
            {
                throw new ParameterException($"'{name}' is set twice, to '{values[name]}' and to '{value}'.");
            }
        }

        return values;
    }
}
