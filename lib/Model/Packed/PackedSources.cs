using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model.Packed;

/// <summary>Which parameters and adapters a packed encoder was made from: adapters come and go, and moving a network replaces its parameters.</summary>
internal sealed class PackedSources(DebertaV2Encoder encoder)
{
    private readonly (Projection Projection, Parameter Weight, Module<Tensor, Tensor>? Adapter)[] _sources =
        [.. encoder.Layers.SelectMany(layer => layer.modules().OfType<Projection>()).Distinct()
            .Select(projection => (projection, projection.Weight, projection.Adapter))];

    /// <summary>False when the packed encoder has to be made anew.</summary>
    public bool AreCurrent =>
        _sources.All(source => ReferenceEquals(source.Projection.Weight, source.Weight) && ReferenceEquals(source.Projection.Adapter, source.Adapter));

    /// <summary>False when an adapter is of a kind that the kernels do not know.</summary>
    public bool ArePackable => _sources.All(source => source.Adapter is null or ILowRankAdapter { IsPlain: true });
}
