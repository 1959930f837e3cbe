extern alias runner;

using CsCheck;
using NotebookLib.Alignment;
using NotebookLib.Data;
using runner::NotebookRunner.Verification;

namespace NotebookLib.Tests.Alignment;

public class LabelAlignerTests
{
    // Words as runs of pieces: 0 pieces for a word that disappears, up to 4.
    private static readonly Gen<int[]> s_pieceCounts = Gen.Int[0, 4].Array[0, 25];

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 2)]
    [InlineData(2, 2)]
    [InlineData(29, 30)]
    [InlineData(30, 30)]
    public void Further_pieces_of_a_word_continue_its_entity(int tag, int continued)
    {
        Assert.Equal([-100, tag, continued, continued, -100], LabelAligner.AlignLabels([-1, 0, 0, 0, -1], [tag]));
    }

    [Fact]
    public void Words_without_pieces_lose_their_tags_and_change_no_others() =>
        Assert.Equal([-100, 5, 1, 2, -100], LabelAligner.AlignLabels([-1, 1, 3, 3, -1], [7, 5, 9, 1, 3]));

    [Theory]
    [InlineData(new[] { 0, 5, 6 }, new[] { 0, 0, 0 }, new[] { 5 })]
    [InlineData(new[] { 3, 5 }, new[] { 0, 0 }, new[] { 3 })]
    [InlineData(new[] { 6 }, new[] { 0 }, new[] { 6 })]
    [InlineData(new[] { 0, 6 }, new[] { 0, 1 }, new[] { 0, 5 })]
    [InlineData(new[] { 5, 6, 6 }, new[] { 0, 1, 2 }, new[] { 5, 6, 6 })]
    [InlineData(new[] { 5, 8, 8 }, new[] { 0, 1, 2 }, new[] { 5, 7, 8 })]
    [InlineData(new[] { 5, 0, 6 }, new[] { 0, 1, 2 }, new[] { 5, 0, 5 })]
    [InlineData(new[] { 5, 6 }, new[] { 0, 2 }, new[] { 5, 0, 6 })]
    public void A_word_takes_its_first_tag_that_says_something_and_a_loose_I_begins(int[] pieceTags, int[] wordIds, int[] expected) =>
        Assert.Equal(expected, LabelAligner.AlignTagsWithWords(pieceTags, wordIds, wordIds[^1] + 1));

    [Fact]
    public void Special_tokens_are_skipped_whatever_was_predicted_there() =>
        Assert.Equal([0, 1], LabelAligner.AlignTagsWithWords([9, 0, 1, 2, 9], [-1, 0, 1, 1, -1], 2));

    [Fact]
    public void Labels_to_pieces_to_labels_is_the_identity_for_words_that_have_pieces() =>
        s_pieceCounts.SelectMany(counts => TagsOf(counts.Length).Select(tags => (counts, tags))).Sample(sentence =>
        {
            var wordIds = WordIds(sentence.counts);
            int[] present = [.. sentence.tags.Where((_, word) => sentence.counts[word] > 0)];
            var wellFormed = WellFormed(present);
            var tags = sentence.tags.ToArray();
            for (int word = 0, at = 0; word < tags.Length; word++)
            {
                tags[word] = sentence.counts[word] > 0 ? wellFormed[at++] : 0;
            }

            var labels = LabelAligner.AlignLabels(wordIds, tags);

            Assert.Equal(wordIds.Length, labels.Length);
            Assert.Equal(tags, LabelAligner.AlignTagsWithWords(labels, wordIds, tags.Length));
        }, iter: 3000);

    [Fact]
    public void Any_predictions_give_one_tag_a_word_and_entities_that_begin() =>
        s_pieceCounts.SelectMany(counts => Gen.Int[0, LabelSet.SystemA.Count - 1].Array[counts.Sum() + 2].Select(tags => (counts, tags))).Sample(sentence =>
        {
            var tags = LabelAligner.AlignTagsWithWords(sentence.tags, WordIds(sentence.counts), sentence.counts.Length);

            Assert.Equal(sentence.counts.Length, tags.Length);
            Assert.All(tags.Where((_, word) => sentence.counts[word] == 0), tag => Assert.Equal(0, tag));
            int[] present = [.. tags.Where((_, word) => sentence.counts[word] > 0)];
            for (var word = 1; word < present.Length; word++)
            {
                Assert.True(present[word] is 0 || present[word] % 2 == 1 || present[word] - present[word - 1] is 0 or 1);
            }
        }, iter: 3000);

    [Fact]
    public void Contradictions_are_named()
    {
        Assert.Contains("Word 2 has no tag: there are 2 tags",
            Assert.Throws<ArgumentException>(() => LabelAligner.AlignLabels([-1, 0, 2, -1], [0, 0])).Message);
        Assert.Contains("Word 1 has tag -100", Assert.Throws<ArgumentException>(() => LabelAligner.AlignLabels([0, 1], [0, -100])).Message);
        Assert.Contains("1 tags for 2 pieces", Assert.Throws<ArgumentException>(() => LabelAligner.AlignTagsWithWords([0], [0, 1], 2)).Message);
        Assert.Contains("word 2", Assert.Throws<ArgumentException>(() => LabelAligner.AlignTagsWithWords([0], [2], 2)).Message);
        Assert.Equal("tags", Assert.Throws<ArgumentNullException>(() => LabelAligner.AlignLabels([0], null!)).ParamName);
        Assert.Throws<ArgumentOutOfRangeException>(() => LabelAligner.AlignTagsWithWords([], [], -1));
        Assert.Contains("after word 1", Assert.Throws<ArgumentException>(() => LabelAligner.AlignTagsWithWords([0, 0], [1, 0], 2)).Message);
    }

    [Fact]
    public void The_originals_labels_and_tags_come_out()
    {
        var rows = AlignmentChecks.Golden.Run(Repository.Shared("reference", "alignment"), new()).ToList();

        Assert.Equal([("labels of pieces", 0, "1,500 cases"), ("tags of words", 0, "1,500 cases")],
            rows.Select(row => (row.Quantity, (int)row.LargestDifference, row.Note)));
    }

    private static Gen<int[]> TagsOf(int count) => Gen.Int[0, LabelSet.SystemA.Count - 1].Array[count];

    private static int[] WordIds(int[] pieceCounts) => [-1, .. pieceCounts.SelectMany((count, word) => Enumerable.Repeat(word, count)), -1];

    /// <summary>Each I that follows no entity of its type becomes B; what a data set contains.</summary>
    private static int[] WellFormed(int[] tags)
    {
        var result = tags.ToArray();
        for (var word = 0; word < result.Length; word++)
        {
            var before = word == 0 ? 0 : result[word - 1];
            var continues = before > 0 && (before + 1) / 2 == result[word] / 2;
            result[word] = result[word] > 0 && result[word] % 2 == 0 && !continues ? result[word] - 1 : result[word];
        }

        return result;
    }
}
