using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace NotebookRunner.Documents;

/// <summary>How people and tools call a cell: by the heading above it, and by an id that stays the same from run to run.</summary>
internal static partial class CellNames
{
    private const int LongestName = 70;

    /// <summary>One name per cell: the last heading above it (or in it), else its first line.</summary>
    public static IReadOnlyList<string> Of(IReadOnlyList<NotebookCell> cells)
    {
        var names = new List<string>();
        string? heading = null;
        foreach (var cell in cells)
        {
            heading = cell.IsMarkdown && Headings(cell.Source).LastOrDefault() is { } found ? found : heading;
            var name = heading ?? cell.Source.Split('\n')[0].Trim();
            names.Add(name.Length > LongestName ? name[..(LongestName - 1)] + "…" : name);
        }

        return names;
    }

    /// <summary>An nbformat cell id made of position and content: equal in two runs of one notebook, whatever their parameters.</summary>
    public static string Id(int number, NotebookCell cell)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{cell.Kernel}\n{cell.Source}"));
        return $"c{number:00}-{Convert.ToHexStringLower(hash)[..8]}";
    }

    /// <summary>A hash of all cells: two notebooks with the same one do the same for the same parameters.</summary>
    public static string Hash(IEnumerable<NotebookCell> cells) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Concat(cells.Select(cell => $"{cell.Kernel}\n{cell.Source}\0")))))[..16];

    private static IEnumerable<string> Headings(string markdown)
    {
        var inFence = false;
        foreach (var line in markdown.Split('\n'))
        {
            inFence ^= line.StartsWith("```", StringComparison.Ordinal);
            if (!inFence && HeadingLine().Match(line) is { Success: true } match)
            {
                yield return match.Groups[1].Value.Replace("`", "", StringComparison.Ordinal).Replace("*", "", StringComparison.Ordinal);
            }
        }
    }

    [GeneratedRegex(@"^#{1,6}[ \t]+(.+?)[ \t#]*$")]
    private static partial Regex HeadingLine();
}
