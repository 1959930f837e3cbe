using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>The relative embeddings that a batch needs, the same for every layer.</summary>
/// <param name="Rows_RC">The rows that occur, normalised where the configuration says so, [R, C].</param>
/// <param name="Positions">Which row each distance takes.</param>
internal sealed record RelativeEmbeddings(Tensor Rows_RC, RelativePositions Positions);
