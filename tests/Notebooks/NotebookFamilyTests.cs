using System.Text.RegularExpressions;

namespace NotebookLib.Tests.Notebooks;

/// <summary>The three notebooks are one family: the same steps in the same order, and other code only where the experiment is another.</summary>
public sealed partial class NotebookFamilyTests
{
    private const int MostLines = 12;
    private const int MostColumns = 120;

    private static readonly string[] Names = ["ner_deberta_base_A", "ner_deberta_base_B", "ner_deberta_large_lora_A"];

    [Fact]
    public void There_are_the_three_of_the_original()
        => Assert.Equal(Names, Directory.EnumerateFiles(Repository.PathOf("notebooks")).Select(Path.GetFileNameWithoutExtension).Order(StringComparer.Ordinal));

    [Fact]
    public void They_have_the_same_sections_and_their_code_differs_where_the_experiments_do()
    {
        var sections = Names.Select(name => Heading().Matches(File.ReadAllText(Repository.PathOf("notebooks", name + ".dib"))).Select(match => match.Value))
            .ToList();
        Assert.Equal(sections[0], sections[1]);
        Assert.Equal(sections[0], sections[2]);

        var (a, b, lora) = (Code(Names[0]), Code(Names[1]), Code(Names[2]));
        Assert.All((string[])["LoraAdapters", "LoraSettings", "FrozenWeights", "RecomputesActivations", "TrainsHeadOnly"],
            word => Assert.DoesNotContain(word, a + b, StringComparison.Ordinal));
        Assert.All((string[])["LoraAdapters.Attach(model, lora", "new LoraSettings", "[\"query_proj\", \"key_proj\"]", "TrainsHeadOnly = true"],
            word => Assert.Contains(word, lora, StringComparison.Ordinal));
        Assert.DoesNotContain("MapTo", a + lora, StringComparison.Ordinal);
        Assert.Contains("source.MapTo(labels)", b, StringComparison.Ordinal);
        // Systems A and B differ in their labels and their names; every other cell is the same.
        Assert.Equal(4, CodeCells(Names[0]).Zip(CodeCells(Names[1])).Count(pair => pair.First != pair.Second));
    }

    [Theory]
    [InlineData("tokenizer.EncodeWords(")]
    [InlineData("LabelAligner.AlignLabels(")]
    [InlineData("new SentenceEncoder(tokenizer)")]
    [InlineData("ModelFolder.Load(modelFolder, options)")]
    [InlineData("new TrainingSettings\n{")]
    [InlineData("new Trainer(model, labels, training, validation, plan, observers)")]
    [InlineData("trainer?.Train(Interruption.Token)")]
    [InlineData("TokenEvaluation.Run(model, labels, test, settings, keepPredictions: true, Interruption.Token)")]
    [InlineData("JudgedSplit.Of(splits.Test, test, tested, labels)")]
    [InlineData("await EntityTagger.LoadAsync(saved")]
    public void Cells_use_the_librarys_own_pieces(string piece) => Assert.All(Names, name => Assert.Contains(piece, Code(name), StringComparison.Ordinal));

    [Fact]
    public void Every_argument_of_the_originals_training_stands_in_the_parameter_cell()
    {
        string[] arguments =
        [
            "Seed", "Epochs", "MaximumUpdates", "BatchSize", "AccumulationSteps", "EvaluationBatchSize", "LearningRate", "WeightDecay", "Schedule",
            "WarmupRatio", "MaximumGradientNorm", "Precision",
            "LogEvery", "EvaluateEvery", "SaveEvery", "KeepCheckpoints", "BestMetric", "LoadBestAtEnd", "EarlyStoppingPatience",
        ];
        Assert.All(Names, name => Assert.All(arguments, argument => Assert.Matches($@"(?m)^    {argument} = ", CodeCells(name).Single(IsParameters))));
    }

    [Fact]
    public void Cells_are_short_and_end_with_something_to_see()
    {
        foreach (var cell in Names.SelectMany(CodeCells))
        {
            var lines = cell.Split('\n').Where(line =>
                !line.StartsWith("using ", StringComparison.Ordinal) && !line.StartsWith("#r ", StringComparison.Ordinal)).ToList();

            Assert.All(lines, line => Assert.True(line.Length <= MostColumns, $"{line.Length} columns: {line}"));
            Assert.True(IsParameters(cell) || lines.Count <= MostLines, $"{lines.Count} lines:\n{cell}");
            Assert.False(!IsParameters(cell) && lines[^1].EndsWith(';'), $"ends with a statement, so nothing is shown:\n{cell}");
        }
    }

    [Fact]
    public void A_name_is_declared_in_one_cell()
    {
        foreach (var name in Names)
        {
            var twice = CodeCells(name).SelectMany(cell => Declaration().Matches(cell).Select(match => match.Groups[1].Value).Distinct())
                .GroupBy(variable => variable).Where(group => group.Count() > 1);

            Assert.Empty(twice.Select(group => group.Key));
        }
    }

    [Fact]
    public void Prose_tells_each_notebooks_own_story()
    {
        var prose = Names.Select(name => Cells(name).Where(cell => cell.Kernel == "markdown").Select(cell => cell.Text).ToList()).ToList();

        Assert.All(Names, (name, i) => Assert.Contains($"notebooks/{name}.dib", prose[i][0], StringComparison.Ordinal));
        Assert.Contains("cuts the graph", string.Join('\n', prose[2]), StringComparison.Ordinal);
        Assert.Contains("loaded nothing", string.Join('\n', prose[0]), StringComparison.Ordinal);
        Assert.Contains("twice", string.Join('\n', prose[1]), StringComparison.Ordinal);
    }

    private static string Code(string name) => string.Join('\n', CodeCells(name));

    private static IEnumerable<string> CodeCells(string name) => Cells(name).Where(cell => cell.Kernel == "csharp").Select(cell => cell.Text);

    private static IEnumerable<(string Kernel, string Text)> Cells(string name)
    {
        var text = File.ReadAllText(Repository.PathOf("notebooks", name + ".dib"));
        var starts = Selector().Matches(text);
        return starts.Select((start, i) =>
            (start.Groups[1].Value, text[(start.Index + start.Length)..(i + 1 < starts.Count ? starts[i + 1].Index : text.Length)].Trim('\n')));
    }

    private static bool IsParameters(string cell) => cell.StartsWith("// parameters", StringComparison.Ordinal);

    [GeneratedRegex(@"^#!(csharp|markdown)$", RegexOptions.Multiline)]
    private static partial Regex Selector();

    [GeneratedRegex("^#{1,3} (?!DeBERTa).*$", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^(?:var|string\??|int\[\]|ITrainingObserver\[\]) (\w+) = ", RegexOptions.Multiline)]
    private static partial Regex Declaration();
}
