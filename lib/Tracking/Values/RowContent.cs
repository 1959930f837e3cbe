using System.Globalization;

namespace NotebookLib.Tracking;

/// <summary>A row's members, with the two that are counted.</summary>
/// <param name="Text">The row as JSON.</param>
/// <param name="Members">Names and raw values.</param>
/// <param name="Step">Its step, where it says one.</param>
/// <param name="RuntimeSeconds">The run's time, where it says it.</param>
internal sealed record RowContent(string Text, IReadOnlyList<KeyValuePair<string, string>> Members, long? Step, double? RuntimeSeconds)
{
    /// <exception cref="FormatException">It is no object, or its step or time is no number.</exception>
    /// <exception cref="OverflowException">Its step is too large.</exception>
    public static RowContent Of(string text) => Of(text, JsonMembers.Split(text).ToList());

    /// <summary>This row with the members of a further part.</summary>
    public RowContent With(RowContent part)
    {
        Dictionary<string, string> members = [];
        foreach (var (key, value) in Members.Concat(part.Members))
        {
            members[key] = value;
        }

        return Of(JsonMembers.Join(members), [.. members]);
    }

    private static RowContent Of(string text, IReadOnlyList<KeyValuePair<string, string>> members)
    {
        long? step = null;
        double? runtime = null;
        foreach (var (key, value) in members)
        {
            step = key is "_step" ? long.Parse(value, CultureInfo.InvariantCulture) : step;
            runtime = key is "_runtime" ? double.Parse(value, CultureInfo.InvariantCulture) : runtime;
        }

        return new(text, members, step, runtime);
    }
}
