extern alias runner;

using System.Net;
using System.Text.RegularExpressions;
using CsCheck;
using NotebookLib.Platform;
using runner::NotebookRunner.Pages;

namespace NotebookLib.Tests.Runner;

public partial class TextViewTests
{
    [Fact]
    public void Terminal_colours_become_classes_and_other_sequences_disappear()
    {
        Assert.Equal("a<span class=\"a-bold a-green\">b&lt;</span>c", AnsiText.ToHtml("a\u001b[1;32mb<\u001b[0mc"));
        Assert.Equal("<span class=\"a-red\">x</span>y", AnsiText.ToHtml("\u001b[34m\u001b[91mx\u001b[39my"));
        Assert.Equal("xyz", AnsiText.ToHtml("x\u001b[38;5;200my\u001b[2J\u001b]0;title\az"));
        Assert.Equal("ab\n\tc", AnsiText.Strip("a\u001b[31mb\u001b[0m\n\tc\u0007\u0000"));
    }

    [Fact]
    public void Whatever_a_program_prints_cannot_leave_the_text()
    {
        Gen.String[Gen.Char['\0', '\u0080'], 0, 60].Sample(text =>
        {
            var html = AnsiText.ToHtml(text);
            Assert.Equal(AnsiText.Strip(text), WebUtility.HtmlDecode(OwnTags().Replace(html, "")));
        });
    }

    [Fact]
    public void Coloured_code_reads_as_the_source_whatever_the_source_is()
    {
        var piece = Gen.OneOf(Gen.String[Gen.Char[' ', '~'], 0, 10], Gen.OneOf(
            [.. new[] { "var x = 1;", "\"a", "/* ", " */", "// c\n", "$\"{x}\"", "\"\"\"\n", "#r \"a\"\n", "\n", "<b>&amp;",
                "await Foo<int>();" }.Select(Gen.Const)]));
        piece.Array[0, 8].Sample(pieces =>
        {
            var source = string.Concat(pieces);
            Assert.Equal(source, WebUtility.HtmlDecode(OwnTags().Replace(CodeView.ToHtml(source), "")));
            Assert.Equal(source, WebUtility.HtmlDecode(OwnTags().Replace(string.Join('\n', LineSpans.Close(CodeView.ToHtml(source))), "")));
        });
    }

    [Fact]
    public void Code_is_coloured_by_what_the_compiler_sees()
    {
        Assert.Equal(
            "<span class=\"k\">var</span> x = <span class=\"k\">new</span> <span class=\"t\">Foo</span>(<span class=\"n\">1</span>).<span "
                + "class=\"m\">Bar</span>(<span class=\"s\">&quot;s&quot;</span>); <span class=\"c\">// c</span>",
            CodeView.ToHtml("var x = new Foo(1).Bar(\"s\"); // c"));
    }

    [Theory]
    [InlineData(0.004, "0.00 s")]
    [InlineData(9.996, "10.0 s")]
    [InlineData(59.96, "1 min 00 s")]
    [InlineData(125.4, "2 min 05 s")]
    [InlineData(3725, "1 h 02 min")]
    public void Durations_read_as_people_say_them(double seconds, string words) => Assert.Equal(words, NumberText.InWords(seconds));

    [Theory]
    [InlineData(0.91234567, "0.9123")]
    [InlineData(0.0000211, "2.11e-5")]
    [InlineData(0, "0")]
    [InlineData(1, "1")]
    [InlineData(1.5, "1.50")]
    [InlineData(123.456, "123.5")]
    [InlineData(12345.6, "12,346")]
    [InlineData(-0.5, "-0.5000")]
    [InlineData(1e12, "1,000,000,000,000")]
    public void Numbers_show_the_digits_that_people_compare(double value, string text) => Assert.Equal(text, NumberText.Short(value));

    [GeneratedRegex("<span class=\"[a-z -]+\">|</span>")]
    private static partial Regex OwnTags();
}
