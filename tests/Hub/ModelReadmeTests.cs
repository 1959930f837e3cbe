using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using NotebookLib.Data;
using NotebookLib.Hub;
using NotebookLib.Lora;
using NotebookLib.Metrics;
using NotebookLib.Training;
using YamlDotNet.Serialization;

namespace NotebookLib.Tests.Hub;

public sealed class ModelReadmeTests
{
    private const string Place = "org/tuned: a \"name\"";

    private static RunRecord Facts()
    {
        string[][] gold = [["B-PER", "I-PER", "O"], ["B-LOC", "O", "B-PER"]];
        string[][] predicted = [["B-PER", "I-PER", "O"], ["B-LOC", "O", "B-LOC"]];
        var summary = new RunSummary
        {
            Device = "cpu, 2 threads",
            TotalParameters = 1000,
            TrainedParameters = 900,
            TrainingRows = 12800,
            EvaluationRows = 1280,
            Versions = new Dictionary<string, string> { ["libtorch"] = "2.10" },
            Commit = "0123456789abcdef",
            Settings = new TrainingSettings { WarmupUpdates = 5 },
        };
        LoggedEvaluation At(int update, double f1, bool isBest) =>
            new(update, 0.1, new Dictionary<string, double> { ["loss"] = 0.5, ["f1"] = f1 }, new Dictionary<string, double>(), 1, isBest);
        var history = new TrainingHistory([new(10, 0.1, 2.5, 5e-5, 1, 1000, 10), new(20, 0.2, 1.5, 2.5e-5, 1, 3000, 20)],
            [At(10, 0.4, true), At(20, 0.6, true)]);
        return new RunRecord
        {
            Id = "20261127-demo",
            Started = DateTimeOffset.UnixEpoch,
            System = "base-B",
            Profile = "demo",
            BaseModel = "microsoft/deberta-v3-base",
            Labels = LabelSet.SystemB,
            DataName = "MultiNERD | English",
            Dataset = "Babelscape/multinerd",
            Language = "en",
            Licence = "cc-by-nc-sa-4.0",
            Splits = [SplitStatistics.Of("train", [new(["Marie"], [1])], LabelSet.SystemB)],
            Scores = SequenceScores.Compute(gold, predicted, EntityScheme.Lenient),
            Strict = SequenceScores.Compute(gold, predicted, EntityScheme.StrictIob2),
            Training = new TrainingResult(TrainingEnd.Finished, "done", 100, history, "/out/last", "/out/best", summary, 125, 0.5, []),
        };
    }

    [Fact]
    public void The_header_is_YAML_that_the_Hub_reads()
    {
        var text = ModelReadme.Write(Facts(), Place);
        var header = new DeserializerBuilder().Build().Deserialize<Dictionary<string, object>>(text.Split("---\n")[1]);

        Assert.StartsWith("---\n", text, StringComparison.Ordinal);
        Assert.Equal(("cc-by-nc-sa-4.0", "transformers", "token-classification", "microsoft/deberta-v3-base"),
            (header["license"], header["library_name"], header["pipeline_tag"], header["base_model"]));
        var index = (Dictionary<object, object>)((List<object>)header["model-index"])[0];
        Assert.Equal("tuned: a \"name\"", index["name"]);
        var metrics = (List<object>)((Dictionary<object, object>)((List<object>)index["results"])[0])["metrics"];
        Assert.Equal("0.6667", ((Dictionary<object, object>)metrics[0])["value"]);
    }

