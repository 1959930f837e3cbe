using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// Which trainable parameters decay: all but biases and LayerNorm weights (transformers 4.35.2, trainer.py <c>get_decay_parameter_names</c>: whatever
/// lies in a LayerNorm and whatever has <c>bias</c> in its name stays out).
/// </summary>
/// <param name="Decayed">Names and parameters with weight decay, in the model's order.</param>
/// <param name="Undecayed">Names and parameters without.</param>
internal sealed record ParameterGroups(IReadOnlyList<(string Name, Parameter Value)> Decayed, IReadOnlyList<(string Name, Parameter Value)> Undecayed)
{
    /// <summary>Sorts the parameters of a model that require a gradient.</summary>
    /// <exception cref="ArgumentException">None requires one.</exception>
    public static ParameterGroups Of(nn.Module model)
    {
        var trained = model.named_parameters().Where(pair => pair.parameter.requires_grad).ToList();
        if (trained.Count == 0)
        {
            throw new ArgumentException("No parameter of the model requires a gradient: there is nothing to train. Unfreeze the model or add adapters.",
                nameof(model));
        }

        var norms = model.named_modules().Where(pair => pair.module is LayerNorm).Select(pair => pair.name + ".").ToHashSet(StringComparer.Ordinal);
        var groups = trained.ToLookup(pair => Decays(pair.name, norms));
        return new([.. groups[true]], [.. groups[false]]);
    }

    private static bool Decays(string name, HashSet<string> norms) =>
        !name.Contains("bias", StringComparison.Ordinal) && !norms.Contains(name[..(name.LastIndexOf('.') + 1)]);
}
