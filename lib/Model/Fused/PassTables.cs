using System.Runtime.InteropServices;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

// The structs of lib/Kernels/Cuda/layers.cu, field by field.
#pragma warning disable CS0649 // Read by the kernels.

[StructLayout(LayoutKind.Sequential)]
internal struct DevicePass
{
    public nint Groups, Sentences, Tiles, GroupOfRow, GroupOfRelative, RelativeOfDistance, FirstDistanceOfRelative, DistancesOfRelative;
    public ulong Seed, FirstStream, StreamStep;
}

[StructLayout(LayoutKind.Sequential)]
internal struct DeviceDrop
{
    public ulong Stream;
    public uint Threshold;
    public float Scale;
}

[StructLayout(LayoutKind.Sequential)]
internal struct DeviceAttention
{
    public nint Query, Key, Value, PositionKey, PositionQuery, Probabilities, Context, ScoreGradients, ContextGradient, QueryGradient, KeyGradient,
    ValueGradient,
        PositionKeyGradient, PositionQueryGradient;

    public int Heads, Size;
    public float InverseScale;
    public DeviceDrop Drop;
}

[StructLayout(LayoutKind.Sequential)]
internal struct DeviceNorm
{
    public nint Hidden, Residual, Sum, Statistics, Weight, Bias, Output, Copy, Upper, Product0, Product1, Product2, Lower, HiddenGradient, ColumnSums;
    public int Rows, Columns, RowsPerBlock;
    public float Epsilon;
    public DeviceDrop Drop;
}

[StructLayout(LayoutKind.Sequential)]
internal struct DeviceTotals
{
    public nint Target0, Target1, Target2;
    public int Accumulates0, Accumulates1, Accumulates2, Unused;

    /// <summary>Names a target.</summary>
    public void Set(int index, nint target, bool accumulates)
    {
        var value = accumulates ? 1 : 0;
        switch (index)
        {
            case 0:
                (Target0, Accumulates0) = (target, value);
                break;
            case 1:
                (Target1, Accumulates1) = (target, value);
                break;
            default:
                (Target2, Accumulates2) = (target, value);
                break;
        }
    }
}

#pragma warning restore CS0649

/// <summary>Where a pass's groups, sentences, tiles and distances lie, as one table on the device: sent over once, without waiting for it.</summary>
internal sealed class PassTables : IDisposable
{
    /// <summary>Queries, or keys, or relative rows that a block takes.</summary>
    public const int Tile = 32;

    private readonly Tensor _table;

    private PassTables(Tensor table, DevicePass pass, int tiles, int mostRelatives)
    {
        (_table, Pass, TileCount, MostRelatives) = (table, pass, tiles, mostRelatives);
    }

    /// <summary>Addresses and seeds, as the kernels take them.</summary>
    public DevicePass Pass { get; }

    /// <summary>Tiles of all sentences.</summary>
    public int TileCount { get; }

    /// <summary>Relative rows of the group that has most.</summary>
    public int MostRelatives { get; }

    /// <summary>Makes the tables of a pass.</summary>
    public static PassTables Of(FusedPass pass, Device device)
    {
        List<int> groups = [], sentences = [], tiles = [], groupOfRow = [], groupOfRelative = [], distances = [], firstDistances = [], counts = [];
        for (var g = 0; g < pass.Groups.Count; g++)
        {
            var (group, shape) = (pass.Groups[g], pass.Groups[g].Shape);
            groups.AddRange(
                [group.FirstRow, group.FirstRelativeRow, shape.Longest, distances.Count, sentences.Count / 6, shape.Lengths.Length, group.Distances.Count, 0]);
            AddLong(groups, shape.ScoresPerHead);
            AddLong(groups, group.FirstScore);
            for (var s = 0; s < shape.Lengths.Length; s++)
            {
                for (var first = 0; first < shape.Lengths[s]; first += Tile)
                {
                    tiles.AddRange([sentences.Count / 6, first]);
                }

                sentences.AddRange([group.FirstRow + shape.Starts[s], shape.Lengths[s], Kernels.SmallGemm.Padded(shape.Lengths[s]), g]);
                AddLong(sentences, shape.ScoreOffsets[s]);
            }

            groupOfRow.AddRange(Enumerable.Repeat(g, shape.Rows));
            groupOfRelative.AddRange(Enumerable.Repeat(g, group.Distances.Count));
            AddDistances(group, distances, firstDistances, counts);
        }

        // Eight-byte fields first, at even places.
        List<int>[] parts = [groups, sentences, tiles, groupOfRow, groupOfRelative, distances, firstDistances, counts];
        var values = new int[parts.Sum(part => part.Count)];
        var starts = new int[parts.Length];
        for (var (i, at) = (0, 0); i < parts.Length; at += parts[i++].Count)
        {
            starts[i] = at;
            parts[i].CopyTo(values, at);
        }

        var table = DeviceMemory.Send(tensor(values, ScalarType.Int32), device);
        var address = DeviceMemory.Address(table);
        nint At(int part) => address + (starts[part] * sizeof(int));
        var fields = new DevicePass
        {
            Groups = At(0),
            Sentences = At(1),
            Tiles = At(2),
            GroupOfRow = At(3),
            GroupOfRelative = At(4),
            RelativeOfDistance = At(5),
            FirstDistanceOfRelative = At(6),
            DistancesOfRelative = At(7),
            Seed = pass.Seed,
            FirstStream = pass.FirstStream,
            StreamStep = pass.StreamStep,
        };
        return new(table, fields, tiles.Count / 2, pass.Groups.Max(group => group.Distances.Count));
    }

    /// <inheritdoc />
    public void Dispose() => _table.Dispose();

    private static void AddLong(List<int> to, long value)
    {
        to.Add((int)value);
        to.Add((int)(value >> 32));
    }

    private static void AddDistances(FusedGroup group, List<int> distances, List<int> first, List<int> counts)
    {
        var rows = group.Distances.RowOfEachDistance;
        distances.AddRange(rows.Select(row => group.FirstRelativeRow + row));
        for (int row = 0, at = 0; row < group.Distances.Count; row++)
        {
            var start = at;
            while (at < rows.Length && rows[at] == row)
            {
                at++;
            }

            first.Add(start - (group.Shape.Longest - 1));
            counts.Add(at - start);
        }
    }
}
