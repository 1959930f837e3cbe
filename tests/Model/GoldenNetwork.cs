using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>One golden folder (config, weights, inputs, expectations) with the network that it describes.</summary>
internal sealed class GoldenNetwork : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Dictionary<string, Tensor> _inputs;

    public GoldenNetwork(string folder, ScalarType dtype, params string[] expectedFiles)
    {
        Model = ModelFolder.Load(folder, new LoadOptions { Dtype = dtype, IsStrict = true }).Model;
        _inputs = SafetensorsFile.ReadAll(Path.Combine(folder, "inputs.safetensors"));
        Expected = expectedFiles.SelectMany(file => SafetensorsFile.ReadAll(Path.Combine(folder, file))).ToDictionary();
        IsReal = Mask.to(ScalarType.Bool);
    }

    public DebertaV2ForTokenClassification Model { get; }

    public Dictionary<string, Tensor> Expected { get; }

    public Tensor Ids => _inputs["input_ids"];

    public Tensor Mask => _inputs["attention_mask"];

    public Tensor Labels => _inputs["labels"];

    /// <summary>Only unpadded places count.</summary>
    public Tensor IsReal { get; }

    public void Dispose()
    {
        Model.Dispose();
        _scope.Dispose();
    }

    /// <summary>Logits, loss, every hidden state that the golden has.</summary>
    public void AssertForward(double tolerance)
    {
        using var logits = Model.call(Ids, Mask);
        Numbers.AssertClose(logits[IsReal], Expected["logits"][IsReal], tolerance, "logits");
        using var loss = DebertaV2ForTokenClassification.Loss(logits, Labels);
        Numbers.AssertClose(loss, Expected["loss"].squeeze(), tolerance, "loss");
        var states = Model.Deberta.HiddenStates(Ids, Mask);
        Assert.Equal(Model.Config.NumHiddenLayers + 1, states.Count);
        for (var layer = 0; layer < states.Count; layer++)
        {
            Numbers.AssertClose(states[layer][IsReal], Expected[$"hidden_states.{layer}"][IsReal], tolerance, $"hidden_states.{layer}");
        }
    }

    /// <summary>Every gradient that the golden has.</summary>
    public void AssertGradients(double tolerance)
    {
        using var loss = DebertaV2ForTokenClassification.Loss(Model.call(Ids, Mask), Labels);
        loss.backward();
        var parameters = Model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        var goldens = Expected.Where(pair => pair.Key.StartsWith("grad.", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(goldens);
        foreach (var (name, golden) in goldens)
        {
            Numbers.AssertClose(parameters[name["grad.".Length..]].grad!, golden, tolerance, name);
        }
    }
}
