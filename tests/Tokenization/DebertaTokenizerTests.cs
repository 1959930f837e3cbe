using CsCheck;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Tokenization;

public class DebertaTokenizerTests
{
    private static readonly DebertaTokenizer s_tiny = DebertaTokenizer.Load(SpmFile.TinyPath);
    private static readonly DebertaTokenizer s_uncached = DebertaTokenizer.Load(SpmFile.TinyPath, cachedWords: 0);
    private static readonly GeneralTokenizer s_general = GeneralOf(SentencePieceParts.Of(SentencePieceModel.Read(SpmFile.TinyPath)));

    // Characters that meet the rules, the special tokens, and each way to count: plain, deleted, widened, composed, surrogate pairs, lone surrogates.
    private static readonly Gen<string> s_text = Gen.OneOf(
        Gen.Char["abcdehilnorstu .,019"].Select(character => character.ToString()),
        Gen.OneOf(new[] { "the", " of ", "  ", "\t", "\u0007", "…", "½", "e\u0301", "é", "ﬁ", "Ａ", "[UNK]", "[MASK]", "[CLS", "▁", "\u200b", "\r\n", "😀", "日本",
            "\ud800", "x\u0301", "<0x41>" }.Select(Gen.Const).ToArray()))
        .List[0, 14].Select(string.Concat);

    [Fact]
    public void Special_ids_are_those_of_DeBERTa_with_the_mask_behind_the_vocabulary()
    {
        Assert.Equal(new SpecialTokens(Pad: 0, Cls: 1, Sep: 2, Unk: 3, Mask: 640), s_tiny.Special);
        Assert.Equal(641, s_tiny.VocabularySize);
        Assert.Equal(["[PAD]", "[CLS]", "[SEP]", "[UNK]", "<0x00>"], Enumerable.Range(0, 5).Select(s_tiny.PieceOf));
        Assert.Equal("[MASK]", s_tiny.PieceOf(640));
        Assert.Throws<ArgumentOutOfRangeException>(() => s_tiny.PieceOf(641));
        Assert.Equal(640, s_tiny.FindId("[MASK]"));
        Assert.Equal(s_tiny.FindId("▁the"), s_tiny.Encode("the").Ids[1]);
        Assert.Null(s_tiny.FindId("no such piece"));
    }

    [Fact]
    public void Each_word_is_encoded_as_if_a_space_stood_before_it_and_keeps_its_number()
    {
        var encoding = s_tiny.EncodeWords(["the", "", "goat", "bees", "\u0007"]);

        Assert.Equal(["[CLS]", "▁the", "▁goat", "▁bee", "s", "[SEP]"], encoding.Ids.Select(s_tiny.PieceOf));
        Assert.Equal([-1, 0, 2, 3, 3, -1], encoding.WordIds);
        Assert.Equal([(0, 0), (0, 3), (0, 4), (0, 3), (3, 4), (0, 0)], encoding.Offsets);
    }

    [Fact]
    public void In_running_text_a_piece_covers_the_last_space_before_it()
    {
        var encoding = s_tiny.Encode("  the   goat of bees ");

        Assert.Equal(["[CLS]", "▁the", "▁goat", "▁of", "▁bee", "s", "[SEP]"], encoding.Ids.Select(s_tiny.PieceOf));
        Assert.Equal([-1, 0, 1, 2, 3, 3, -1], encoding.WordIds);
        Assert.Equal([(0, 0), (2, 5), (7, 12), (12, 15), (15, 19), (19, 20), (0, 0)], encoding.Offsets);
    }

    [Fact]
    public void Unknown_neighbours_become_one_piece_and_never_bytes()
    {
        var encoding = s_tiny.Encode("日本 the 日😀");

        Assert.Equal(["[CLS]", "▁", "[UNK]", "▁the", "▁", "[UNK]", "[SEP]"], encoding.Ids.Select(s_tiny.PieceOf));
        Assert.Equal([(0, 0), (0, 1), (0, 2), (2, 6), (6, 7), (7, 9), (0, 0)], encoding.Offsets);
    }

    [Fact]
    public void Rules_are_applied_and_offsets_point_into_the_text_before_them()
    {
        // Ａ is one character for one; ½ one for three; e + acute two for one; the tab is a space.
        var encoding = s_tiny.Encode("Ａ\t½ cafe\u0301");

        Assert.Equal(["[CLS]", "▁A", "▁1", "⁄", "2", "▁ca", "f", "é", "[SEP]"], encoding.Ids.Select(s_tiny.PieceOf));
        Assert.Equal([(0, 0), (0, 1), (1, 3), (2, 3), (2, 3), (3, 6), (6, 7), (7, 8), (0, 0)], encoding.Offsets);
    }

    [Fact]
    public void A_deleted_first_character_shifts_offsets_as_in_the_reference()
    {
        // reference/tokenizer/raw.jsonl.gz, "\x01 control \x07": offsets (0, 8), (8, 9).
        var encoding = s_tiny.Encode("\u0007 the \u0007");

        Assert.Equal(["[CLS]", "▁the", "▁", "[SEP]"], encoding.Ids.Select(s_tiny.PieceOf));
        Assert.Equal([(0, 0), (0, 4), (4, 5), (0, 0)], encoding.Offsets);
        Assert.Equal([-1, 0, 1, -1], encoding.WordIds);
    }

