using NotebookLib.Inference;

if (args is not [var model, .. var texts])
{
    Console.Error.WriteLine(
        """Usage: dotnet run -- MODEL "Marie Curie was born in Warsaw." …    MODEL: the folder of a run, a model or adapters, or a name on the Hub""");
    return 2;
}

using var tagger = await EntityTagger.LoadAsync(model);
foreach (var entity in tagger.TagAll(texts).SelectMany(tagged => tagged.Entities))
{
    Console.WriteLine($"{entity.Type}\t{entity.Start}\t{entity.End}\t{entity.Score:0.000}\t{entity.Text}");
}

return 0;
