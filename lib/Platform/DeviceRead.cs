using static TorchSharp.torch;

namespace NotebookLib.Platform;

/// <summary>
/// The one place where a training or an evaluation reads what its device computed: on CUDA the host then waits for everything that is queued there, so such
/// reads are few, and counted.
/// </summary>
internal static class DeviceRead
{
    [ThreadStatic]
    private static int t_count;

    /// <summary>Reads of this thread so far.</summary>
    public static int Count => t_count;

    /// <summary>Reads a scalar.</summary>
    public static float Scalar(Tensor value)
    {
        t_count++;
        return value.item<float>();
    }

    /// <summary>Reads a tensor.</summary>
    /// <returns>The same values on the CPU, contiguous, in the caller's dispose scope.</returns>
    public static Tensor Host(Tensor values)
    {
        t_count++;
        using var scope = NewDisposeScope();
        return values.cpu().contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>Reads float32 values in one go.</summary>
    /// <param name="parts">Scalars or vectors on one device; they are strung together.</param>
    public static float[] Floats(IReadOnlyList<Tensor> parts)
    {
        if (parts.Count == 0)
        {
            return [];
        }

        using var scope = NewDisposeScope();
        return Host(cat([.. parts.Select(part => part.detach().reshape(-1))])).data<float>().ToArray();
    }
}
