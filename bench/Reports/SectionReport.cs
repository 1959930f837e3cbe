using System.Text;

namespace NotebookLib.Bench.Reports;

/// <summary>A wish of the issue and what was measured for it.</summary>
/// <param name="Name">What is wanted.</param>
/// <param name="Wanted">For instance <c>≥ 3</c>.</param>
/// <param name="Measured">With its spread.</param>
/// <param name="IsMet">Whether the median reaches it.</param>
internal sealed record Target(string Name, string Wanted, string Measured, bool IsMet)
{
    /// <summary>At least so much.</summary>
    public static Target AtLeast(string name, double wanted, Measuring.Spread measured, string format = "0.00") =>
        new(name, $"≥ {wanted.ToString("0.##", System.Globalization.CultureInfo.InvariantCulture)}", measured.ToText(format), measured.Median >= wanted);

    /// <summary>At most so much.</summary>
    public static Target AtMost(string name, double wanted, double measured, string unit, string format = "0.00") =>
        new(name, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"≤ {wanted:0.##} {unit}"),
            measured.ToString(format, System.Globalization.CultureInfo.InvariantCulture) + " " + unit, measured <= wanted);
}

/// <summary>A table with a line above it.</summary>
internal sealed record CaptionedTable(string Caption, Table Table);

/// <summary>What a section has to tell.</summary>
internal sealed class SectionReport
{
    /// <summary>Its tables.</summary>
    public List<CaptionedTable> Tables { get; init; } = [];

    /// <summary>Sentences below the tables.</summary>
    public List<string> Notes { get; init; } = [];

    /// <summary>The issue's wishes that it measures.</summary>
    public List<Target> Targets { get; init; } = [];

    /// <summary>For the terminal: tables, notes and targets.</summary>
    public string ToText() => ToMarkdown()
        + string.Concat(Targets.Select(target => $"{(target.IsMet ? "met   " : "MISSED")} {target.Name}: {target.Measured}, wanted {target.Wanted}\n"));

    /// <summary>Markdown without the targets.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder();
        foreach (var (caption, table) in Tables)
        {
            text.Append(caption).Append("\n\n").Append(table.ToMarkdown()).Append('\n');
        }

        foreach (var note in Notes)
        {
            text.Append("- ").Append(note).Append('\n');
        }

        return text.ToString();
    }
}
