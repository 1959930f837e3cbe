using System.Text;
using System.Text.RegularExpressions;

namespace NotebookRunner.Pages;

/// <summary>Splits coloured code into lines: a span that crosses a line's end is closed there and opened again on the next.</summary>
internal static partial class LineSpans
{
    /// <summary>One piece of complete HTML per line.</summary>
    public static IReadOnlyList<string> Close(string html)
    {
        var lines = new List<string>();
        string? open = null;
        foreach (var line in html.Split('\n'))
        {
            var complete = new StringBuilder(open).Append(line);
            foreach (Match tag in SpanTag().Matches(line))
            {
                open = tag.Value == "</span>" ? null : tag.Value;
            }

            lines.Add(complete.Append(open is null ? "" : "</span>").ToString());
        }

        return lines;
    }

    [GeneratedRegex("<span class=\"[a-z]+\">|</span>")]
    private static partial Regex SpanTag();
}
