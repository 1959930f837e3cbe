namespace NotebookLib.Lora;

/// <summary>A linear layer that carries an adapter.</summary>
/// <param name="Name">Its name in the model, for instance <c>deberta.encoder.layer.0.attention.self.query_proj</c>.</param>
/// <param name="InputWidth">Columns of its weight.</param>
/// <param name="OutputWidth">Rows of its weight.</param>
/// <param name="Rank">Width of the adapter's inner layer.</param>
public sealed record AdaptedModule(string Name, long InputWidth, long OutputWidth, int Rank)
{
    /// <summary>Parameters of A and B.</summary>
    public long Parameters => Rank * (InputWidth + OutputWidth);
}
