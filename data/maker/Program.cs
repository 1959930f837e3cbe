using NotebookLib.Data;
using NotebookLib.SampleMaker;
using NotebookLib.SampleMaker.Grammar;
using NotebookLib.SampleMaker.Model;
using NotebookLib.SampleMaker.Sample;

const string Usage = """
    Makes what data/ holds. dotnet run --project data/maker -- VERB
      report       counts per split and type
      show SEED    sixty random sentences of each split, entities marked
    """;

var grammar = GrammarFiles.Read(Folders.Maker);
switch (args)
{
    case ["report"]:
        Console.Write(SampleReport.Of(new SampleSplits(grammar, SampleSplits.Sizes)));
        return 0;
    case ["show", var seed]:
        var random = new SplitMix(ulong.Parse(seed));
        foreach (var split in new SampleSplits(grammar, SampleSplits.Sizes).All)
        {
            for (var i = 0; i < 60; i++)
            {
                var (words, tags) = random.Pick(split.Sentences);
                Console.WriteLine($"{split.Name[0]} " + string.Join(' ', words.Select((word, k) => tags[k] == 0 ? word : $"{word}/{LabelSet.SystemA.Names[tags[k]]}")));
            }
        }

        return 0;
    case ["sentences"]:
        SampleFiles.Write(new SampleSplits(grammar, SampleSplits.Sizes), Folders.Sample);
        return 0;
    case ["tokenizer"]:
        SentencePieceTrainer.Train(PretrainingText.Words(new SampleSplits(grammar, SampleSplits.Sizes)).Select(words => string.Join(' ', words)), Path.Combine(Folders.Model, "spm.model"));
        return 0;
    default:
        Console.Error.WriteLine(Usage);
        return 2;
}
