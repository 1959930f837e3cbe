using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Tokenization;
using NotebookLib.Training;

namespace NotebookLib.Bench.Study;

/// <summary>What a fine-tuning came to, as a line of the study's file.</summary>
/// <param name="Variant">Its name.</param>
/// <param name="Seed">Of head, adapters, order and dropout.</param>
/// <param name="F1">Micro F1 on test, words, seqeval's default mode.</param>
/// <param name="MacroF1">Mean over types.</param>
/// <param name="TypeF1">Of each type.</param>
/// <param name="MeanLoss">Mean training loss.</param>
/// <param name="TrainedParameters">Parameters trained.</param>
/// <param name="Seconds">Training, on whatever else the machine did.</param>
internal sealed record StudyResult(
    string Variant, long Seed, double F1, double MacroF1, IReadOnlyDictionary<string, double> TypeF1, double MeanLoss, long TrainedParameters, double Seconds)
{
    /// <summary>Fine-tunes the committed model on the committed sample and scores it on test.</summary>
    public static StudyResult Of(StudyVariant variant, long seed)
    {
        var folder = Folders.PathOf("data", "tiny-deberta-v3");
        var tokenizer = DebertaTokenizer.Load(folder);
        var rows = new SentenceEncoder(tokenizer).EncodeAll([.. Split("train")]);
        var output = Directory.CreateTempSubdirectory("bench-study-");
        try
        {
            using var model = ModelFolder.Load(folder, new LoadOptions { Labels = LabelSet.SystemA, HeadSeed = seed, DropoutSeed = seed }).Model;
            using var adapters = variant.Adapters is null ? null : LoraAdapters.Attach(model, variant.Adapters, seed);
            FrozenWeights.Store(model, variant.Storage);
            var settings = variant.Training with
            { Seed = seed, OutputFolder = output.FullName, ClassWeights = ClassWeights.Of(variant.Weighting, rows, LabelSet.SystemA.Count) };
            var result = new Trainer(model, LabelSet.SystemA, rows, [], settings).Train();
            List<Sentence> test = [.. Split("test")];
            var testRows = new SentenceEncoder(tokenizer).EncodeAll(test);
            var tested = TokenEvaluation.Run(model, LabelSet.SystemA, testRows, settings with { Precision = TrainingPrecision.Float32 }, keepPredictions: true);
            var scores = JudgedSplit.Of(test, testRows, tested, LabelSet.SystemA).Scores;
            return new(variant.Name, seed, scores.Micro.F1, scores.Macro.F1, scores.Types.ToDictionary(type => type.Name, type => type.F1), result.MeanLoss,
                result.Summary.TrainedParameters, result.ElapsedSeconds);
        }
        finally
        {
            output.Delete(recursive: true);
        }
    }

    private static IEnumerable<Sentence> Split(string name) =>
        SentenceReader.Open(Folders.PathOf("data", "sample", $"{name}.parquet"), LabelSet.SystemA, new ReaderOptions { Rows = RowListing.AsListed });
}
