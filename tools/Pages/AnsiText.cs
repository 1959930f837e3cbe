using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;

namespace NotebookRunner.Pages;

/// <summary>Terminal text as HTML: the sixteen colours, bold, dim, italic and underline become classes, every other escape sequence disappears.</summary>
internal static partial class AnsiText
{
    private static readonly string[] Colours = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

    /// <summary>Escaped HTML with spans.</summary>
    public static string ToHtml(string text)
    {
        var html = new StringBuilder();
        var classes = new SortedSet<string>(StringComparer.Ordinal);
        var at = 0;
        foreach (Match sequence in Sequence().Matches(text))
        {
            Append(html, text[at..sequence.Index], classes);
            at = sequence.Index + sequence.Length;
            if (sequence.Groups["codes"].Success)
            {
                Apply(sequence.Groups["codes"].Value, classes);
            }
        }

        Append(html, text[at..], classes);
        return html.ToString();
    }

    /// <summary>The text without escape sequences and without other control characters than line ends and tabs.</summary>
    public static string Strip(string text) => Control().Replace(Sequence().Replace(text, ""), "");

    private static void Append(StringBuilder html, string text, SortedSet<string> classes)
    {
        if (text.Length > 0)
        {
            var escaped = WebUtility.HtmlEncode(Control().Replace(text, ""));
            html.Append(classes.Count == 0 ? escaped : $"<span class=\"{string.Join(' ', classes)}\">{escaped}</span>");
        }
    }

    private static void Apply(string codes, SortedSet<string> classes)
    {
        var numbers = codes.Split(';').Select(code => int.TryParse(code, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0)
            .ToList();
        for (var i = 0; i < numbers.Count; i++)
        {
            var code = numbers[i];
            if (code is 38 or 48)
            {
                // 256 colours (38;5;n) and true colours (38;2;r;g;b) are left out: skip what belongs to them.
                i += numbers.ElementAtOrDefault(i + 1) == 5 ? 2 : 4;
                continue;
            }

            Apply(code, classes);
        }
    }

    private static void Apply(int code, SortedSet<string> classes)
    {
        switch (code)
        {
            case 0:
                classes.Clear();
                break;
            case 1 or 2 or 3 or 4:
                classes.Add(code switch { 1 => "a-bold", 2 => "a-dim", 3 => "a-italic", _ => "a-underline" });
                break;
            case 22:
                classes.RemoveWhere(name => name is "a-bold" or "a-dim");
                break;
            case (>= 30 and <= 37) or (>= 90 and <= 97):
                classes.RemoveWhere(IsColour);
                classes.Add("a-" + Colours[code % 10]);
                break;
            case 39:
                classes.RemoveWhere(IsColour);
                break;
        }
    }

    private static bool IsColour(string name) => Colours.Contains(name[2..]);

    // CSI sequences (colours carry their codes), OSC sequences, and two-letter escapes.
    [GeneratedRegex(@"\e\[(?:(?<codes>[0-9;]*)m|[0-?]*[ -/]*[@-~])|\e\][^\a\e]*(?:\a|\e\\)|\e[@-Z\\-_]", RegexOptions.ExplicitCapture)]
    private static partial Regex Sequence();

    [GeneratedRegex(@"[\x00-\x08\x0b-\x1f\x7f]")]
    private static partial Regex Control();
}
