using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace NotebookLib.Bench.Reference;

/// <summary>peft 0.7.0 tuners/lora/layer.py, Linear.forward: what an adapter adds to a layer's output.</summary>
/// <param name="Down">lora_A, [rank, in].</param>
/// <param name="Up">lora_B, [out, rank].</param>
/// <param name="Scale">alpha / rank.</param>
/// <param name="DropoutProbability">nn.Dropout before lora_A.</param>
internal sealed record PlainLora(Tensor Down, Tensor Up, double Scale, double DropoutProbability)
{
    /// <summary>lora_B(lora_A(dropout(x))) · scaling.</summary>
    public Tensor Run(Tensor x, bool isTraining) =>
        F.linear(F.linear(isTraining ? F.dropout(x.to(Down.dtype), DropoutProbability) : x.to(Down.dtype), Down), Up) * Scale;
}
