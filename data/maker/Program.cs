using System.Globalization;
using NotebookLib.Data;
using NotebookLib.SampleMaker;
using NotebookLib.SampleMaker.Grammar;
using NotebookLib.SampleMaker.Model;
using NotebookLib.SampleMaker.Sample;

const string Usage = """
    Makes what data/ holds: dotnet run --project data/maker -- VERB
      all          sentences, tokenizer and model, one after the other (twelve minutes on two quiet cores, nearly all of it the model)
      sentences    data/sample/*.parquet
      tokenizer    data/tiny-deberta-v3/spm.model (needs spm_train of SentencePiece)
      model        data/tiny-deberta-v3/model.safetensors, pre-trained on the sample's text
      report       counts per split and type
      show SEED    sixty random sentences of each split, entities marked
      score SEED [EPOCHS [RATE]]   fine-tunes the model, and the same network from random weights, and scores both on test
    """;

try
{
    return Run(args);
}
catch (InvalidOperationException problem)
{
    Console.Error.WriteLine(problem.Message);
    return 1;
}

static int Run(string[] args)
{
    var splits = new Lazy<SampleSplits>(() => new(GrammarFiles.Read(Folders.Maker), SampleSplits.Sizes));
    switch (args)
    {
        case ["all"]:
            return Math.Max(Run(["sentences"]), Math.Max(Run(["tokenizer"]), Run(["model"])));
        case ["sentences"]:
            SampleFiles.Write(splits.Value, Folders.Sample);
            Console.Write(SampleReport.Of(splits.Value));
            return 0;
        case ["tokenizer"]:
            SentencePieceTrainer.Train(PretrainingText.Words(splits.Value).Select(words => string.Join(' ', words)), Path.Combine(Folders.Model, "spm.model"));
            return 0;
        case ["model"]:
            var scratch = Directory.CreateTempSubdirectory("sample-pretraining-");
            TinyModel.Pretrain(splits.Value, Folders.Model, TinyModel.Settings with { OutputFolder = scratch.FullName }, Console.Out);
            scratch.Delete(recursive: true);
            return 0;
        case ["report"]:
            Console.Write(SampleReport.Of(splits.Value));
            return 0;
        case ["show", var seed]:
            Show(splits.Value, new SplitMix(ulong.Parse(seed, CultureInfo.InvariantCulture)));
            return 0;
        case ["score", var seed, .. var more]:
            Score(long.Parse(seed, CultureInfo.InvariantCulture), [.. more.Select(number => double.Parse(number, CultureInfo.InvariantCulture))]);
            return 0;
        default:
            Console.Error.WriteLine(Usage);
            return 2;
    }
}

static void Show(SampleSplits splits, SplitMix random)
{
    foreach (var split in splits.All)
    {
        Console.WriteLine($"--- {split.Name}");
        for (var i = 0; i < 60; i++)
        {
            var (words, tags) = random.Pick(split.Sentences);
            Console.WriteLine(string.Join(' ', words.Select((word, k) => tags[k] == 0 ? word : $"{word}/{LabelSet.SystemA.Names[tags[k]]}")));
        }
    }
}

static void Score(long seed, double[] epochsAndRate)
{
    var scratch = Directory.CreateTempSubdirectory("sample-score-");
    var settings = FineTuningScores.Settings with { Seed = seed, OutputFolder = scratch.FullName };
    settings = epochsAndRate is [var epochs, ..] ? settings with { Epochs = epochs } : settings;
    settings = epochsAndRate is [_, var rate] ? settings with { LearningRate = rate } : settings;
    foreach (var isPretrained in (bool[])[true, false])
    {
        var (scores, seconds) = FineTuningScores.Measure(Folders.Model, Folders.Sample, isPretrained, settings);
        Console.WriteLine($"{(isPretrained ? "pre-trained" : "random weights")}, seed {seed}, {settings.Epochs} epochs, rate {settings.LearningRate}: "
            + $"test F1 {scores.Micro.F1:0.000}, macro {scores.Macro.F1:0.000}, trained in {seconds:0} s");
        Console.WriteLine("  " + string.Join("  ", scores.Types.Select(type => $"{type.Name} {type.F1:0.00}")));
    }

    scratch.Delete(recursive: true);
}
