using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>
/// y += s · B(A(dropout(x))) for rows of a low-rank adapter, and its gradient. Library products that are a handful of columns wide cost more in calls, masks
/// and copies than in work; here x and y are read once, and everything between is float32.
/// </summary>
/// <remarks>Hu et al. 2021, §4.1; peft 0.10.0 tuners/lora/layer.py, Linear.forward.</remarks>
internal static unsafe class AdapterKernel
{
    /// <summary>Rows of one part: what is shared among threads, whatever their number, so that sums do not depend on it.</summary>
    public const int RowsPerPart = 32;

    /// <summary>A and B, float32, and how they are applied.</summary>
    internal struct Weights
    {
        /// <summary>A, [rank, In].</summary>
        public float* Down;

        /// <summary>Bᵀ, [rank, Out].</summary>
        public float* UpTransposed;

        /// <summary>Rows of A and of Bᵀ.</summary>
        public int Rank;

        /// <summary>Columns of x, a multiple of 16.</summary>
        public int In;

        /// <summary>Columns of y, a multiple of 16.</summary>
        public int Out;

        /// <summary>s.</summary>
        public float Scale;
    }

    /// <summary>Rows start … end−1 of y += s · B(A(dropout(x))).</summary>
    /// <param name="weights">The adapter.</param>
    /// <param name="x">[N, In], element type T.</param>
    /// <param name="y">[N, Out], element type T, changed in place.</param>
    /// <param name="dropout">Which elements of x are dropped.</param>
    /// <param name="start">First row.</param>
    /// <param name="end">Row after the last.</param>
    public static void Forward<T>(in Weights weights, void* x, void* y, DropoutStream dropout, int start, int end)
        where T : struct, IElement
    {
        int count = end - start, rank = weights.Rank;
        var dropped = Scratch.Rent(count * (weights.In + weights.Out + rank));
        float* added = dropped + (count * weights.In), inner = added + (count * weights.Out);
        Read<T>(x, (long)start * weights.In, dropped, count * weights.In, dropout);
        Project(dropped, weights.Down, count, rank, weights.In, weights.Scale, inner);
        SmallGemm.Multiply(count, weights.Out, rank, inner, rank, 1, weights.UpTransposed, weights.Out, added, weights.Out, accumulate: false);
        Add<T>(y, (long)start * weights.Out, added, count * weights.Out, default);
    }

    /// <summary>The gradient of rows start … end−1.</summary>
    /// <param name="weights">The adapter.</param>
    /// <param name="gradient">∂L/∂y, [N, Out], element type T.</param>
    /// <param name="x">[N, In], element type T.</param>
    /// <param name="lower">The adapter's part of ∂L/∂x is added here, [N, In], element type T; null when nobody wants it.</param>
    /// <param name="dropout">As in the forward pass.</param>
    /// <param name="down">∂L/∂A of these rows, [rank, In], overwritten.</param>
    /// <param name="upTransposed">∂L/∂Bᵀ of these rows, [rank, Out], overwritten.</param>
    /// <param name="start">First row.</param>
    /// <param name="end">Row after the last.</param>
    public static void Backward<T>(in Weights weights, void* gradient, void* x, void* lower, DropoutStream dropout, float* down, float* upTransposed, int start,
        int end)
        where T : struct, IElement
    {
        int count = end - start, rank = weights.Rank;
        var dropped = Scratch.Rent(count * (weights.In + weights.Out + (2 * rank)));
        float* upper = dropped + (count * weights.In), inner = upper + (count * weights.Out), innerGradient = inner + (count * rank);
        Read<T>(x, (long)start * weights.In, dropped, count * weights.In, dropout);
        Read<T>(gradient, (long)start * weights.Out, upper, count * weights.Out, default);
        Project(dropped, weights.Down, count, rank, weights.In, weights.Scale, inner);
        Project(upper, weights.UpTransposed, count, rank, weights.Out, weights.Scale, innerGradient);
        SmallGemm.Multiply(rank, weights.Out, count, inner, 1, rank, upper, weights.Out, upTransposed, weights.Out, accumulate: false);
        SmallGemm.Multiply(rank, weights.In, count, innerGradient, 1, rank, dropped, weights.In, down, weights.In, accumulate: false);
        if (lower is null)
        {
            return;
        }

        SmallGemm.Multiply(count, weights.In, rank, innerGradient, rank, 1, weights.Down, weights.In, dropped, weights.In, accumulate: false);
        Add<T>(lower, (long)start * weights.In, dropped, count * weights.In, dropout);
    }

    private static void Read<T>(void* from, long offset, float* to, int count, DropoutStream dropout)
        where T : struct, IElement
    {
        for (var i = 0; i < count; i += 16)
        {
            var value = T.Load(from, offset + i);
            (dropout.IsActive ? value * dropout.Factors(offset + i) : value).Store(to + i);
        }
    }

    private static void Add<T>(void* to, long offset, float* values, int count, DropoutStream dropout)
        where T : struct, IElement
    {
        for (var i = 0; i < count; i += 16)
        {
            var value = Vector512.Load(values + i);
            T.Store(to, offset + i, T.Load(to, offset + i) + (dropout.IsActive ? value * dropout.Factors(offset + i) : value));
        }
    }

    /// <summary>
    /// result[i, r] = scale · Σₖ x[i, k] · rows[r, k]: dot products along the rows of both, so that a rank of 4 needs no padding to a vector's 16.
    /// </summary>
    private static void Project(float* x, float* rows, int count, int rank, int length, float scale, float* result)
    {
        for (var i = 0; i < count; i++, x += length)
        {
            var r = 0;
            for (; r + 4 <= rank; r += 4)
            {
                Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
                float* a = rows + (r * length), b = a + length, c = b + length, d = c + length;
                for (var k = 0; k < length; k += 16)
                {
                    var value = Vector512.Load(x + k);
                    s0 = Vector512.FusedMultiplyAdd(value, Vector512.Load(a + k), s0);
                    s1 = Vector512.FusedMultiplyAdd(value, Vector512.Load(b + k), s1);
                    s2 = Vector512.FusedMultiplyAdd(value, Vector512.Load(c + k), s2);
                    s3 = Vector512.FusedMultiplyAdd(value, Vector512.Load(d + k), s3);
                }

                result[(i * rank) + r] = scale * Vector512.Sum(s0);
                result[(i * rank) + r + 1] = scale * Vector512.Sum(s1);
                result[(i * rank) + r + 2] = scale * Vector512.Sum(s2);
                result[(i * rank) + r + 3] = scale * Vector512.Sum(s3);
            }

            for (; r < rank; r++)
            {
                Vector512<float> sum = default;
                for (var k = 0; k < length; k += 16)
                {
                    sum = Vector512.FusedMultiplyAdd(Vector512.Load(x + k), Vector512.Load(rows + (r * length) + k), sum);
                }

                result[(i * rank) + r] = scale * Vector512.Sum(sum);
            }
        }
    }
}
