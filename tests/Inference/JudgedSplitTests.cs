using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Metrics;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tests.Training;
using NotebookLib.Tokenization;
using NotebookLib.Training;

namespace NotebookLib.Tests.Inference;

public class JudgedSplitTests
{
    private static readonly SentenceEncoder s_encoder = new(DebertaTokenizer.Load(SpmFile.TinyPath));
    private static readonly LabelSet s_labels = new(["X", "Y"]);

    [Fact]
    public void A_split_is_judged_word_by_word_with_losses_and_confidences()
    {
        // the goat | bees, in two pieces of which the second was taken for I-Y.
        List<Sentence> sentences = [new(["the", "goat"], [0, 1]), new(["bees"], [1])];
        var judged = Judge(sentences,
            [new([0, 0, 1, 0], [1, 0.9f, 0.6f, 1], -Math.Log(0.9) - Math.Log(0.6), 2), new([0, 3, 4, 0], [1, 0.75f, 0.8f, 1], 120, 2)]);

        Assert.Equal([[0, 1], [3]], judged.Sentences.Select(sentence => sentence.Predicted));
        Assert.Equal((-Math.Log(0.9) - Math.Log(0.6)) / 2, judged.Sentences[0].Loss!.Value, 1e-6);
        Assert.Equal(60, judged.Sentences[1].Loss);
        Assert.Equal((120 - Math.Log(0.9) - Math.Log(0.6)) / 4, judged.Loss, 1e-6);
        Assert.Equal((2L, 1L, 1L), (judged.Scores.Types[0].Support, judged.Scores.Types[0].Correct, judged.Scores.Types[1].Predicted));
        Assert.Equal(0.5, judged.Scores.Micro.F1);
        // Words: the (0.9, right), goat (0.6, right), bees (0.75, wrong).
        Assert.Equal([(0.6, 1.0), (0.75, 0.0), (0.9, 1.0)], judged.Calibration.Bins.Select(bin => (Math.Round(bin.Confidence, 6), bin.Accuracy)));
    }

    [Fact]
    public void An_empty_split_and_a_sentence_without_words_have_no_loss_and_no_scores()
    {
        Assert.Equal((0, 0.0, 0.0), (Judge([], []).Sentences.Count, Judge([], []).Loss, Judge([], []).Scores.Micro.F1));
        Assert.Null(Judge([new([], [])], [new([0, 0], [1, 1], 0, 0)]).Sentences[0].Loss);
        Assert.Empty(ErrorAnalysis.Of(Judge([], []).Sentences, s_labels).Worst);
    }

    [Fact]
    public void What_does_not_belong_together_or_kept_no_predictions_is_refused()
    {
        List<Sentence> sentences = [new(["the"], [0])];
        var error = Assert.Throws<ArgumentException>(() => Judge(sentences, []));
        Assert.Contains("1 sentences, 1 rows and predictions of 0", error.Message, StringComparison.Ordinal);

        var bare = new EvaluationResult(0, 1, 3, 0);
        error = Assert.Throws<ArgumentException>(() =>
            JudgedSplit.Of(sentences, s_encoder.EncodeAll(sentences, cancellation: TestContext.Current.CancellationToken), bare, s_labels));
        Assert.Contains("keepPredictions: true", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_pass_over_the_rows_gives_the_scores_of_pieces_and_the_predictions_of_each()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        var plain = TokenEvaluation.Run(model, LabelSet.SystemA, TinyRun.Evaluation, 8, cancellation: TestContext.Current.CancellationToken);
        var kept = TokenEvaluation.Run(model, LabelSet.SystemA, TinyRun.Evaluation, run.Settings, keepPredictions: true, TestContext.Current.CancellationToken);

        Assert.Equal((plain.Loss, plain.Scores!.Micro, plain.StrictScores!.Micro), (kept.Loss, kept.Scores!.Micro, kept.StrictScores!.Micro));
        Assert.Equal(TinyRun.Evaluation.Select(row => row.Length), kept.Predictions!.Select(row => row.Tags.Length));
        using var scope = TorchSharp.torch.NewDisposeScope();
        using var quiet = TorchSharp.torch.no_grad();
        foreach (var (row, pieces) in TinyRun.Evaluation.Zip(kept.Predictions!))
        {
            using var batch = Batch.Of([row]);
            var probabilities_LK = model.Score(batch).softmax(-1);
            var best_L = probabilities_LK.max(-1).values.data<float>().ToArray();
            // An untrained head has near ties, which another batch may decide otherwise: what counts is that the tag is a best one, with its probability.
            Assert.All(best_L.Zip(pieces.Tags, pieces.Scores),
                (piece, i) => Assert.Equal((piece.First, piece.First), (probabilities_LK[i][piece.Second].item<float>(), piece.Third), new Near(1e-5f)));
            Assert.Equal(row.Labels.Count(label => label >= 0), pieces.LabelledPieces);
        }
    }

    [Fact]
    public void The_test_can_be_stopped_and_pieces_that_the_embedding_lacks_are_refused_by_number()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();

        Assert.Throws<OperationCanceledException>(() =>
            TokenEvaluation.Run(model, LabelSet.SystemA, TinyRun.Evaluation, run.Settings, keepPredictions: true, new CancellationToken(canceled: true)));
        EncodedSentence[] foreign = [.. TinyRun.Evaluation.Take(2), new([1, model.Config.VocabSize, 2], [-100, 0, -100], [-1, 0, -1])];
        var error = Assert.Throws<ArgumentException>(() =>
            TokenEvaluation.Run(model, LabelSet.SystemA, foreign, run.Settings, keepPredictions: false, TestContext.Current.CancellationToken));
        Assert.Contains($"evaluation row 2 has the piece id {model.Config.VocabSize:N0}", error.Message, StringComparison.Ordinal);
        Assert.Contains("do model and tokenizer belong together?", error.Message, StringComparison.Ordinal);
    }

    private sealed class Near(float tolerance) : IEqualityComparer<(float, float)>
    {
        public bool Equals((float, float) x, (float, float) y) => Math.Abs(x.Item1 - y.Item1) < tolerance && Math.Abs(x.Item2 - y.Item2) < tolerance;

        public int GetHashCode((float, float) pair) => 0;
    }

    private static JudgedSplit Judge(IReadOnlyList<Sentence> sentences, IReadOnlyList<PredictedPieces> pieces) =>
        JudgedSplit.Of(sentences, s_encoder.EncodeAll(sentences), new EvaluationResult(0, sentences.Count, 0, 0) { Predictions = pieces }, s_labels);
}
