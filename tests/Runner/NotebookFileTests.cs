extern alias runner;

using CsCheck;
using runner::NotebookRunner.Documents;

namespace NotebookLib.Tests.Runner;

public class NotebookFileTests
{
    private const string Header = """
        #!meta

        {"kernelInfo":{"defaultKernelName":"csharp","items":[{"name":"csharp","languageName":"C#","aliases":["C#","c#"]},{"name":"markdown","languageName":"Markdown"},{"name":"fsharp"}]},"kept":[1,2]}


        """;

    [Fact]
    public void Cells_carry_their_kernel_their_text_and_the_line_they_begin_on()
    {
        var notebook = Parse(Header + "#!markdown\n\n# Title\n\ntext\n\n#!csharp\n\n\nvar x = 1;\nx\n\n");

        Assert.Equal(
            [new NotebookCell("markdown", "# Title\n\ntext", 7), new NotebookCell("csharp", "var x = 1;\nx", 14)],
            notebook.Cells);
    }

    [Fact]
    public void Consecutive_selectors_of_one_kernel_give_separate_cells_and_empty_cells_vanish()
    {
        var notebook = Parse("#!csharp\n1\n#!csharp\n\n\n#!csharp\n2\n#!md\ntext");

        Assert.Equal([("csharp", "1"), ("csharp", "2"), ("markdown", "text")], notebook.Cells.Select(cell => (cell.Kernel, cell.Source)));
    }

    [Fact]
    public void Text_before_the_first_selector_belongs_to_the_default_kernel()
    {
        Assert.Equal([("csharp", "1 + 1"), ("markdown", "x")], Parse("1 + 1\n#!markdown\nx").Cells.Select(cell => (cell.Kernel, cell.Source)));
        // Whatever the header calls the default: so the editor's parser has it.
        var headed = "#!meta\n{\"kernelInfo\":{\"defaultKernelName\":\"md\"}}\n#!unknown stays\ntext\n";
        Assert.Equal([new NotebookCell("csharp", "#!unknown stays\ntext", 3)], Parse(headed).Cells);
    }

    [Theory]
    [InlineData("#!CSharp")]
    [InlineData("#!csharp ")]
    [InlineData(" #!csharp")]
    [InlineData("#!time")]
    [InlineData("#!sql")]
    public void A_line_that_is_no_exact_selector_stays_in_its_cell(string line)
    {
        Assert.Equal($"1\n{line}\n2", Assert.Single(Parse($"#!csharp\n1\n{line}\n2\n").Cells).Source);
    }

    [Theory]
    [InlineData("#!C#", "csharp")]
    [InlineData("#!c#", "csharp")]
    [InlineData("#!fsharp", "fsharp")]
    [InlineData("#!md", "markdown")]
    public void Aliases_and_kernels_of_the_header_select(string line, string kernel)
    {
        Assert.Equal(kernel, Parse($"{Header}{line}\nx").Cells.Single().Kernel);
    }

    [Fact]
    public void A_selector_inside_a_fence_splits_the_cell_because_the_format_has_no_escape()
    {
        Assert.Equal(["```", "```"], Parse("#!markdown\n```\n#!csharp\n```\n").Cells.Select(cell => cell.Source));
    }

    [Fact]
    public void Windows_line_ends_read_as_line_ends()
    {
        Assert.Equal(["a\nb"], Parse("#!csharp\r\n\r\na\r\nb\r\n").Cells.Select(cell => cell.Source));
    }

    [Fact]
    public void A_canonical_file_is_written_back_byte_by_byte_with_all_keys_of_its_header()
    {
        const string Canonical = "#!meta\n\n{\"kernelInfo\":{\"defaultKernelName\":\"csharp\",\"items\":[{\"name\":\"csharp\",\"aliases\":[\"C#\"]}]},\"kept\":[1,2]}\n\n"
            + "#!markdown\n\n# Tïtle <b>\n\n#!csharp\n\n1\n\n2\n";

        Assert.Equal(Canonical, Parse(Canonical).ToDib());
    }

    [Fact]
    public void Any_notebook_that_can_be_written_reads_back_the_same()
    {
        var line = Gen.OneOf(Gen.String[Gen.Char[' ', '~'], 0, 12],
            Gen.OneOf([.. new[] { "", "#!time", "#r \"x.dll\"", "# heading", "\tindented" }.Select(Gen.Const)]));
        var cell = Gen.Select(Gen.OneOf(Gen.Const("csharp"), Gen.Const("markdown")), line.Array[1, 6],
            (kernel, lines) => new NotebookCell(kernel, string.Join('\n', lines).Trim('\n'), 0));
        // A cell of white space alone is none: readers drop it.
        cell.Where(c => !string.IsNullOrWhiteSpace(c.Source)
                && !c.Source.Split('\n').Any(l => l is "#!csharp" or "#!markdown" or "#!md" or "#!C#" or "#!c#")).Array[0, 8]
            .Sample(
            cells =>
            {
                var again = Parse(new Notebook(new Dictionary<string, object>(), cells).ToDib());
                Assert.Equal(cells.Select(c => (c.Kernel, c.Source)), again.Cells.Select(c => (c.Kernel, c.Source)));
            },
            iter: 300);
    }

    [Fact]
    public void A_cell_that_would_split_is_not_written()
    {
        var error = Assert.Throws<NotebookFormatException>(() =>
            new Notebook(new Dictionary<string, object>(), [new("markdown", "before\n#!csharp\nafter", 0)]).ToDib());

        Assert.Contains("'#!csharp'", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("#!meta\n{\"kernelInfo\": [\n#!csharp\n1", "line 2")]
    [InlineData("#!meta\n\n[1]\n", "line 2")]
    [InlineData("#!meta\n{\"kernelInfo\":{\"items\":[7]}}\n", "kernelInfo")]
    [InlineData("#!meta\n{\"kernelInfo\":{\"items\":{}}}\n", "kernelInfo")]
    public void A_damaged_header_is_named_with_its_line(string text, string expected)
    {
        var error = Assert.Throws<NotebookFormatException>(() => Parse(text));

        Assert.Contains("n.dib", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Ten_thousand_cells_are_more_than_a_notebook_has()
    {
        var text = string.Concat(Enumerable.Repeat("#!csharp\n1\n", 10_100));

        Assert.Contains("10100 cells are more than 10000", Assert.Throws<NotebookFormatException>(() => Parse(text)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cell_is_called_by_the_heading_above_it_or_by_its_first_line()
    {
        var cells = Parse("#!csharp\nvar a = 1;\n#!markdown\n# The `big` **idea** #\ntext\n```\n# no heading\n```\n#!csharp\n2").Cells;

        Assert.Equal(["var a = 1;", "The big idea", "The big idea"], CellNames.Of(cells));
    }

    private static Notebook Parse(string text) => NotebookFile.Parse(text, "n.dib");
}
