using System.Text.RegularExpressions;

namespace NotebookLib.Tests;

/// <summary>Data flows one way through lib/: a folder uses only those before it in docs/DESIGN.md.</summary>
public sealed partial class DataFlowTests
{
    [Fact]
    public void A_folder_uses_only_those_upstream_of_it()
    {
        var order = Order();
        var folders = Directory.EnumerateDirectories(Repository.PathOf("lib")).Select(Path.GetFileName).ToList();
        var wrong = new List<string>();
        foreach (var file in Directory.EnumerateFiles(Repository.PathOf("lib"), "*.cs", SearchOption.AllDirectories))
        {
            var folder = Path.GetRelativePath(Repository.PathOf("lib"), file).Split(Path.DirectorySeparatorChar)[0];
            var used = Uses().Matches(File.ReadAllText(file)).Select(match => match.Groups[1].Value).Distinct();
            wrong.AddRange(used.Where(other => order.IndexOf(other) > order.IndexOf(folder)).Select(other => $"{Path.GetFileName(file)}: {folder} uses {other}, which comes after it"));
        }

        Assert.Equal(order.Order(StringComparer.Ordinal), folders.Order(StringComparer.Ordinal));
        Assert.Empty(wrong);
    }

    private static List<string> Order()
    {
        var line = File.ReadLines(Repository.PathOf("docs", "DESIGN.md")).First(line => line.Contains(" → ", StringComparison.Ordinal));
        return [.. line.Split('→', StringSplitOptions.TrimEntries)];
    }

    [GeneratedRegex(@"^using (?:static )?NotebookLib\.(\w+)", RegexOptions.Multiline)]
    private static partial Regex Uses();
}
