using System.Text.RegularExpressions;

namespace NotebookLib.Tests.House;

/// <summary>Nothing sends a reader to a page that the repository lacks.</summary>
public sealed partial class ReferencesTests
{
    private static readonly string[] s_texts = [".cs", ".md", ".dib", ".cu", ".cpp", ".proto", ".props", ".targets", ".csproj", ".sh", ".py", ".css", ".js"];

    [Fact]
    public void Every_page_that_is_named_is_in_the_repository()
    {
        var files = ((string[])["", "lib", "tools", "tests", "bench", "data", "samples", "docs", "notebooks", "build"])
            .SelectMany(folder =>
                Directory.EnumerateFiles(Repository.PathOf(folder), "*", folder.Length == 0 ? SearchOption.TopDirectoryOnly : SearchOption.AllDirectories))
            .Where(file =>
                s_texts.Contains(Path.GetExtension(file)) && !file.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin" or "node_modules"))
            .ToList();
        var pages = files.Where(file => Path.GetExtension(file) == ".md").Select(Path.GetFileName).ToHashSet(StringComparer.Ordinal);

        Assert.Contains("DESIGN.md", pages);
        Assert.Empty(files.SelectMany(file => Named().Matches(File.ReadAllText(file)).Select(match => match.Value).Distinct()
            .Where(page => !pages.Contains(page)).Select(page => $"{Path.GetRelativePath(Repository.Root, file)} names {page}")));
    }

    // Pages of a house are in capitals; others, like a model's readme.md on the Hub, are none of ours.
    [GeneratedRegex(@"\b[A-Z]{3,}\.md\b")]
    private static partial Regex Named();
}
