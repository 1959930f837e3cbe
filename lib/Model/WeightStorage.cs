using NotebookLib.Kernels;
using NotebookLib.Model.Fused;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>How the weights of frozen linear layers are kept; products take them back to their own type, layer by layer, on the fly.</summary>
public enum WeightStorage
{
    /// <summary>As they were loaded.</summary>
    Dense,

    /// <summary>bfloat16, half the memory; products in bfloat16 read it as it is.</summary>
    BFloat16,

    /// <summary>int8 with one scale per output row (largest magnitude → 127), a quarter of the memory.</summary>
    Int8,
}

/// <summary>Stores the frozen linear layers of a network in fewer bits: memory for LoRA on a large base.</summary>
public static class FrozenWeights
{
    /// <summary>Stores every linear layer whose weight is frozen. Biases, norms, embeddings and trained layers stay as they are.</summary>
    /// <param name="network">Adapters attached, base frozen.</param>
    /// <param name="storage">In which form; <see cref="WeightStorage.Dense"/> changes nothing.</param>
    /// <returns>Bytes saved.</returns>
    /// <exception cref="InvalidOperationException">No linear layer is frozen.</exception>
    public static long Store(nn.Module network, WeightStorage storage)
    {
        ArgumentNullException.ThrowIfNull(network);
        var frozen = network.modules().OfType<Projection>().Distinct().Where(projection => !projection.Weight.requires_grad).ToList();
        if (frozen.Count == 0 && storage != WeightStorage.Dense)
        {
            throw new InvalidOperationException($"No linear layer is frozen, so none can be stored as {storage}; attach adapters first (LoraAdapters.Attach), "
                + "or train all weights densely.");
        }

        var saved = frozen.Sum(projection => projection.Store(storage));
        // The freed pieces are large: give them back now instead of at some later time.
        Platform.MemoryReturn.Trim();
        return saved;
    }

    /// <summary>W as int8 rows and their scales: q = round(w / scale), scale = max |w| of the row / largest.</summary>
    /// <param name="weight">[out, in], float32.</param>
    /// <param name="largest">The largest q, 127 at most.</param>
    /// <returns>[out, in] int8 and [out] float32.</returns>
    internal static (Tensor Rows, Tensor Scales) Quantise(Tensor weight, int largest = 127)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var scales = weight.abs().amax(1) / largest;
        var rows = (weight / scales.clamp_min(float.Epsilon).unsqueeze(1)).round().clamp(-largest, largest).to(ScalarType.Int8);
        return (rows.MoveToOuterDisposeScope(), scales.MoveToOuterDisposeScope());
    }

    /// <summary>The weight that stored rows stand for.</summary>
    /// <param name="rows">[out, in], bfloat16 or int8.</param>
    /// <param name="scales">[out], for int8 only.</param>
    /// <param name="type">float32, bfloat16, float16 or float64.</param>
    /// <returns>[out, in] in that type; the caller owns it.</returns>
    internal static Tensor Restore(Tensor rows, Tensor? scales, ScalarType type)
    {
        using var quiet = no_grad();
        if (scales is null)
        {
            return type == rows.dtype ? rows.alias() : rows.to(type);
        }

        if (rows.device_type == DeviceType.CPU && type is ScalarType.Float32 or ScalarType.BFloat16 && rows.shape[1] % 16 == 0)
        {
            return RestoreOnKernels(rows, scales, type);
        }

        using var scope = NewDisposeScope();
        return (rows.to(ScalarType.Float32) * scales.unsqueeze(1)).to(type).MoveToOuterDisposeScope();
    }

    private static unsafe Tensor RestoreOnKernels(Tensor rows, Tensor scales, ScalarType type)
    {
        var restored = empty(rows.shape, type);
        var (from, by, to, columns) =
            ((nint)CpuMemory.Address(rows), (nint)CpuMemory.Address(scales), (nint)CpuMemory.Address(restored), rows.shape[1]);
        ThreadTeam.RunRanges((int)rows.shape[0], 16, (_, start, end) =>
        {
            if (type == ScalarType.BFloat16)
            {
                Int8Kernel.Restore<Kernels.BFloat16>((sbyte*)from, (float*)by, (void*)to, columns, start, end);
            }
            else
            {
                Int8Kernel.Restore<Kernels.Float32>((sbyte*)from, (float*)by, (void*)to, columns, start, end);
            }
        });
        return restored;
    }
}
