using System.Diagnostics;
using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Metrics;
using NotebookLib.Model;
using NotebookLib.SampleMaker.Sample;
using NotebookLib.Tokenization;
using NotebookLib.Training;

namespace NotebookLib.SampleMaker.Model;

/// <summary>Measures what pre-training is worth: fine-tunes the committed model, and the same network from random weights, on the sample.</summary>
public static class FineTuningScores
{
    /// <summary>What the demo uses: 32 sentences an update, 250 updates an epoch.</summary>
    public static TrainingSettings Settings { get; } = new()
    {
        BatchSize = 32,
        AccumulationSteps = 1,
        EvaluationBatchSize = 128,
        Epochs = 4,
        LearningRate = 1e-3,
        WarmupRatio = 0.1,
        EvaluateEvery = 0.25,
        SaveEvery = Interval.Never,
        ExistingRun = ExistingRun.Replace,
    };

    /// <summary>Fine-tunes and scores on test.</summary>
    /// <param name="modelFolder">The pre-trained model with its tokenizer.</param>
    /// <param name="sampleFolder">The three Parquet files.</param>
    /// <param name="isPretrained">False draws all weights anew.</param>
    /// <param name="settings">How it is fine-tuned; the seed also draws new weights.</param>
    /// <returns>Word-level scores and the seconds that training took.</returns>
    public static (SequenceScores Scores, double Seconds) Measure(string modelFolder, string sampleFolder, bool isPretrained, TrainingSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var tokenizer = DebertaTokenizer.Load(modelFolder);
        var encoder = new SentenceEncoder(tokenizer);
        EncodedSentence[] Rows(string split) => encoder.EncodeAll(SampleFiles.Read(sampleFolder, split));
        var (model, _) = ModelFolder.Load(modelFolder, new LoadOptions { Labels = LabelSet.SystemA, HeadSeed = settings.Seed, DropoutSeed = settings.Seed });
        using var owned = model;
        if (!isPretrained)
        {
            WeightInitializer.Initialize(model, model.Config, settings.Seed);
        }

        var clock = Stopwatch.StartNew();
        _ = new Trainer(model, LabelSet.SystemA, Rows("train"), Rows("validation"), settings).Train();
        var seconds = clock.Elapsed.TotalSeconds;
        var (test, rows) = (SampleFiles.Read(sampleFolder, "test"), Rows("test"));
        var tested = TokenEvaluation.Run(model, LabelSet.SystemA, rows, settings with { Precision = TrainingPrecision.Float32 }, keepPredictions: true);
        return (JudgedSplit.Of(test, rows, tested, LabelSet.SystemA).Scores, seconds);
    }
}
