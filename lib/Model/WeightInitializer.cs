using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>
/// New weights as transformers 4.35.2 makes them (DebertaV2PreTrainedModel._init_weights): normal(0, initializer_range), biases 0, LayerNorm 1 and 0,
/// the padding row 0. The numbers come from libtorch's generator, so a new head equals the Python stack's after <c>set_seed(seed)</c>.
/// </summary>
public static class WeightInitializer
{
    /// <summary>Fills every parameter of a module.</summary>
    /// <param name="module">A network or a part of one.</param>
    /// <param name="config">For the standard deviation and the padding id.</param>
    /// <param name="seed">Seeds a generator of its own; the global one is left alone.</param>
    public static void Initialize(Module module, DebertaConfig config, long seed)
    {
        ArgumentNullException.ThrowIfNull(module);
        ArgumentNullException.ThrowIfNull(config);
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var generator = new Generator((ulong)seed);
        foreach (var (name, parameter) in module.named_parameters())
        {
            Fill(name, parameter, config, generator);
        }
    }

    private static void Fill(string name, Parameter parameter, DebertaConfig config, Generator generator)
    {
        if (name.EndsWith("LayerNorm.weight", StringComparison.Ordinal))
        {
            parameter.fill_(1);
        }
        else if (name.EndsWith("bias", StringComparison.Ordinal))
        {
            parameter.zero_();
        }
        else
        {
            // Drawn in float32 whatever the dtype, so that a float64 model starts from the same numbers.
            parameter.copy_(empty(parameter.shape, ScalarType.Float32).normal_(0, config.InitializerRange, generator));
            if (name.EndsWith("word_embeddings.weight", StringComparison.Ordinal))
            {
                parameter.select(0, config.PadTokenId).zero_();
            }
        }
    }
}
