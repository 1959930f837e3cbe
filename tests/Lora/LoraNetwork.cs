using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Lora;

/// <summary>The base that PEFT's golden adapters sit on: 3 layers, hidden 32, shared keys.</summary>
internal static class LoraNetwork
{
    public static string Folder { get; } = Repository.PathOf("tests", "goldens", "lora");

    public static string AdapterFolder { get; } = Path.Combine(Folder, "adapter");

    public static DebertaV2ForTokenClassification Load() => ModelFolder.Load(Path.Combine(Folder, "base")).Model;

    /// <summary>Bytes of every parameter that is no adapter's, by name.</summary>
    public static Dictionary<string, byte[]> BaseBytes(nn.Module model) => model.named_parameters()
        .Where(pair => !pair.name.Contains("lora_", StringComparison.Ordinal))
        .ToDictionary(pair => pair.name, pair => pair.parameter.bytes.ToArray(), StringComparer.Ordinal);

    /// <summary>Logits of a batch of two, in evaluation.</summary>
    public static float[] Logits(DebertaV2ForTokenClassification model)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        model.eval();
        return model.call(tensor(new long[,] { { 1, 5, 9, 44, 2, 0 }, { 1, 7, 8, 9, 10, 2 } }),
            tensor(new long[,] { { 1, 1, 1, 1, 1, 0 }, { 1, 1, 1, 1, 1, 1 } }))
            .data<float>().ToArray();
    }
}
