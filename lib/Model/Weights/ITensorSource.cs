using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>What a checkpoint says of one tensor before it is read.</summary>
/// <param name="Dtype">Element type in the file.</param>
/// <param name="Shape">Sizes; empty for a scalar.</param>
internal sealed record TensorInfo(ScalarType Dtype, IReadOnlyList<long> Shape)
{
    /// <summary>Number of elements.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>The shape as text, for instance <c>[768, 768]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}

/// <summary>A file (or several) with named tensors, read one at a time straight into where they are wanted.</summary>
internal interface ITensorSource : IDisposable
{
    /// <summary>Where it was read from, for messages.</summary>
    string Path { get; }

    /// <summary>Every tensor by name.</summary>
    IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Fills a tensor of the same shape, converting to its dtype on the way; at most a few megabytes are held besides.</summary>
    /// <param name="name">A name in <see cref="Tensors"/>.</param>
    /// <param name="target">Any dtype and device; contiguous.</param>
    /// <exception cref="InvalidDataException">No such tensor.</exception>
    /// <exception cref="InvalidDataException">The shapes differ, or the file ends early.</exception>
    void ReadInto(string name, Tensor target);
}

/// <summary>Conveniences over <see cref="ITensorSource"/>.</summary>
internal static class TensorSourceExtensions
{
    /// <summary>Reads one tensor.</summary>
    /// <param name="source">The checkpoint.</param>
    /// <param name="name">Its name.</param>
    /// <param name="dtype">The wanted dtype; null keeps the file's.</param>
    /// <returns>A new tensor on the CPU, owned by the caller (or by the current dispose scope).</returns>
    public static Tensor Read(this ITensorSource source, string name, ScalarType? dtype = null)
    {
        var info = source.InfoOf(name);
        var target = empty([.. info.Shape], dtype ?? info.Dtype, CPU);
        source.ReadInto(name, target);
        return target;
    }

    /// <summary>Reads every tensor; the caller owns them.</summary>
    public static Dictionary<string, Tensor> ReadAll(this ITensorSource source, ScalarType? dtype = null)
    {
        return source.Tensors.Keys.ToDictionary(name => name, name => source.Read(name, dtype), StringComparer.Ordinal);
    }

    /// <summary>The description of one tensor.</summary>
    /// <exception cref="InvalidDataException">No such tensor; the message names the file.</exception>
    internal static TensorInfo InfoOf(this ITensorSource source, string name) =>
        source.Tensors.TryGetValue(name, out var info)
            ? info
            : throw new InvalidDataException($"{source.Path}: no tensor named {name} among its {source.Tensors.Count}.");

    /// <exception cref="InvalidDataException">The target's shape differs from the file's.</exception>
    internal static void EnsureShape(this ITensorSource source, string name, Tensor target)
    {
        var info = source.InfoOf(name);
        if (!info.Shape.SequenceEqual(target.shape))
        {
            throw new InvalidDataException($"{source.Path}: {name}: expected [{string.Join(", ", target.shape)}], file has {info.ShapeText}.");
        }
    }
}
