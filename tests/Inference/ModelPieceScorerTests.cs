extern alias runner;

using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Model;
using runner::NotebookRunner.Verification;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Inference;

public sealed class ModelPieceScorerTests : IDisposable
{
    private static readonly int[][] s_texts = [[1, 2], [1, 30, 31, 32, 33, 34, 2], [1, 5, 2], [1, 7, 8, 9, 2], [1, 40, 2]];

    private readonly DebertaV2ForTokenClassification _model = NewModel();

    public void Dispose() => _model.Dispose();

    [Fact]
    public void Texts_of_any_length_get_the_scores_they_get_alone()
    {
        var together = new ModelPieceScorer(_model, batchSize: 2).Score(s_texts, TestContext.Current.CancellationToken);

        for (var text = 0; text < s_texts.Length; text++)
        {
            using var scope = NewDisposeScope();
            using var noGradients = no_grad();
            var ids = tensor(s_texts[text].Select(id => (long)id).ToArray()).unsqueeze(0);
            var alone = _model.call(ids, ones_like(ids)).data<float>().ToArray();

            Assert.Equal(s_texts[text].Length * LabelSet.SystemB.Count, together[text].Length);
            Assert.All(alone.Zip(together[text]), pair => Assert.Equal(pair.First, pair.Second, 1e-5f));
        }
    }

    [Fact]
    public void A_model_in_training_is_scored_without_dropout_and_goes_on_training()
    {
        var scorer = new ModelPieceScorer(_model);
        var expected = scorer.Score(s_texts, TestContext.Current.CancellationToken);
        _model.train();

        var actual = scorer.Score(s_texts, TestContext.Current.CancellationToken);

        Assert.True(_model.training);
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void No_tensor_stays_behind()
    {
        var scorer = new ModelPieceScorer(_model);
        scorer.Score(s_texts, TestContext.Current.CancellationToken);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        scorer.Score(s_texts, TestContext.Current.CancellationToken);

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Broken_weights_are_said_aloud()
    {
        using (no_grad())
        {
            _model.parameters().Last().fill_(float.NaN);
        }

        Assert.Contains("not finite",
            Assert.Throws<InvalidOperationException>(() => new ModelPieceScorer(_model).Score(s_texts, TestContext.Current.CancellationToken)).Message);
    }

    [Fact]
    public void It_can_be_stopped() =>
        Assert.ThrowsAny<OperationCanceledException>(() => new ModelPieceScorer(_model).Score(s_texts, new CancellationToken(canceled: true)));

    [Fact]
    public void The_references_entities_and_scores_come_out_for_every_strategy()
    {
        var rows = PipelineChecks.Golden.Run(Repository.Shared("reference", "pipeline"), new()).ToList();

        string[] strategies = ["none", "simple", "first", "average", "max"];
        Assert.Equal([.. strategies.Select(name => $"entities ({name})"), .. strategies.Select(name => $"scores ({name})")], rows.Select(row => row.Quantity));
        Assert.All(rows, row => Assert.True(row.IsOk, row.ToString()));
    }

    private static DebertaV2ForTokenClassification NewModel()
    {
        var config = new DebertaConfig
        {
            VocabSize = 641,
            HiddenSize = 16,
            NumHiddenLayers = 2,
            NumAttentionHeads = 2,
            IntermediateSize = 24,
            RelativeAttention = true,
            PositionBuckets = 8,
            MaxPositionEmbeddings = 32,
            PosAttType = ["p2c", "c2p"],
            ShareAttKey = true,
            NormRelEbd = "layer_norm",
            PositionBiasedInput = false,
            Labels = LabelSet.SystemB.Names,
        };
        var model = new DebertaV2ForTokenClassification(new ModelBuild(config, ScalarType.Float32, CPU, new DropoutRandom(42)));
        WeightInitializer.Initialize(model, config, 42);
        model.eval();
        return model;
    }
}