    [Fact]
    public void Special_tokens_written_in_a_text_are_themselves()
    {
        var encoding = s_tiny.Encode("the[MASK]goat [SEP] of");

        Assert.Equal(["[CLS]", "▁the", "[MASK]", "▁goat", "[SEP]", "▁of", "[SEP]"], encoding.Ids.Select(s_tiny.PieceOf));
        Assert.Equal([(0, 0), (0, 3), (3, 9), (9, 13), (14, 19), (20, 22), (0, 0)], encoding.Offsets);
        Assert.Equal([-1, 0, 1, 2, 3, 4, -1], encoding.WordIds);
    }

    [Fact]
    public void The_short_way_gives_what_the_general_way_gives() =>
        Gen.Char["abcdehilnorstu .,-019ABT"].Array[0, 30].Select(characters => new string(characters)).Sample(text =>
        {
            var general = s_general.Tokenize(text);
            AssertSame(general.ToText([s_tiny.Special.Cls], [s_tiny.Special.Sep]), s_tiny.Encode(text));
            var word = text.Replace(" ", "");
            Assert.Equal(s_general.Tokenize(word).ToWord().Ids, s_tiny.EncodeWords([word]).Ids[1..^1]);
            Assert.Equal(s_general.Tokenize(word).ToWord().Offsets, s_tiny.EncodeWords([word]).Offsets[1..^1]);
        }, iter: 3000);

    [Fact]
    public void The_cache_changes_nothing() =>
        s_text.List[0, 6].Sample(words =>
        {
            AssertSame(s_uncached.EncodeWords(words), s_tiny.EncodeWords(words));
            AssertSame(s_tiny.EncodeWords(words), s_tiny.EncodeWords(words));
        }, iter: 2000);

    [Fact]
    public void Any_text_gives_pieces_in_order_inside_the_text() =>
        s_text.Sample(text =>
        {
            var encoding = s_tiny.Encode(text);
            var length = CodePoints.Count(text);

            Assert.Equal((encoding.Ids.Length, encoding.Ids.Length), (encoding.WordIds.Length, encoding.Offsets.Length));
            Assert.Equal((s_tiny.Special.Cls, s_tiny.Special.Sep), (encoding.Ids[0], encoding.Ids[^1]));
            Assert.All(encoding.Ids, id => Assert.InRange(id, 0, s_tiny.VocabularySize - 1));
            Assert.All(encoding.Offsets, offset => Assert.True(offset is { Start: >= 0 } && offset.Start <= offset.End && offset.End <= length));
            var wordIds = encoding.WordIds[1..^1];
            Assert.Equal(wordIds.Order(), wordIds);
            Assert.Equal(Enumerable.Range(0, wordIds.Distinct().Count()), wordIds.Distinct());
        }, iter: 3000);

    [Fact]
    public void Many_threads_get_the_same()
    {
        string[] texts = [.. File.ReadLines(Repository.PathOf("tests", "goldens", "tokenizer", "tiny", "corpus.txt")).SelectMany(line => line.Split(' ')), "日本",
            "½", "\u0007"];
        var fresh = DebertaTokenizer.Load(SpmFile.TinyPath, cachedWords: 100);
        var expected = texts.Select(text => s_tiny.EncodeWords([text, "goat", text])).ToArray();

        Parallel.For(0, 4 * texts.Length,
            run => AssertSame(expected[run % texts.Length], fresh.EncodeWords([texts[run % texts.Length], "goat", texts[run % texts.Length]])));
    }

    [Fact]
    public void A_text_without_spaces_of_a_million_characters_is_tokenized()
    {
        var encoding = s_tiny.Encode(new string('a', 1_000_000));

        Assert.Equal(1_000_000, encoding.Offsets[^2].End);
        Assert.All(encoding.WordIds[1..^1], word => Assert.Equal(0, word));
    }

    [Fact]
    public void Decoding_gives_the_text_back()
    {
        const string Text = "The lighthouse keeper counted the ships";

        Assert.Equal(Text, s_tiny.Decode(s_tiny.Encode(Text).Ids));
        Assert.Equal("[CLS] the goat[SEP]", s_tiny.Decode(s_tiny.Encode("the goat").Ids, skipSpecialTokens: false));
    }

    [Fact]
    public void A_saved_tokenizer_is_the_same_when_loaded_from_its_folder()
    {
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            s_tiny.Save(folder.FullName);
            var loaded = DebertaTokenizer.Load(folder.FullName);

            Assert.Equal(File.ReadAllBytes(SpmFile.TinyPath), File.ReadAllBytes(Path.Combine(folder.FullName, "spm.model")));
            Assert.Equal(["added_tokens.json", "special_tokens_map.json", "spm.model", "tokenizer.json", "tokenizer_config.json"],
                folder.GetFiles().Select(file => file.Name).Order());
            AssertSame(s_tiny.Encode("the goat of Zoë"), loaded.Encode("the goat of Zoë"));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void A_null_word_is_named()
    {
        var error = Assert.Throws<ArgumentException>(() => s_tiny.EncodeWords(["the", null!]));
        Assert.Contains("Word 1 of 2 is null", error.Message);
    }

    private static GeneralTokenizer GeneralOf(TokenizerParts parts) => new(parts, new UnigramModel(parts.Pieces, parts.UnknownId));

    private static void AssertSame(Encoding expected, Encoding actual)
    {
        Assert.Equal(expected.Ids, actual.Ids);
        Assert.Equal(expected.WordIds, actual.WordIds);
        Assert.Equal(expected.Offsets, actual.Offsets);
    }
}
