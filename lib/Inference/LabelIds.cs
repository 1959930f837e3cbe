using NotebookLib.Data;

namespace NotebookLib.Inference;

/// <summary>A model's labels, in whatever order it has them, as a <see cref="LabelSet"/>, whose order the aligner's arithmetic needs.</summary>
/// <param name="Labels">Types in the order in which the model first names them.</param>
/// <param name="IdOf">For each of the model's ids, the id in <paramref name="Labels"/>.</param>
internal sealed record LabelIds(LabelSet Labels, int[] IdOf)
{
    /// <summary>Sorts a model's labels.</summary>
    /// <param name="names">Label names by id.</param>
    /// <exception cref="NotSupportedException">A label is neither O nor B- or I- with a type.</exception>
    public static LabelIds Of(IReadOnlyList<string> names)
    {
        if (FindForeign(names) is { } other)
        {
            throw new NotSupportedException($"There is a label {other}; expected O, B-type and I-type.");
        }

        var labels = new LabelSet(names.Where(IsPrefixed).Select(name => name[2..]).Distinct());
        return new(labels, [.. names.Select(name => labels.FindId(name)!.Value)]);
    }

    /// <summary>The first label that is neither O nor B- or I- with a type, or null.</summary>
    public static string? FindForeign(IReadOnlyList<string> names) => names.FirstOrDefault(name => name != "O" && !IsPrefixed(name));

    /// <summary>A label without its prefix.</summary>
    public static string TypeOf(string label) => IsPrefixed(label) ? label[2..] : label;

    private static bool IsPrefixed(string name) =>
        name.Length > 2 && (name.StartsWith("B-", StringComparison.Ordinal) || name.StartsWith("I-", StringComparison.Ordinal));
}
