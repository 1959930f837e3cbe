using System.Buffers;
using CsCheck;
using Microsoft.ML.Tokenizers;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Tokenization;

/// <summary>What code gets from <see cref="DebertaTokenizer"/> that knows nothing but Microsoft.ML.Tokenizers' <see cref="Tokenizer"/>.</summary>
public class TokenizerContractTests
{
    private static readonly DebertaTokenizer s_ours = DebertaTokenizer.Load(SpmFile.TinyPath);
    private static readonly Tokenizer s_any = s_ours;

    private static readonly string[] s_texts =
    [
        "", " ", "the", "  the   goat of bees ", "日本 the 日😀", "Ａ\t½ cafe\u0301", "\u0007 the \u0007", "the [MASK] of [SEP] bees", "\ud800 lone",
        "x <0x41> ▁ ﬁ",
        "A longer line of text, with commas, 1234 numbers and (brackets) \u2014 and a dash.\nThen a second line.",
        .. File.ReadLines(Repository.PathOf("tests", "goldens", "tokenizer", "tiny", "corpus.txt")).Take(200),
    ];

    private static readonly Gen<string> s_text = Gen.OneOf(
        Gen.Char["abcdehilnorstu .,019"].Select(character => character.ToString()),
        Gen.OneOf(((string[])["the", " of ", "  ", "\t", "½", "e\u0301", "ﬁ", "[UNK]", "▁", "\u200b", "\r\n", "😀", "日本", "\ud800", "<0x41>"])
            .Select(Gen.Const).ToArray()))
        .List[0, 14].Select(string.Concat);

    [Fact]
    public void Every_way_to_encode_gives_the_pieces_that_our_own_gives()
    {
        Assert.All(s_texts, AssertSame);
        s_text.Sample(AssertSame);

        static void AssertSame(string text)
        {
            var own = s_ours.Encode(text);
            Assert.Equal(own.Ids, s_any.EncodeToIds(text));
            Assert.Equal(own.Ids, s_any.EncodeToIds(text.AsSpan()));
            Assert.Equal(own.Ids, s_any.EncodeToIds(text, considerPreTokenization: false, considerNormalization: false));
            Assert.Equal(own.Ids.Length, s_any.CountTokens(text));
            Assert.Equal(own.Ids.Length, s_any.CountTokens(text.AsSpan()));
            Assert.Equal(own.Ids, s_any.EncodeToIds(text, maxTokenCount: int.MaxValue, out var normalized, out var consumed));
            Assert.Equal((null, text.Length), (normalized, consumed));

            var tokens = s_any.EncodeToTokens(text, out normalized);
            Assert.Null(normalized);
            Assert.Equal(own.Ids, tokens.Select(token => token.Id));
            Assert.Equal(own.Ids.Select(s_ours.PieceOf), tokens.Select(token => token.Value));
            Assert.Equal(CodePoints.ToUtf16(text, own.Offsets)[..^1], tokens.SkipLast(1).Select(token => (token.Offset.Start.Value, token.Offset.End.Value)));
            Assert.Equal(text.Length..text.Length, tokens[^1].Offset);
        }
    }

    [Fact]
    public void The_goldens_ids_come_out_of_the_base_class()
    {
        var folder = Repository.PathOf("tests", "goldens", "tokenizer", "tiny");
        var lines = File.ReadLines(Path.Combine(folder, "corpus.txt")).Zip(File.ReadLines(Path.Combine(folder, "corpus_fast_ids.txt"))).ToList();

        Assert.NotEmpty(lines);
        Assert.All(lines, line => Assert.Equal(line.Second, string.Join(' ', s_any.EncodeToIds(line.First).ToArray()[1..^1])));
    }

    [Fact]
    public void Places_are_ranges_of_the_text_that_was_given()
    {
        const string Text = "the 😀 cafe\u0301 goat";

        var covered = s_any.EncodeToTokens(Text, out _).Select(token => (token.Value, Text[token.Offset]));

        Assert.Equal(
            [("[CLS]", ""), ("▁the", "the"), ("▁", " "), ("[UNK]", "😀"), ("▁ca", " ca"), ("f", "f"), ("é", "e"), ("▁goat", " goat"), ("[SEP]", "")], covered);
    }

