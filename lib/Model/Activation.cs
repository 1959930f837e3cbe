using static TorchSharp.torch;
using F = TorchSharp.torch.nn.functional;

namespace NotebookLib.Model;

/// <summary>Activation functions by their names in <c>config.json</c> (transformers 4.35.2 <c>activations.py</c>, ACT2FN).</summary>
internal static class Activation
{
    /// <summary>The function of a name.</summary>
    /// <param name="name">For instance <c>gelu</c>.</param>
    /// <param name="key">The configuration's key, for the message.</param>
    /// <exception cref="NotSupportedException">The name is not ported.</exception>
    public static Func<Tensor, Tensor> ByName(string name, string key) => name switch
    {
        "gelu" => F.gelu,
        "gelu_new" or "gelu_pytorch_tanh" or "gelu_fast" => GeluTanh,
        "relu" => x => F.relu(x),
        "tanh" => tanh,
        "sigmoid" => sigmoid,
        "silu" or "swish" => x => F.silu(x),
        "mish" => x => F.mish(x),
        "linear" => x => x.alias(),
        _ => throw new NotSupportedException(
            $"{key} \"{name}\" is not supported; this port has gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, tanh, sigmoid, silu, "
                + "swish, mish and linear."),
    };

    // x/2 · (1 + tanh(√(2/π)(x + 0.044715 x³))), Hendrycks and Gimpel 2016 §2; the three names differ only in how they write it.
    private static Tensor GeluTanh(Tensor x) => 0.5 * x * (1 + tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x.pow(3))));
}
