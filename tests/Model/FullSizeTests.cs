using System.Text.Json;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>Names and shapes of the real sizes, and the real encoder beside the checkout; the numbers of full-size networks are `verify`'s.</summary>
public class FullSizeTests
{
    [Theory]
    [InlineData("xsmall")]
    [InlineData("base")]
    [InlineData("large")]
    public void Parameter_names_and_shapes_equal_the_checkpoints(string size)
    {
        var golden = JsonSerializer.Deserialize<Dictionary<string, long[]>>(
            File.ReadAllText(Repository.Shared("reference", "full-size", size, "parameters.json")))!;
        var config = DebertaConfig.Read(Repository.Shared("reference", "full-size", size, "config.json"));
        using var model = new DebertaV2ForTokenClassification(new ModelBuild(config, float32, META, new DropoutRandom(0)));

        Assert.Equal(
            golden.Select(pair => $"{pair.Key} [{string.Join(", ", pair.Value)}]").Order(StringComparer.Ordinal),
            model.named_parameters().Select(pair => $"{pair.name} [{string.Join(", ", pair.parameter.shape)}]").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Hidden_states_of_the_real_encoder_equal_the_Python_stacks()
    {
        using var scope = NewDisposeScope();
        var folder = Repository.Shared("weights", "deberta-v3-xsmall-derived");
        using var expected = JsonDocument.Parse(File.ReadAllText(Repository.Shared("weights", "expected.json")));
        using var model = ModelFolder.Load(folder).Model;
        using var noGradients = no_grad();

        foreach (var sentence in expected.RootElement.GetProperty("hidden_states").EnumerateArray())
        {
            var ids = tensor(sentence.GetProperty("input_ids").EnumerateArray().Select(id => id.GetInt64()).ToArray()).unsqueeze(0);
            var states = model.Deberta.HiddenStates(ids, ones_like(ids));
            var layers = sentence.GetProperty("per_layer").EnumerateArray().ToList();
            Assert.Equal(layers.Count, states.Count);
            foreach (var (state, layer) in states.Zip(layers))
            {
                Numbers.AssertClose(state.mean(), layer.GetProperty("mean").GetDouble(), 1e-5, "mean");
                Numbers.AssertClose(state.std(), layer.GetProperty("std").GetDouble(), 1e-5, "standard deviation");
                Numbers.AssertClose(state[0, 0, ..4], Values(layer, "first"), 1e-4, "first");
                Numbers.AssertClose(state[0, -1, ^4..], Values(layer, "last"), 1e-4, "last");
            }
        }
    }

    private static Tensor Values(JsonElement layer, string name) =>
        tensor(layer.GetProperty(name).EnumerateArray().Select(value => value.GetSingle()).ToArray());
}
