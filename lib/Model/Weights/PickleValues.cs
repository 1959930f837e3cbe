using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>A storage that a pickle mentions: elements of one dtype in an entry of the zip file.</summary>
internal sealed record PickledStorage(ScalarType Dtype, string Key, long ElementCount);

/// <summary>A tensor that a pickle describes: a window with strides into a storage.</summary>
internal sealed record PickledTensor(PickledStorage Storage, long Offset, long[] Shape, long[] Strides)
{
    /// <summary>Number of elements; small enough to count, as the unpickler made sure.</summary>
    public long ElementCount => Shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>Elements from the first to the last one touched, 0 for an empty tensor.</summary>
    public long Reach => Shape.Contains(0) ? 0 : checked(1 + Shape.Zip(Strides).Sum(pair => (pair.First - 1) * pair.Second));

    /// <summary>True when the elements lie row-major without gaps.</summary>
    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (var dimension = Shape.Length - 1; dimension >= 0; dimension--)
            {
                if (Shape[dimension] != 1 && Strides[dimension] != expected)
                {
                    return false;
                }

                expected = checked(expected * Shape[dimension]);
            }

            return true;
        }
    }
}

/// <summary>One of the few callables that a checkpoint may name.</summary>
internal enum PickleGlobal
{
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage,
}

/// <summary>A callable with, for storages, its dtype.</summary>
internal sealed record PickleCallable(PickleGlobal Kind, ScalarType Dtype = ScalarType.Float32)
{
    private static readonly Dictionary<string, PickleCallable> Allowed = new(StringComparer.Ordinal)
    {
        ["collections.OrderedDict"] = new(PickleGlobal.OrderedDict),
        ["torch._utils._rebuild_tensor_v2"] = new(PickleGlobal.RebuildTensor),
        ["torch._utils._rebuild_parameter"] = new(PickleGlobal.RebuildParameter),
        ["torch.Size"] = new(PickleGlobal.Size),
        ["torch.DoubleStorage"] = new(PickleGlobal.Storage, ScalarType.Float64),
        ["torch.FloatStorage"] = new(PickleGlobal.Storage),
        ["torch.HalfStorage"] = new(PickleGlobal.Storage, ScalarType.Float16),
        ["torch.BFloat16Storage"] = new(PickleGlobal.Storage, ScalarType.BFloat16),
        ["torch.LongStorage"] = new(PickleGlobal.Storage, ScalarType.Int64),
        ["torch.IntStorage"] = new(PickleGlobal.Storage, ScalarType.Int32),
        ["torch.ShortStorage"] = new(PickleGlobal.Storage, ScalarType.Int16),
        ["torch.CharStorage"] = new(PickleGlobal.Storage, ScalarType.Int8),
        ["torch.ByteStorage"] = new(PickleGlobal.Storage, ScalarType.Byte),
        ["torch.BoolStorage"] = new(PickleGlobal.Storage, ScalarType.Bool),
    };

    /// <exception cref="InvalidDataException">The name is not among those a checkpoint needs: it could run code.</exception>
    public static PickleCallable Find(string module, string name) => Allowed.TryGetValue($"{module}.{name}", out var found)
        ? found
        : throw new InvalidDataException($"it asks for {module}.{name}, which a checkpoint has no need of; refused, since a pickle may run any code it names. "
            + "Ask for the model as safetensors.");
}
