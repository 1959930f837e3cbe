using NotebookLib.SampleMaker.Model;

namespace NotebookLib.Tests.Sample;

public class PieceMaskerTests
{
    private const int VocabularySize = 1000;
    private const int MaskId = 4;
    private static readonly int[] Special = [0, 1, 2, 3];
    private static readonly int[] Row = [1, .. Enumerable.Range(10, 100), 2];

    [Fact]
    public void Fifteen_of_a_hundred_pieces_are_guessed_eight_tenths_masked_a_tenth_random_a_tenth_kept()
    {
        var masker = new PieceMasker(MaskId, Special, VocabularySize, seed: 42);
        int guessed = 0, masked = 0, kept = 0;
        for (var draw = 0; draw < 1000; draw++)
        {
            var row = masker.Mask(Row, draw, 0);
            for (var i = 0; i < Row.Length; i++)
            {
                var isGuess = row.Labels[i] != -100;
                Assert.Equal(isGuess ? Row[i] : -100, row.Labels[i]);
                Assert.True(isGuess || row.InputIds[i] == Row[i], "only guessed pieces may change");
                guessed += isGuess ? 1 : 0;
                masked += isGuess && row.InputIds[i] == MaskId ? 1 : 0;
                kept += isGuess && row.InputIds[i] == Row[i] ? 1 : 0;
            }

            Assert.Equal((1, 2), (row.InputIds[0], row.InputIds[^1]));
        }

        Assert.Equal(15_000, guessed);
        Assert.Equal(0.8, (double)masked / guessed, 0.015);
        Assert.Equal(0.1, (double)kept / guessed, 0.012);
    }

    [Fact]
    public void The_same_draw_hides_the_same_pieces_and_another_hides_others()
    {
        var masker = new PieceMasker(MaskId, Special, VocabularySize, seed: 42);

        Assert.Equal(masker.Mask(Row, 3, 5).InputIds, new PieceMasker(MaskId, Special, VocabularySize, seed: 42).Mask(Row, 3, 5).InputIds);
        Assert.NotEqual(masker.Mask(Row, 3, 5).InputIds, masker.Mask(Row, 4, 5).InputIds);
        Assert.NotEqual(masker.Mask(Row, 3, 5).InputIds, masker.Mask(Row, 3, 6).InputIds);
    }

    [Fact]
    public void Whole_words_are_guessed_whole()
    {
        // Even ids begin a word; every word has two pieces.
        var masker = new PieceMasker(MaskId, Special, VocabularySize, seed: 1, isWordStart: id => id % 2 == 0);
        for (var draw = 0; draw < 100; draw++)
        {
            var labels = masker.Mask(Row, draw, 0).Labels;
            for (var i = 1; i < Row.Length - 1; i += 2)
            {
                Assert.Equal(labels[i] == -100, labels[i + 1] == -100);
            }
        }
    }

    [Fact]
    public void A_short_row_still_has_something_to_guess_and_an_empty_one_has_nothing()
    {
        var masker = new PieceMasker(MaskId, Special, VocabularySize, seed: 1);

        Assert.Equal([-100, 10, -100], masker.Mask([1, 10, 2], 0, 0).Labels);
        Assert.Equal([-100, -100, -100], masker.Mask([1, 3, 2], 0, 0).Labels);
    }
}
