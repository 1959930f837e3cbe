using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>values *= f₁, then *= f₂, …: many updates' weight decay in one pass over memory, rounded after each as if they had been made one by one.</summary>
internal static unsafe class DecayKernel
{
    /// <summary>Multiplies elements in place.</summary>
    /// <param name="values">float32.</param>
    /// <param name="count">How many.</param>
    /// <param name="factors">In the order of the updates.</param>
    public static void Multiply(float* values, long count, ReadOnlySpan<float> factors)
    {
        long i = 0;
        // Four at a time: a product waits for the one before it.
        for (; i + 64 <= count; i += 64)
        {
            Vector512<float> a = Vector512.Load(values + i), b = Vector512.Load(values + i + 16), c = Vector512.Load(values + i + 32),
            d = Vector512.Load(values + i + 48);
            foreach (var factor in factors)
            {
                var f = Vector512.Create(factor);
                a *= f;
                b *= f;
                c *= f;
                d *= f;
            }

            a.Store(values + i);
            b.Store(values + i + 16);
            c.Store(values + i + 32);
            d.Store(values + i + 48);
        }

        for (; i < count; i++)
        {
            foreach (var factor in factors)
            {
                values[i] *= factor;
            }
        }
    }
}
