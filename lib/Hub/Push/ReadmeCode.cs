namespace NotebookLib.Hub;

/// <summary>How to load the model, in Python and in C#.</summary>
internal static class ReadmeCode
{
    public static string Write(ModelFacts facts)
    {
        var (name, start) = (facts.Repository, facts.BaseModel ?? "the base model's folder");
        return facts.Training.Summary.Adapters is null
            ? $"""
            ```python
            from transformers import pipeline
            ner = pipeline("token-classification", model="{name}", aggregation_strategy="simple")
            ner("Marie Curie was born in Warsaw.")
            ```

            ```csharp
            var folder = await HubModels.FetchAsync("{name}");
            var tagger = new EntityTagger(DebertaTokenizer.Load(folder), new ModelPieceScorer(ModelFolder.Load(folder).Model));
            tagger.Tag("Marie Curie was born in Warsaw .")
            ```

            """.ReplaceLineEndings("\n")
            : $"""
            ```python
            from peft import PeftModel
            from transformers import AutoModelForTokenClassification, AutoTokenizer
            base = AutoModelForTokenClassification.from_pretrained("{start}", num_labels={facts.Labels.Count})
            model, tokenizer = PeftModel.from_pretrained(base, "{name}"), AutoTokenizer.from_pretrained("{start}")
            ```

            ```csharp
            var labels = new LabelSet([{Types(facts)}]);
            var start = await HubModels.FetchAsync("{start}");
            var model = ModelFolder.Load(start, new LoadOptions {'{'} Labels = labels {'}'}).Model;
            LoraAdapters.Load(await HubModels.FetchAsync("{name}"), model);
            ```

            """.ReplaceLineEndings("\n");
    }

    private static string Types(ModelFacts facts) => string.Join(", ", facts.Labels.Types.Select(type => $"\"{type}\""));
}
