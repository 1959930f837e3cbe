using NotebookLib.Charts;
using NotebookLib.Display;
using NotebookLib.Lora;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Display;

[Collection(nameof(NotebookHostTests))]
public class ModelCardTests
{
    private static readonly LoadReport Report =
        new("model.safetensors", ["deberta.embeddings.word_embeddings.weight"], ["classifier.weight", "classifier.bias"], [], ["lm_predictions.lm_head.bias"]);

    [Fact]
    public void The_card_counts_parameters_by_part_and_names_new_weights()
    {
        using var model = TinyModel();
        model.Deberta.parameters().ToList().ForEach(parameter => parameter.requires_grad = false);

        var text = ModelCard.Create(model, Report, "tiny").ToText();

        // Head: 3 labels × width 8 and 3 biases.
        Assert.Matches(@"trained +27  \(", text);
        Assert.Matches(@"head +2 +27 +27", text);
        Assert.Matches(@"word embeddings +\d+ +[\d,]+ +0", text);
        Assert.Matches(@"missing +2  not in the checkpoint, new +classifier.weight, classifier.bias", text);
        Assert.Contains("2 layers, width 8, 2 heads of 4, feed-forward 16", text, StringComparison.Ordinal);
        Assert.Contains("relative, c2p and p2c, 4 logarithmic buckets a side, shared keys", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_without_a_place_are_a_warning()
    {
        using var model = TinyModel();

        var card = ModelCard.Create(model, Report with { Unexpected = ["strange.<weight>"] }, "tiny");

        Assert.Contains("1 tensors of the checkpoint have no place here", Assert.Single(card.Warnings), StringComparison.Ordinal);
        Assert.Contains("strange.&lt;weight&gt;", card.ToHtml(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_adapters_card_lists_what_is_adapted_and_warns_when_nothing_is()
    {
        using var model = TinyModel();
        Assert.Contains("No projection carries an adapter", ModelCard.Adapters(model, new LoraSettings { Rank = 4 }).ToText(), StringComparison.Ordinal);
        foreach (var (name, module) in model.named_modules().Where(pair => pair.name.EndsWith("query_proj", StringComparison.Ordinal)).ToList())
        {
            ((Projection)module).AttachAdapter("lora_A", nn.Linear(8, 8, hasBias: false));
        }

        var text = ModelCard.Adapters(model, new LoraSettings { Rank = 4, Alpha = 8.0 }).ToText();

        Assert.Matches(@"query_proj +2 +128 +deberta\.encoder\.layer\.0\.", text);
        Assert.Matches("rank +4 +.α 8, so scale 2", text);
        Assert.DoesNotContain("No projection", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_set_up_view_carries_plotly_for_all_charts_where_the_page_does_not()
    {
        PlotlyScript.ForgetCarrier();

        var setup = new SetupView();

        Assert.Contains("plotly.js v2.28.0", setup.ToHtml(), StringComparison.Ordinal);
        Assert.DoesNotContain("plotly.js v2", DataCharts.Lengths([1, 2]).ToHtml(), StringComparison.Ordinal);
        Assert.StartsWith("NotebookLib ", setup.ToText(), StringComparison.Ordinal);
    }

    private static DebertaV2ForTokenClassification TinyModel()
    {
        var config = new DebertaConfig
        {
            VocabSize = 20,
            HiddenSize = 8,
            NumHiddenLayers = 2,
            NumAttentionHeads = 2,
            IntermediateSize = 16,
            RelativeAttention = true,
            PositionBuckets = 4,
            PosAttType = ["c2p", "p2c"],
            ShareAttKey = true,
            PositionBiasedInput = false,
            Labels = ["O", "B-PER", "I-PER"],
        };
        return new(new ModelBuild(config, ScalarType.Float32, CPU, new DropoutRandom(1)));
    }
}