    [Fact]
    public void The_card_holds_counts_scores_settings_and_curves_of_the_run()
    {
        var text = ModelReadme.Write(Facts(), Place);

        Assert.Contains("| LOC | 0.5000 | 1.0000 | 0.6667 | 1 |", text, StringComparison.Ordinal);
        Assert.Contains("| train | 1 | 1 | 1 |", text, StringComparison.Ordinal);
        Assert.Contains("| learning rate | 0.00005, Linear, warm-up 5 updates |", text, StringComparison.Ordinal);
        // 100 updates of 8 micro-batches, 800 an epoch; the settings' three epochs are not what was done.
        Assert.Contains("| epochs, updates | 1, 100 |", text, StringComparison.Ordinal);
        Assert.Contains("| 20 (best) | 1.5000 | 0.5000 | 0.6000 |", text, StringComparison.Ordinal);
        Assert.Contains("line [0.4000, 0.6000]", text, StringComparison.Ordinal);
        Assert.Contains("MultiNERD | English", text, StringComparison.Ordinal);
        Assert.Contains("CC BY-NC-SA 4.0", text, StringComparison.Ordinal);
        Assert.Contains("await EntityTagger.LoadAsync(\"org/tuned: a \\\"name\\\"\")", text, StringComparison.Ordinal);
        Assert.Contains("pipeline(\"token-classification\", model=\"org/tuned", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_short_run_s_card_counts_the_epochs_that_were_made()
    {
        var facts = Facts();

        Assert.Contains("| epochs, updates | 0.06, 6 |", ModelReadme.Write(facts with { Training = facts.Training! with { Updates = 6 } }),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Scores_on_validation_are_called_so_and_a_language_that_nobody_knows_is_left_out()
    {
        var (tested, own) = (ModelReadme.Write(Facts(), Place), ModelReadme.Write(Facts() with { Language = null, TestIsValidation = true }));

        Assert.Contains("language:\n- en\n", tested, StringComparison.Ordinal);
        Assert.Contains("split: test\n", tested, StringComparison.Ordinal);
        Assert.Contains("Test split, 2 sentences", tested, StringComparison.Ordinal);
        Assert.DoesNotContain("language:", own, StringComparison.Ordinal);
        Assert.Contains("split: validation\n", own, StringComparison.Ordinal);
        Assert.Contains("Validation split, 2 sentences", own, StringComparison.Ordinal);
        Assert.Contains("There was no test data", own, StringComparison.Ordinal);
        Assert.DoesNotContain("Test split", own, StringComparison.Ordinal);
    }

    [Fact]
    public void An_adapter_s_card_names_its_base_and_how_to_put_it_on()
    {
        var facts = Facts();
        facts = facts with { Training = facts.Training! with { Summary = facts.Training!.Summary with { Adapters = new LoraSettings(), AdaptedLayers = 24 } } };
        var text = ModelReadme.Write(facts, Place);

        Assert.Contains("library_name: peft", text, StringComparison.Ordinal);
        Assert.Contains("| adapters | r 4, alpha 8, dropout 0.1 on query_proj, key_proj; 24 layers |", text, StringComparison.Ordinal);
        Assert.Contains("AutoConfig.from_pretrained(adapters)", text, StringComparison.Ordinal);
        Assert.Contains("tokenizer=AutoTokenizer.from_pretrained(adapters)", text, StringComparison.Ordinal);
        Assert.Contains("EntityTagger.LoadAsync(\"org/tuned: a \\\"name\\\"\");", text, StringComparison.Ordinal);
        Assert.Contains(
            "EntityTagger.LoadAsync(\"path/to/this/folder\", baseModel: \"path/to/the/base/model\");",
            ModelReadme.Write(facts with { BaseModel = null }), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_C_sharp_of_a_card_compiles_as_it_stands(bool isAdapter)
    {
        var facts = Facts();
        facts = facts with
        {
            BaseModel = null,
            Training = facts.Training! with { Summary = facts.Training!.Summary with { Adapters = isAdapter ? new LoraSettings() : null } }
        };
        var code = ModelReadme.Write(facts, Place).Split("```csharp\n")[1].Split("```")[0];
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Append(typeof(ModelReadme).Assembly.Location)
            .Distinct();

        var compilation = CSharpCompilation.Create(
            "card", [CSharpSyntaxTree.ParseText(code, cancellationToken: TestContext.Current.CancellationToken),
                CSharpSyntaxTree.ParseText("global using System; global using System.Threading.Tasks;",
                cancellationToken: TestContext.Current.CancellationToken)],
            references.Select(path => MetadataReference.CreateFromFile(path)), new CSharpCompilationOptions(OutputKind.ConsoleApplication));

        Assert.DoesNotContain(compilation.GetDiagnostics(TestContext.Current.CancellationToken), diagnostic => diagnostic.Severity == DiagnosticSeverity.Error);
    }
}
