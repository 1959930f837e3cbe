namespace NotebookLib.Lora;

/// <summary>A layer that carries an adapter.</summary>
/// <param name="Name">Its name in the model, for instance <c>deberta.encoder.layer.0.attention.self.query_proj</c>.</param>
/// <param name="InputWidth">Columns of its weight; for word embeddings the vocabulary.</param>
/// <param name="OutputWidth">Rows of its weight; for word embeddings the vectors' width.</param>
/// <param name="Rank">Width of the adapter's inner layer.</param>
internal sealed record AdaptedModule(string Name, long InputWidth, long OutputWidth, int Rank)
{
    /// <summary>Parameters of A and B, and of a bias or magnitudes where the adapter has them.</summary>
    public long Parameters { get; init; } = Rank * (InputWidth + OutputWidth);

    /// <summary>Factor of the adapter's output.</summary>
    public double Scale { get; init; }
}
