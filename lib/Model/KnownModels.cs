namespace NotebookLib.Model;

/// <summary>Recognises the published DeBERTa checkpoints by their sizes, so that a wrong file is called by its name.</summary>
internal static class KnownModels
{
    private static readonly (string Name, int Hidden, int Layers)[] Known =
    [
        ("microsoft/deberta-v3-xsmall", 384, 12),
        ("microsoft/deberta-v3-small", 768, 6),
        ("microsoft/deberta-v3-base", 768, 12),
        ("microsoft/deberta-v3-large", 1024, 24),
        ("microsoft/deberta-v2-xlarge", 1536, 24),
        ("microsoft/deberta-v2-xxlarge", 1536, 48),
    ];

    /// <summary>Says what a checkpoint's tensors look like, beside what the configuration describes.</summary>
    public static string Compare(IReadOnlyDictionary<string, TensorInfo> tensors, DebertaConfig config)
    {
        var hidden = tensors.Where(pair =>
            TensorNames.Canonical(pair.Key).EndsWith("LayerNorm.weight", StringComparison.Ordinal) && pair.Value.Shape.Count == 1)
            .Select(pair => pair.Value.Shape[0]).FirstOrDefault();
        var layers = TensorNames.CountLayers(tensors.Keys.Select(TensorNames.Canonical));
        return $"The weights look like {Name(hidden, layers)}; config.json describes {Name(config.HiddenSize, config.NumHiddenLayers)}.";
    }

    private static string Name(long hidden, int layers)
    {
        var name = Known.FirstOrDefault(known => known.Hidden == hidden && known.Layers == layers).Name ?? "no published checkpoint";
        return $"{name} (hidden size {hidden}, {layers} layers)";
    }
}
