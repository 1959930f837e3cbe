using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Metrics;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Inference;

public class SplitJudgeTests
{
    private static readonly DebertaTokenizer s_tokenizer = DebertaTokenizer.Load(SpmFile.TinyPath);
    private static readonly LabelSet s_labels = new(["X", "Y"]);

    // The model names its labels in another order than the data; ▁the and all others are O with 0.9.
    private static readonly FakeScorer s_scorer = new(["B-Y", "I-Y", "O", "B-X", "I-X"], new()
    {
        [s_tokenizer.FindId("▁goat")!.Value] = [0.1f, 0, 0.3f, 0.6f, 0],
        [s_tokenizer.FindId("▁bee")!.Value] = [0.75f, 0, 0.25f, 0, 0],
        [s_tokenizer.FindId("s")!.Value] = [0, 0.8f, 0.2f, 0, 0],
    }, otherLabel: 2);

    [Fact]
    public void A_split_is_judged_word_by_word_with_losses_and_confidences()
    {
        var judged = Judge([new(["the", "goat"], [0, 1]), new(["bees"], [1])]);

        Assert.Equal([[0, 1], [3]], judged.Sentences.Select(sentence => sentence.Predicted));
        // Mean of −ln 0.9 and −ln 0.6; for "bees" gold is B-X, I-X, both with probability 0, kept finite.
        Assert.Equal((-Math.Log(0.9) - Math.Log(0.6)) / 2, judged.Sentences[0].Loss!.Value, 1e-6);
        Assert.True(double.IsFinite(judged.Sentences[1].Loss!.Value) && judged.Sentences[1].Loss > 50);
        Assert.Equal((1L, 1L, 1L), (judged.Scores.Types[0].Support - 1, judged.Scores.Types[0].Correct, judged.Scores.Types[1].Predicted));
        Assert.Equal(0.5, judged.Scores.Micro.F1);
        // Words: the (0.9, right), goat (0.6, right), bees (0.75, wrong).
        Assert.Equal([(0.6, 1.0), (0.75, 0.0), (0.9, 1.0)], judged.Calibration.Bins.Select(bin => (Math.Round(bin.Confidence, 6), bin.Accuracy)));
    }

    [Fact]
    public void The_splits_loss_is_the_mean_over_all_labelled_pieces()
    {
        var judged = Judge([new(["the", "goat"], [0, 1]), new(["the"], [0])]);

        Assert.Equal((-(2 * Math.Log(0.9)) - Math.Log(0.6)) / 3, judged.Loss, 1e-6);
    }

    [Fact]
    public void An_empty_split_and_one_without_words_have_no_scores_and_no_errors()
    {
        Assert.Equal((0, 0.0, 0.0), (Judge([]).Sentences.Count, Judge([]).Loss, Judge([]).Scores.Micro.F1));
        Assert.Null(Judge([new([], [])]).Sentences[0].Loss);
        Assert.Empty(ErrorAnalysis.Of(Judge([]).Sentences, s_labels).Worst);
    }

    [Fact]
    public void Data_with_other_labels_than_the_model_are_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => new SplitJudge(s_tokenizer, s_scorer, new LabelSet(["X", "Z"])));

        Assert.Contains("The data have the labels O B-X I-X B-Z I-Z, the model B-Y I-Y O B-X I-X", error.Message, StringComparison.Ordinal);
    }

    private static JudgedSplit Judge(IReadOnlyList<Sentence> sentences) => new SplitJudge(s_tokenizer, s_scorer, s_labels).Judge(sentences, TestContext.Current.CancellationToken);
}
