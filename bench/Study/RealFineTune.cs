using System.CommandLine;
using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Data;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Tokenization;
using NotebookLib.Training;

namespace NotebookLib.Bench.Study;

/// <summary>
/// The verb <c>finetune</c>: repeats the Python stack's short fine-tunes of <c>../shared/weights/finetune-hf.json</c> on a real pre-trained encoder and real
/// sentences, and prints our validation scores, evaluated in each precision. Ctrl-C stops it with a checkpoint; the same command goes on.
/// </summary>
internal static class RealFineTune
{
    private const int ValidationRows = 1000;

    /// <summary>Makes the verb.</summary>
    public static Command Create()
    {
        var lora = new Option<bool>("--lora") { Description = "Adapters on a frozen base, instead of all weights" };
        var float32 = new Option<bool>("--float32") { Description = "float32 instead of bf16" };
        var seed = new Option<long>("--seed") { Description = "Seed", DefaultValueFactory = _ => 42 };
        var command = new Command("finetune", "Repeats the fine-tunes of ../shared/weights/finetune-hf.json") { lora, float32, seed };
        command.SetAction(arguments => Run(arguments.GetValue(lora), arguments.GetValue(float32), arguments.GetValue(seed)));
        return command;
    }

    private static int Run(bool isLora, bool isFloat32, long seed)
    {
        if (Folders.Shared("weights", "deberta-v3-xsmall-derived") is not { } weights
            || Folders.Shared("reference", "ner", "wikineural-en-val.conllu.gz") is not { } sentences
            || Folders.Shared("reference", "tokenizer", "spm.model") is not { } vocabulary)
        {
            Console.Error.WriteLine("../shared/weights or ../shared/reference is missing.");
            return 2;
        }

        var options = new ReaderOptions { UnknownTypes = UnknownTypes.Outside, Rows = RowListing.AsListed };
        var all = new SentenceEncoder(DebertaTokenizer.Load(vocabulary)).EncodeAll([.. SentenceReader.Open(sentences, LabelSet.SystemA, options)]);
        var order = BatchOrder.Reference(all.Length, seed: 0, epoch: 0).Rows;
        EncodedSentence[] rows = [.. order.Select(row => all[row])];
        var settings = new TrainingSettings
        {
            BatchSize = 16,
            AccumulationSteps = 2,
            EvaluationBatchSize = 64,
            MaximumUpdates = 200,
            LearningRate = isLora ? 1e-3 : 1e-4,
            WarmupUpdates = 10,
            Precision = isFloat32 ? TrainingPrecision.Float32 : TrainingPrecision.BFloat16,
            Seed = seed,
            EvaluateEvery = Interval.Never,
            SaveEvery = Interval.Never,
            KeepCheckpoints = 1,
            ExistingRun = ExistingRun.Resume,
            OutputFolder = Path.Combine(Path.GetTempPath(), $"bench-finetune-{(isLora ? "lora" : "full")}-{(isFloat32 ? "float32" : "bf16")}-{seed}"),
        };
        using var model = ModelFolder.Load(weights, new LoadOptions { Labels = LabelSet.SystemA, HeadSeed = seed, DropoutSeed = seed }).Model;
        using var adapters = isLora ? LoraAdapters.Attach(model, new LoraSettings(), seed) : null;
        var result = new Trainer(model, LabelSet.SystemA, rows[..^ValidationRows], [], settings).Train(Interruption.Token);
        if (result.End != TrainingEnd.Finished)
        {
            Console.WriteLine($"stopped after update {result.Updates}; the same command goes on");
            return 130;
        }

        model.eval();
        var losses = result.History.Steps.Where(step => step.Update is 10 or 20 or 50 or 100 or 200)
            .Select(step => Invariant($"{step.Update}: {step.Loss:0.0000}"));
        Console.WriteLine($"{(isLora ? "LoRA" : "full")}, {settings.Precision}, seed {seed}: "
            + Invariant($"{result.ElapsedSeconds:0} s, losses {string.Join(", ", losses)}"));
        // More entities, so that chance weighs less between precisions.
        EncodedSentence[] unseen =
        [
            .. BatchOrder.Reference(all.Length - ValidationRows, seed, epoch: 0).Rows
                .Skip(settings.BatchSize * settings.AccumulationSteps * settings.MaximumUpdates!.Value).Select(row => rows[row]),
            .. rows[^ValidationRows..],
        ];
        foreach (var precision in (ReadOnlySpan<TrainingPrecision>)[TrainingPrecision.Float32, TrainingPrecision.BFloat16, TrainingPrecision.Int8])
        {
            if (precision == TrainingPrecision.Int8 && DispatcherOperators.Int8Problem is { } problem)
            {
                Console.WriteLine($"evaluated in {precision}: {problem}");
                continue;
            }

            EvaluationResult Score(EncodedSentence[] own) =>
                TokenEvaluation.Run(model, LabelSet.SystemA, own, settings.EvaluationBatchSize, precision: new(precision, TorchSharp.DeviceType.CPU));
            var (scores, more) = (Score(rows[^ValidationRows..]), Score(unseen));
            Console.WriteLine($"evaluated in {precision}: "
                + Invariant($"F1 {scores.Scores!.Micro.F1:0.0000}, accuracy {scores.Scores.Accuracy:0.0000}, loss {scores.Loss:0.0000}; ")
                + Invariant($"on all {unseen.Length:N0} sentences that no update saw: F1 {more.Scores!.Micro.F1:0.0000}, loss {more.Loss:0.0000}"));
        }

        Console.WriteLine("Heads are drawn by this project's generator, not by torch's: scores of single seeds differ from Python's by what a head's draw and "
            + "dropout do to 200 updates (docs/TRAINING.md).");
        return 0;
    }
}