    [Fact]
    public void With_room_for_fewer_pieces_the_front_comes_between_the_specials_and_a_character_is_never_cut()
    {
        Assert.All(s_texts, AssertFits);
        s_text.Sample(AssertFits);
        Assert.Throws<ArgumentOutOfRangeException>(() => s_any.EncodeToIds("the", maxTokenCount: 0, out _, out _));
        // ½ is three pieces of one character.
        Assert.Equal(["[CLS]", "▁the", "[SEP]"], s_any.EncodeToIds("the x½", maxTokenCount: 3, out _, out _).Select(s_ours.PieceOf));
        Assert.Equal(3, s_any.GetIndexByTokenCount("the ½½", 5, out _, out var count));
        Assert.Equal(3, count);

        static void AssertFits(string text)
        {
            var own = s_ours.Encode(text);
            for (var most = 1; most <= own.Ids.Length; most++)
            {
                var ids = s_any.EncodeToIds(text, most, out _, out var consumed);
                Assert.InRange(ids.Count, 0, most);
                Assert.Equal(most < 2 ? [] : [own.Ids[0], .. own.Ids[1..(ids.Count - 1)], own.Ids[^1]], ids);
                var index = s_any.GetIndexByTokenCount(text, most, out var normalized, out var count);
                Assert.Equal((null, consumed, ids.Count), (normalized, index, count));

                var last = s_any.GetIndexByTokenCountFromEnd(text, most, out _, out count);
                Assert.InRange(last, 0, text.Length);
                Assert.InRange(count, 0, most);
                Assert.Equal(most == own.Ids.Length, last == 0 && count == own.Ids.Length);
            }
        }
    }

    [Fact]
    public void Decoding_is_ours_also_into_a_buffer_that_is_too_small_or_of_ids_that_do_not_exist()
    {
        var ids = s_ours.Encode("the goat of bees").Ids;
        Assert.Equal("the goat of bees", s_any.Decode(ids));
        var buffer = new char[16];
        Assert.Equal((OperationStatus.Done, ids.Length, "the goat of bees"), Decode(ids, 16));
        // Whole pieces only: "the goat" has 8 characters, and " of" no room in 10.
        Assert.Equal((OperationStatus.DestinationTooSmall, 3, "the goat"), Decode(ids, 10));
        Assert.Equal((OperationStatus.DestinationTooSmall, 1, ""), Decode(ids, 2));
        Assert.Equal((OperationStatus.InvalidData, 2, "the"), Decode([ids[0], ids[1], 641, ids[2]], 16));
        Assert.Throws<ArgumentOutOfRangeException>(() => s_any.Decode([-1]));

        (OperationStatus, int, string) Decode(int[] some, int room)
        {
            var status = s_any.Decode(some, buffer.AsSpan(0, room), out var consumed, out var written);
            return (status, consumed, new(buffer, 0, written));
        }
    }

    [Fact]
    public void Code_that_cuts_texts_into_parts_for_any_tokenizer_cuts_them_with_ours()
    {
        var text = string.Join(' ', s_texts.Where(line => line.Length > 20));

        var parts = Parts(s_any, text, most: 32).ToList();

        Assert.Equal(text, string.Concat(parts));
        Assert.InRange(parts.Count, s_any.CountTokens(text) / 32, s_any.CountTokens(text) / 15);
        Assert.All(parts, part => Assert.InRange(s_any.CountTokens(part), 3, 34));

        // What a chunker of somebody else's does: it has never heard of DeBERTa.
        static IEnumerable<string> Parts(Tokenizer tokenizer, string text, int most)
        {
            while (text.Length > 0)
            {
                var end = tokenizer.GetIndexByTokenCount(text, most, out var normalized, out _);
                Assert.InRange(end, 1, text.Length);
                yield return (normalized ?? text)[..end];
                text = (normalized ?? text)[end..];
            }
        }
    }
}
