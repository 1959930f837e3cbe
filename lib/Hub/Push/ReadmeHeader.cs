using NotebookLib.Training;
using YamlDotNet.Serialization;

namespace NotebookLib.Hub;

/// <summary>The card's YAML header, which the Hub reads.</summary>
internal static class ReadmeHeader
{
    public static string Write(RunRecord run, string place, bool isAdapter)
    {
        var header = new Dictionary<string, object>();
        AddIf(header, "language", run.Language is null ? null : new[] { run.Language });
        AddIf(header, "license", run.Licence);
        header["library_name"] = isAdapter ? "peft" : "transformers";
        header["pipeline_tag"] = "token-classification";
        AddIf(header, "base_model", run.BaseModel);
        AddIf(header, "datasets", run.Dataset is null ? null : new[] { run.Dataset });
        header["metrics"] = new[] { "f1", "precision", "recall", "accuracy" };
        header["tags"] = isAdapter ? new[] { "named-entity-recognition", "deberta-v2", "lora" } : ["named-entity-recognition", "deberta-v2"];
        header["model-index"] = new[] { Index(run, place) };
        return $"---\n{new SerializerBuilder().Build().Serialize(header).ReplaceLineEndings("\n")}---\n";
    }

    private static Dictionary<string, object> Index(RunRecord run, string place)
    {
        var scores = run.Scores;
        var metrics = new (string Type, double Value)[] { ("f1", scores.Micro.F1), ("precision", scores.Micro.Precision), ("recall", scores.Micro.Recall),
            ("accuracy", scores.Accuracy) };
        return new()
        {
            ["name"] = place.Split('/')[^1],
            ["results"] = new[]
            {
                new Dictionary<string, object>
                {
                    ["task"] = new Dictionary<string, object> { ["type"] = "token-classification", ["name"] = "Named entity recognition" },
                    ["dataset"] = new Dictionary<string, object> { ["name"] = run.DataName, ["type"] = run.Dataset ?? run.DataName,
                        ["split"] = run.TestIsValidation ? "validation" : "test" },
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
