using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Tokenization;

public class CodePointsTests
{
    [Fact]
    public void A_surrogate_pair_is_one_and_so_is_a_lone_surrogate()
    {
        Assert.Equal(0, CodePoints.Count(""));
        Assert.Equal(3, CodePoints.Count("a😀b"));
        Assert.Equal(3, CodePoints.Count("a\ud83db"));
        Assert.Equal(3, CodePoints.Count("\ude00\ud83d\ude00\ud83d"));
    }

    [Fact]
    public void Offsets_become_ranges_of_the_string()
    {
        const string Text = "a😀b日";

        Assert.Equal([(0, 1), (1, 3), (3, 5), (0, 5), (5, 5)], CodePoints.ToUtf16(Text, [(0, 1), (1, 2), (2, 4), (0, 4), (4, 4)]));
        Assert.Equal("😀", Text[1..3]);
    }

    [Fact]
    public void An_offset_outside_the_text_is_named()
    {
        var error = Assert.Throws<ArgumentException>(() => CodePoints.ToUtf16("a😀", [(0, 3)]));
        Assert.Contains("Offset 3 lies outside a text of 2 code points", error.Message);
    }

    [Fact]
    public void Lone_surrogates_become_replacement_characters()
    {
        Assert.Equal("a\ufffdb😀\ufffd", CodePoints.WellFormed("a\ud83db😀\ude00"));
        Assert.Same("a😀", CodePoints.WellFormed("a😀"));
    }
}
