namespace NotebookLib.Model;

/// <summary>The places of a layer where something is dropped: four of the model, then the adapters' inputs.</summary>
internal enum LayerStream
{
    /// <summary>Attention probabilities.</summary>
    Weights,

    /// <summary>Output of the attention block.</summary>
    AttentionSum,

    /// <summary>Output of the feed-forward block.</summary>
    OutputSum,

    /// <summary>Relative rows.</summary>
    Relative,

    /// <summary>Adapter on the queries.</summary>
    Query,

    /// <summary>Adapter on the keys.</summary>
    Key,

    /// <summary>Adapter on the values.</summary>
    Value,

    /// <summary>Adapter on the relative rows' keys.</summary>
    PositionKey,

    /// <summary>Adapter on the relative rows' queries.</summary>
    PositionQuery,

    /// <summary>Adapter on the attention's output projection.</summary>
    AttentionOutput,

    /// <summary>Adapter on the widening projection.</summary>
    Intermediate,

    /// <summary>Adapter on the narrowing projection.</summary>
    Output,
}

/// <summary>How the streams of a pass are numbered: layer by layer, whether all of a layer's are used or not.</summary>
internal static class LayerStreams
{
    /// <summary>Streams that one layer takes.</summary>
    public const int Count = (int)LayerStream.Output + 1;

    /// <summary>The same place where relative rows pass through it: projections that positions share drop them apart.</summary>
    public static LayerStream OnPositions(this LayerStream place) => place switch
    {
        LayerStream.Query => LayerStream.PositionQuery,
        LayerStream.Key => LayerStream.PositionKey,
        _ => place,
    };
}
