using System.Text.RegularExpressions;

namespace NotebookLib.Tests.Notebooks;

/// <summary>The three notebooks are one experiment with three sets of parameters.</summary>
public sealed partial class NotebookFamilyTests
{
    private const int MostLines = 8;

    private static readonly string[] Names = ["ner_deberta_base_A", "ner_deberta_base_B", "ner_deberta_large_lora_A"];

    [Fact]
    public void There_are_the_three_of_the_original()
        => Assert.Equal(Names, Directory.EnumerateFiles(Repository.PathOf("notebooks")).Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal));

    [Fact]
    public void Their_code_differs_in_the_values_of_parameters_only()
    {
        var codes = Names.Select(name => CodeCells(name).Select(cell => IsParameters(cell) ? Literal().Replace(cell, "= …;") : cell).ToList()).ToList();

        Assert.Equal(codes[0], codes[1]);
        Assert.Equal(codes[0], codes[2]);
        Assert.Equal(3, Names.Select(name => CodeCells(name).Single(IsParameters)).Distinct().Count());
    }

    [Fact]
    public void Cells_are_short_and_end_with_something_to_see()
    {
        foreach (var cell in CodeCells(Names[0]).Where(cell => !IsParameters(cell)))
        {
            var lines = cell.Split('\n').Where(line => !line.StartsWith("using ", StringComparison.Ordinal) && !line.StartsWith("#r ", StringComparison.Ordinal)).ToList();

            Assert.True(lines.Count <= MostLines, $"{lines.Count} lines:\n{cell}");
            Assert.False(lines[^1].EndsWith(';'), $"ends with a statement, so nothing is shown:\n{cell}");
        }
    }

    [Fact]
    public void Prose_tells_each_notebooks_own_story()
    {
        var prose = Names.Select(name => Cells(name).Where(cell => cell.Kernel == "markdown").Select(cell => cell.Text).ToList()).ToList();

        Assert.All(Names, (name, i) => Assert.Contains($"notebooks/{name}.dib", prose[i][0], StringComparison.Ordinal));
        Assert.Contains("cuts the graph", string.Join('\n', prose[2]), StringComparison.Ordinal);
        Assert.Contains("loaded nothing", string.Join('\n', prose[0]), StringComparison.Ordinal);
        Assert.Contains("twice", string.Join('\n', prose[1]), StringComparison.Ordinal);
    }

    private static IEnumerable<string> CodeCells(string name) => Cells(name).Where(cell => cell.Kernel == "csharp").Select(cell => cell.Text);

    private static IEnumerable<(string Kernel, string Text)> Cells(string name)
    {
        var text = File.ReadAllText(Repository.PathOf("notebooks", name + ".dib"));
        var starts = Selector().Matches(text);
        return starts.Select((start, i) => (start.Groups[1].Value, text[(start.Index + start.Length)..(i + 1 < starts.Count ? starts[i + 1].Index : text.Length)].Trim('\n')));
    }

    private static bool IsParameters(string cell) => cell.StartsWith("// parameters", StringComparison.Ordinal);

    [GeneratedRegex(@"^#!(csharp|markdown)$", RegexOptions.Multiline)]
    private static partial Regex Selector();

    // A declaration's literal, with the blanks that line up the comment behind it.
    [GeneratedRegex("""= ("[^"]*"|[^";]+); *""")]
    private static partial Regex Literal();
}
