using YamlDotNet.Serialization;

namespace NotebookLib.Hub;

/// <summary>The card's YAML header, which the Hub reads.</summary>
internal static class ReadmeHeader
{
    public static string Write(ModelFacts facts)
    {
        var isAdapter = facts.Training.Summary.Adapters is not null;
        var header = new Dictionary<string, object>();
        AddIf(header, "language", facts.Language is null ? null : new[] { facts.Language });
        AddIf(header, "license", facts.Licence);
        header["library_name"] = isAdapter ? "peft" : "transformers";
        header["pipeline_tag"] = "token-classification";
        AddIf(header, "base_model", facts.BaseModel);
        AddIf(header, "datasets", facts.Dataset is null ? null : new[] { facts.Dataset });
        header["metrics"] = new[] { "f1", "precision", "recall", "accuracy" };
        header["tags"] = isAdapter ? new[] { "named-entity-recognition", "deberta-v2", "lora" } : ["named-entity-recognition", "deberta-v2"];
        header["model-index"] = new[] { Index(facts) };
        return $"---\n{new SerializerBuilder().Build().Serialize(header).ReplaceLineEndings("\n")}---\n";
    }

    private static Dictionary<string, object> Index(ModelFacts facts)
    {
        var scores = facts.Scores;
        var metrics = new (string Type, double Value)[] { ("f1", scores.Micro.F1), ("precision", scores.Micro.Precision), ("recall", scores.Micro.Recall),
            ("accuracy", scores.Accuracy) };
        return new()
        {
            ["name"] = facts.Repository.Split('/')[^1],
            ["results"] = new[]
            {
                new Dictionary<string, object>
                {
                    ["task"] = new Dictionary<string, object> { ["type"] = "token-classification", ["name"] = "Named entity recognition" },
                    ["dataset"] = new Dictionary<string, object> { ["name"] = facts.DataName, ["type"] = facts.Dataset ?? facts.DataName,
                        ["split"] = facts.TestIsValidation ? "validation" : "test" },
                    ["metrics"] = metrics.Select(metric => new Dictionary<string, object> { ["type"] = metric.Type, ["value"] = Math.Round(metric.Value, 4) })
                        .ToArray(),
                },
            },
        };
    }

    private static void AddIf(Dictionary<string, object> header, string key, object? value)
    {
        if (value is not null)
        {
            header[key] = value;
        }
    }
}
