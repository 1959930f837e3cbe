using NotebookLib.Model;
using NotebookLib.SampleMaker.Sample;
using NotebookLib.Tokenization;
using NotebookLib.Training;

namespace NotebookLib.SampleMaker.Model;

/// <summary>Pre-trains the demo's model: DeBERTa-v3's architecture with all its switches, small enough to commit.</summary>
public static class TinyModel
{
    /// <summary>Rows of the word embedding: 5,000 pieces and [MASK], rounded up to a multiple of 16 as the published models round theirs.</summary>
    private const int EmbeddingRows = 5008;

    private const int HeldOutRows = 1000;

    /// <summary>
    /// 4 layers of width 128: 0.64 M parameters in the word embedding, 0.80 M in the layers. Buckets and distances in the proportion of the published models
    /// (256 of 512), for sentences of some 15 pieces.
    /// </summary>
    public static DebertaConfig Config { get; } = new()
    {
        VocabSize = EmbeddingRows,
        HiddenSize = 128,
        NumHiddenLayers = 4,
        NumAttentionHeads = 4,
        IntermediateSize = 512,
        MaxPositionEmbeddings = 512,
        PositionBuckets = 32,
        RelativeAttention = true,
        ShareAttKey = true,
        PosAttType = ["p2c", "c2p"],
        NormRelEbd = "layer_norm",
        PositionBiasedInput = false,
        HiddenDropoutProb = 0.1,
        AttentionProbsDropoutProb = 0.1,
        Labels = ["LABEL_0", "LABEL_1"],
    };

    /// <summary>How it is pre-trained. 128 sentences × about 840 updates are an epoch of 107,000 sentences.</summary>
    public static TrainingSettings Settings { get; } = new()
    {
        BatchSize = 128,
        AccumulationSteps = 1,
        EvaluationBatchSize = 128,
        Epochs = 12,
        LearningRate = 2e-3,
        WarmupRatio = 0.05,
        WeightDecay = 0.01,
        Seed = 42,
        LogEvery = 200,
        EvaluateEvery = 0.1,
        SaveEvery = Interval.Never,
        ExistingRun = ExistingRun.Replace,
    };

    /// <summary>Pre-trains and saves the model beside its tokenizer, like a checkpoint on the Hub.</summary>
    /// <param name="splits">The sample, whose training sentences lose their labels here.</param>
    /// <param name="folder">Holds <c>spm.model</c>; gets <c>config.json</c>, <c>model.safetensors</c> and the tokenizer's small files.</param>
    /// <param name="settings">How it is trained.</param>
    /// <param name="log">Gets a line per logged step and evaluation.</param>
    public static TrainingResult Pretrain(SampleSplits splits, string folder, TrainingSettings settings, TextWriter log)
    {
        var tokenizer = DebertaTokenizer.Load(folder);
        var rows = PretrainingText.Words(splits).Select(words => tokenizer.EncodeWords(words).Ids).ToList();
        var special = tokenizer.Special;
        var masker = new PieceMasker(
            special.Mask, [special.Pad, special.Cls, special.Sep, special.Unk], Config.VocabSize, settings.Seed,
            isWordStart: id => id < tokenizer.VocabularySize && tokenizer.PieceOf(id).StartsWith('▁'));

        // The last rows are unlabelled text: a thousand of them measure the loss.
        var (model, result) = MaskedLanguageTrainer.Train(Config, rows[..^HeldOutRows], masker, settings, rows[^HeldOutRows..], [new LogLines(log)]);
        using (model)
        {
            model.Save(folder);
        }

        tokenizer.Save(folder);
        return result;
    }

    private sealed class LogLines(TextWriter log) : ITrainingObserver
    {
        public void StepLogged(LoggedStep logged) =>
            log.WriteLine($"update {logged.Update,5}  epoch {logged.Epoch,5:0.00}  loss {logged.Loss:0.000}  {logged.TokensPerSecond,7:#,0} pieces/s  "
                + $"{logged.ElapsedSeconds,4:0} s");

        public void EvaluationDone(LoggedEvaluation evaluation, EvaluationResult result) =>
            log.WriteLine($"update {evaluation.Update,5}  loss on {result.Rows} held-out sentences {evaluation.Loss:0.000}");
    }
}
