extern alias runner;

using System.Text;
using System.Text.RegularExpressions;
using runner::NotebookRunner.Documents;

namespace NotebookLib.Tests.Notebooks;

/// <summary>
/// What a .dib must keep to so that the genuine parser, the genuine kernel, Verso's importer and our runner read the same cells (docs/KERNEL.md). None of them
/// is needed here.
/// </summary>
public partial class NotebookFormTests
{
    public static TheoryData<string> Names => ["ner_deberta_base_A", "ner_deberta_base_B", "ner_deberta_large_lora_A"];

    [Theory]
    [MemberData(nameof(Names))]
    public void The_file_is_UTF8_without_a_mark_its_lines_end_in_a_line_feed_and_it_ends_with_one(string name)
    {
        var bytes = File.ReadAllBytes(PathOf(name));
        var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);

        Assert.StartsWith("#!meta\n\n{", text, StringComparison.Ordinal);
        Assert.DoesNotContain('\r', text);
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        Assert.False(text.EndsWith("\n\n", StringComparison.Ordinal), "The genuine writer ends a file with one line feed, not with an empty line.");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Only_csharp_and_markdown_lines_begin_with_a_hash_and_an_exclamation_mark(string name)
    {
        // Verso's importer splits at any such line and knows no aliases; a blank behind the word makes it text for the genuine parser; indented it misleads a
        // reader.
        var selectors = File.ReadAllLines(PathOf(name)).Skip(1).Where(line => line.TrimStart().StartsWith("#!", StringComparison.Ordinal)).Distinct();

        Assert.Equal(["#!csharp", "#!markdown"], selectors.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Read_and_written_again_the_text_is_the_same(string name)
    {
        var text = File.ReadAllText(PathOf(name));

        var notebook = NotebookFile.Parse(text, name + ".dib");

        // Our writer is the genuine one's equal, but for the header: saving in VS Code adds the other kernels to it.
        Assert.Equal(text, notebook.ToDib());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void No_cell_uses_what_the_genuine_kernel_lacks_or_breaks(string name)
    {
        foreach (var cell in NotebookFile.Read(PathOf(name)).Cells.Where(cell => cell.IsCSharp))
        {
            var at = $"{name}.dib, cell at line {cell.Line}";
            Assert.False(UsingVariableOrNamespace().IsMatch(cell.Source), $"{at}: scripts have neither 'using var' nor namespaces.");
            Assert.False(BareDisplay().IsMatch(cell.Source), $"{at}: display(value) is not in every host; value.Display() is.");
            Assert.False(KeptDisplay().IsMatch(cell.Source),
                $"{at}: Update on what Display() returns is broken there; NotebookHost.Show(value).Update(value) works.");
            Assert.False(
                NullableReference().IsMatch(cell.Source) && !cell.Source.Contains("#nullable enable", StringComparison.Ordinal),
                $"{at}: 'string?' is underlined there (CS8632) unless a line of the cell says #nullable enable.");
        }
    }

    private static string PathOf(string name) => Repository.PathOf("notebooks", name + ".dib");

    [GeneratedRegex(@"^\s*(using\s+(var|\w+)\s+\w+\s*=|namespace\b)", RegexOptions.Multiline)]
    private static partial Regex UsingVariableOrNamespace();

    [GeneratedRegex(@"(?<![.\w])display\(")]
    private static partial Regex BareDisplay();

    [GeneratedRegex(@"=.*\.Display\(\);|\.Display\(\)\.")]
    private static partial Regex KeptDisplay();

    [GeneratedRegex(@"\b(string|[A-Z]\w*)\?\s+\w+\s*[=;,)]")]
    private static partial Regex NullableReference();
}
