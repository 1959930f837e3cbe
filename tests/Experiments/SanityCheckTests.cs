using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Experiments;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Tokenization;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Experiments;

[Collection(AutocastTestGroup.Name)]
public sealed class SanityCheckTests
{
    private static readonly string Tiny = Repository.PathOf("data", "tiny-deberta-v3");
    private static readonly TrainingSettings Settings = new() { BatchSize = 8, AccumulationSteps = 1, EvaluationBatchSize = 8, LearningRate = 1e-3 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_new_head_on_a_sound_model_passes_and_every_weight_is_put_back(bool withAdapters)
    {
        var (loaded, rows) = await LoadAsync();
        using var model = loaded.Model;
        using var adapters = withAdapters ? LoraAdapters.Attach(model, new(), 42) : null;
        var before = Weights(model);

        var findings = SanityCheck.Find(loaded, LabelSet.SystemA, rows, rows, Settings);

        Assert.Equal(before, Weights(model));
        Assert.Equal(["First loss", "One batch by heart", "An evaluation", "Lengths"], findings.Select(finding => finding.Name));
        // Adapters of rank 4 learn a batch more slowly than forty updates.
        Assert.All(findings.Where(finding => !withAdapters || finding.Name != "One batch by heart"), finding => Assert.True(finding.Holds, finding.ToString()));
    }

    [Fact]
    public async Task Sentences_longer_than_the_model_can_tell_positions_apart_are_said()
    {
        var (loaded, _) = await LoadAsync();
        using var model = loaded.Model;
        var length = model.Config.FarthestDistance + 1;
        EncodedSentence longest = new([.. Enumerable.Repeat(5, length)], [.. Enumerable.Repeat(0, length)], [.. Enumerable.Range(0, length)]);

        var finding = SanityCheck.Find(loaded, LabelSet.SystemA, [], [longest], Settings)[^1];

        Assert.False(finding.Holds);
        Assert.Contains("1 of 1 are longer", finding.Found, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_rows_to_train_on_only_the_evaluation_is_tried_and_foreign_pieces_are_refused()
    {
        var (loaded, rows) = await LoadAsync();
        using var model = loaded.Model;

        Assert.Equal(["An evaluation", "Lengths"], SanityCheck.Find(loaded, LabelSet.SystemA, [], rows, Settings).Select(finding => finding.Name));
        Assert.Contains("no validation sentences", SanityCheck.Run(loaded, LabelSet.SystemA, [], [], Settings).ToText(), StringComparison.Ordinal);
        var error = Assert.Throws<ArgumentException>(() =>
            SanityCheck.Run(loaded, LabelSet.SystemA, [new([1, 1_000_000, 2], [-100, 0, -100], [-1, 0, -1])], rows, Settings));
        Assert.Contains("training row 0 has the piece id 1,000,000", error.Message, StringComparison.Ordinal);
    }

    private static async Task<(Loaded<DebertaV2ForTokenClassification> Loaded, EncodedSentence[] Rows)> LoadAsync()
    {
        var splits = await Splits.ReadAsync(new() { Model = Tiny, Dataset = "data/sample", TrainRows = 32 }, LabelSet.SystemA,
            cancellation: TestContext.Current.CancellationToken);
        return (ModelFolder.Load(Tiny, new LoadOptions { Labels = LabelSet.SystemA }),
            new SentenceEncoder(DebertaTokenizer.Load(Tiny)).EncodeAll(splits.Train));
    }

    private static List<float> Weights(DebertaV2ForTokenClassification model)
    {
        using var scope = NewDisposeScope();
        return [.. model.parameters().Where(parameter => parameter.requires_grad).SelectMany(parameter => parameter.detach().data<float>().ToArray())];
    }
}
