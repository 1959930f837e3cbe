using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>Moves raw little-endian elements between streams and tensors without a second full copy.</summary>
internal static class TensorBytes
{
    // Spans end at 2 GB; pieces of this size keep conversion buffers small and reading as fast as in one go.
    private const long PieceBytes = 8 << 20;

    /// <summary>Bytes of one element.</summary>
    /// <exception cref="NotSupportedException">The dtype is not one that checkpoints hold.</exception>
    public static int SizeOf(ScalarType dtype) => dtype switch
    {
        ScalarType.Float64 or ScalarType.Int64 => 8,
        ScalarType.Float32 or ScalarType.Int32 => 4,
        ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Int16 => 2,
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool => 1,
        _ => throw new NotSupportedException($"Tensors of dtype {dtype} are not read or written."),
    };

    /// <summary>Reads <paramref name="target"/>'s number of elements of dtype <paramref name="stored"/> from the stream's position.</summary>
    /// <exception cref="EndOfStreamException">The stream ends early.</exception>
    public static void Read(Stream stream, ScalarType stored, Tensor target)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var flat = target.detach().view(-1);
        var direct = stored == target.dtype && target.device_type == DeviceType.CPU;
        var pieceElements = PieceBytes / SizeOf(stored);
        var buffer = direct ? null : empty(Math.Min(pieceElements, flat.numel()), stored, CPU);
        for (long start = 0; start < flat.numel(); start += pieceElements)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(pieceElements, flat.numel() - start);
            var piece = direct ? flat.narrow(0, start, count) : buffer!.narrow(0, 0, count);
            stream.ReadExactly(piece.bytes);
            if (!direct)
            {
                flat.narrow(0, start, count).copy_(piece);
            }
        }
    }

    /// <summary>Writes every element of a tensor, row-major, in its own dtype.</summary>
    public static void Write(Stream stream, Tensor source)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var flat = source.detach().contiguous().view(-1);
        var pieceElements = PieceBytes / SizeOf(source.dtype);
        for (long start = 0; start < flat.numel(); start += pieceElements)
        {
            using var inner = NewDisposeScope();
            var piece = flat.narrow(0, start, Math.Min(pieceElements, flat.numel() - start)).cpu();
            stream.Write(piece.bytes);
        }
    }
}
