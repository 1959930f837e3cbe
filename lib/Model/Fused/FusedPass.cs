using NotebookLib.Kernels;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>
/// What all layers of one pass share. A pass may hold the sentences of several micro-batches at once: each is a <see cref="FusedGroup"/> that draws its
/// dropout and reads its relative rows as if it went through alone, so that one pass gives the gradient of many.
/// </summary>
/// <param name="Groups">At least one; their rows, and their relative rows, lie one after another.</param>
/// <param name="RelativeRows">The groups' relative embeddings that can occur, [U, C], float32.</param>
/// <param name="Seed">Seed of the dropout streams.</param>
/// <param name="FirstStream">Number of the first group's first dropout stream; 0 streams are used where nothing is dropped.</param>
/// <param name="StreamStep">From a group's first stream to the next one's.</param>
/// <param name="IsTraining">Whether dropout is on.</param>
internal sealed record FusedPass(IReadOnlyList<FusedGroup> Groups, Tensor RelativeRows, ulong Seed, ulong FirstStream, ulong StreamStep, bool IsTraining)
{
    /// <summary>N, pieces of all groups.</summary>
    public int RowCount => Groups[^1].FirstRow + Groups[^1].Shape.Rows;

    /// <summary>Attention probabilities of one head, all groups together.</summary>
    public long ScoresPerHead => Groups[^1].FirstScore + Groups[^1].Shape.ScoresPerHead;

    /// <summary>Which elements a group drops.</summary>
    public DropoutStream Stream(int group, DropoutSite site) =>
        new(Seed, FirstStream + ((ulong)group * StreamStep) + (ulong)site.Stream, IsTraining ? site.Probability : 0);

    /// <summary>Tables of the pass on its device, made by the first layer that needs them; null on the CPU.</summary>
    public PassTables? Tables { get; set; }
}

/// <summary>One micro-batch of a pass.</summary>
/// <param name="Shape">Its sentences.</param>
/// <param name="Distances">The relative row of each distance.</param>
/// <param name="FirstRow">Its first row among the pass's.</param>
/// <param name="FirstRelativeRow">Its first relative row among the pass's.</param>
/// <param name="FirstScore">Scores of one head in the groups before it.</param>
internal sealed record FusedGroup(RaggedShape Shape, RelativePositions Distances, int FirstRow, int FirstRelativeRow, long FirstScore)
{
    /// <summary>Lays groups one after another.</summary>
    /// <param name="lengths">Pieces of each sentence, group by group.</param>
    /// <param name="positions">The relative positions of a group whose longest sentence has so many pieces.</param>
    public static IReadOnlyList<FusedGroup> Chain(IReadOnlyList<int[]> lengths, Func<int, RelativePositions> positions)
    {
        List<FusedGroup> groups = [];
        var (row, relative, score) = (0, 0, 0L);
        foreach (var own in lengths)
        {
            var shape = new RaggedShape(own);
            groups.Add(new(shape, positions(shape.Longest), row, relative, score));
            (row, relative, score) = (row + shape.Rows, relative + groups[^1].Distances.Count, score + shape.ScoresPerHead);
        }

        return groups;
    }
}

/// <summary>A place where something is dropped.</summary>
/// <param name="Stream">Number of its stream, counted from the group's first.</param>
/// <param name="Probability">That an element becomes zero, in [0, 1).</param>
/// <param name="IsRelative">Whether relative rows are dropped, not pieces'.</param>
internal readonly record struct DropoutSite(int Stream, double Probability, bool IsRelative)
{
    /// <summary>The site of one of a layer's streams.</summary>
    public static DropoutSite Of(int layer, LayerStream stream, double probability) => new(
        (layer * LayerStreams.Count) + (int)stream, probability,
        stream is LayerStream.Relative or LayerStream.PositionKey or LayerStream.PositionQuery);
}
