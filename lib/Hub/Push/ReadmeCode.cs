using NotebookLib.Training;

namespace NotebookLib.Hub;

/// <summary>How to use the model, in Python and in C#.</summary>
internal static class ReadmeCode
{
    public static string Write(RunRecord run, string repository, bool isAdapter)
    {
        // A run's own name, which stands there until it is published, is no place.
        var place = repository.Contains('/', StringComparison.Ordinal) ? Quoted(repository) : "path/to/this/folder";
        var start = Quoted(run.BaseModel ?? "path/to/the/base/model");
        return (!isAdapter
            ? $"""
            ```python
            # pip install torch "transformers>=4.35"
            from transformers import pipeline
            ner = pipeline("token-classification", model="{place}", aggregation_strategy="simple")
            """
            : $"""
            ```python
            # pip install torch "transformers>=4.35" peft
            from peft import PeftModel
            from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer, pipeline
            adapters = "{place}"
            base = AutoModelForTokenClassification.from_pretrained(
                "{start}", config=AutoConfig.from_pretrained(adapters), ignore_mismatched_sizes=True)
            model = PeftModel.from_pretrained(base, adapters).merge_and_unload()
            ner = pipeline("token-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(adapters), aggregation_strategy="simple")
            """)
            .ReplaceLineEndings("\n") + $$"""

            ner("Marie Curie was born in Warsaw.")
            ```

            ```csharp
            // the package NotebookLib, and one of libtorch's
            using NotebookLib.Inference;

            using var tagger = await EntityTagger.LoadAsync("{{place}}"{{(isAdapter && run.BaseModel is null ? $", baseModel: \"{start}\"" : "")}});
            foreach (var entity in tagger.Tag("Marie Curie was born in Warsaw.").Entities)
            {
                Console.WriteLine($"{entity.Type} {entity.Start}-{entity.End} {entity.Text} {entity.Score:0.00}");
            }
            ```

            """.ReplaceLineEndings("\n");
    }

    /// <summary>Within the quotes of a literal, as both languages write it.</summary>
    private static string Quoted(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
}
