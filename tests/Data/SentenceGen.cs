using CsCheck;
using NotebookLib.Data;

namespace NotebookLib.Tests.Data;

/// <summary>Random sentences of System B, with words as awkward as text can be.</summary>
internal static class SentenceGen
{
    private static readonly Gen<string> AnyWord = Gen.Frequency(
        (6, Gen.String[Gen.Char.AlphaNumeric, 1, 10]),
        (1, Gen.OneOf("#tag", "# a", "\"", "\\", "\\u0041", "–", "日本", "𝔸𝔹", "e\u0301", "", " ", "\u00A0", "\uFEFF", "O", "B-PER", "1-2",
            new string('x', 300))),
        (1, Gen.String[Gen.Char['\u0001', '\uD7FF'], 0, 6]));

    /// <summary>Any sentences, empty ones and empty words included.</summary>
    public static Gen<List<Sentence>> Any { get; } = Sentences(AnyWord, 0);

    /// <summary>
    /// Sentences that CoNLL can hold: no tab and no line end in a word, at least one word; and no word that is a tag: of those the reader asks in small files.
    /// </summary>
    public static Gen<List<Sentence>> Conll { get; } = Sentences(
        AnyWord.Where(word => !word.AsSpan().ContainsAny("\t\n\r") && !word.StartsWith('\uFEFF') && word is not ("O" or "B-PER")), 1);

    public static void Equal(IReadOnlyList<Sentence> expected, IReadOnlyList<Sentence> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        foreach (var (wanted, found) in expected.Zip(actual))
        {
            Assert.Equal(wanted.Words, found.Words);
            Assert.Equal(wanted.Tags, found.Tags);
        }
    }

    private static Gen<List<Sentence>> Sentences(Gen<string> word, int fewest) =>
        Gen.Select(word, Gen.Int[0, LabelSet.SystemB.Count - 1]).Array[fewest, 12]
            .Select(pairs => new Sentence([.. pairs.Select(pair => pair.Item1)], [.. pairs.Select(pair => pair.Item2)]))
            .List[1, 12];
}
