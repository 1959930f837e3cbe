namespace NotebookLib.Hub;

/// <summary>How to use the model, in Python and in C#.</summary>
internal static class ReadmeCode
{
    public static string Write(ModelFacts facts)
    {
        // A run's own name, which stands there until it is published, is no place.
        var place = facts.Repository.Contains('/', StringComparison.Ordinal) ? Quoted(facts.Repository) : "path/to/this/folder";
        var start = Quoted(facts.BaseModel ?? "path/to/the/base/model");
        return (facts.Training.Summary.Adapters is null
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

            using var tagger = await EntityTagger.LoadAsync("{{place}}"{{(facts is { Training.Summary.Adapters: not null, BaseModel: null } ? $", baseModel: \"{start}\"" : "")}});
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
