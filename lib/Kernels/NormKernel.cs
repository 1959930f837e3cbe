using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>
/// One pass over memory for what DeBERTa does after each sub-layer: y = LayerNorm(dropout(h) + x), and its gradient.
/// N rows, C columns (a multiple of 16). Statistics in float32, rows independent, column sums per thread range.
/// </summary>
/// <remarks>transformers 4.35.2 modeling_deberta_v2.py, DebertaV2SelfOutput and DebertaV2Output; LayerNorm: Ba et al. 2016, eq. 4.</remarks>
internal static unsafe class NormKernel
{
    /// <summary>Pointers of one call; the element type T is that of the matrix products, everything else is float32.</summary>
    internal struct Rows
    {
        /// <summary>h, output of the sub-layer's last product, [N, C], element type T.</summary>
        public void* Hidden;

        /// <summary>x, residual input, [N, C].</summary>
        public float* Residual;

        /// <summary>dropout(h) + x, kept for the gradient, [N, C].</summary>
        public float* Sum;

        /// <summary>Mean and reciprocal standard deviation of each row, [N, 2].</summary>
        public float* Statistics;

        /// <summary>LayerNorm weight γ, [C].</summary>
        public float* Weight;

        /// <summary>LayerNorm bias β, [C].</summary>
        public float* Bias;

        /// <summary>y, [N, C].</summary>
        public float* Output;

        /// <summary>y once more in element type T, or null when T is float32.</summary>
        public void* OutputCopy;

        /// <summary>Columns.</summary>
        public int C;

        /// <summary>ε under the root.</summary>
        public float Epsilon;

        /// <summary>Which elements of h are dropped.</summary>
        public DropoutStream Dropout;
    }

    /// <summary>Computes rows start … end−1.</summary>
    public static void Forward<T>(in Rows rows, int start, int end)
        where T : struct, IElement
    {
        for (var row = start; row < end; row++)
        {
            var offset = (long)row * rows.C;
            Vector512<float> total = default;
            for (var c = 0; c < rows.C; c += 16)
            {
                var hidden = T.Load(rows.Hidden, offset + c);
                hidden = rows.Dropout.IsActive ? hidden * rows.Dropout.Factors(offset + c) : hidden;
                var sum = hidden + Vector512.Load(rows.Residual + offset + c);
                sum.Store(rows.Sum + offset + c);
                total += sum;
            }

            var mean = Vector512.Sum(total) / rows.C;
            Vector512<float> squares = default;
            for (var c = 0; c < rows.C; c += 16)
            {
                var centred = Vector512.Load(rows.Sum + offset + c) - Vector512.Create(mean);
                squares = Vector512.FusedMultiplyAdd(centred, centred, squares);
            }

            var scale = 1 / MathF.Sqrt((Vector512.Sum(squares) / rows.C) + rows.Epsilon);
            rows.Statistics[2 * row] = mean;
            rows.Statistics[(2 * row) + 1] = scale;
            Normalise<T>(rows, offset, mean, scale);
        }
    }

    private static void Normalise<T>(in Rows rows, long offset, float mean, float scale)
        where T : struct, IElement
    {
        for (var c = 0; c < rows.C; c += 16)
        {
            var normal = (Vector512.Load(rows.Sum + offset + c) - Vector512.Create(mean)) * Vector512.Create(scale);
            var output = Vector512.FusedMultiplyAdd(normal, Vector512.Load(rows.Weight + c), Vector512.Load(rows.Bias + c));
            output.Store(rows.Output + offset + c);
            if (rows.OutputCopy != null)
            {
                T.Store(rows.OutputCopy, offset + c, output);
            }
        }
    }

    /// <summary>What the gradient reads and writes beside <see cref="Rows"/>.</summary>
    internal struct Gradients
    {
        /// <summary>∂L/∂y along the residual, [N, C], or null.</summary>
        public float* FromResidual;

        /// <summary>∂L/∂y through up to three products, each [N, C] of element type T, or null.</summary>
        public void* FromProduct0;

        /// <inheritdoc cref="FromProduct0"/>
        public void* FromProduct1;

        /// <inheritdoc cref="FromProduct0"/>
        public void* FromProduct2;

        /// <summary>∂L/∂x, [N, C]; may be the same memory as <see cref="FromResidual"/>.</summary>
        public float* ToResidual;

        /// <summary>∂L/∂h, [N, C], element type T.</summary>
        public void* ToHidden;

        /// <summary>∂L/∂γ, ∂L/∂β and ∂L/∂(bias of the product that made h), one [3, C] block per range.</summary>
        public float* ColumnSums;
    }

    /// <summary>Computes rows start … end−1; adds their column sums to <paramref name="sums"/>, [3, C].</summary>
    public static void Backward<T>(in Rows rows, in Gradients gradients, float* sums, int start, int end)
        where T : struct, IElement
    {
        for (var row = start; row < end; row++)
        {
            var offset = (long)row * rows.C;
            Vector512<float> mean = Vector512.Create(rows.Statistics[2 * row]), scale = Vector512.Create(rows.Statistics[(2 * row) + 1]);
            Vector512<float> total = default, projected = default;
            for (var c = 0; c < rows.C; c += 16)
            {
                var normal = (Vector512.Load(rows.Sum + offset + c) - mean) * scale;
                var upper = Incoming<T>(gradients, offset + c);
                Accumulate(sums + c, upper * normal);
                Accumulate(sums + rows.C + c, upper);
                var weighted = upper * Vector512.Load(rows.Weight + c);
                weighted.Store(gradients.ToResidual + offset + c);
                total += weighted;
                projected = Vector512.FusedMultiplyAdd(weighted, normal, projected);
            }

            var meanTotal = Vector512.Create(Vector512.Sum(total) / rows.C);
            var meanProjected = Vector512.Create(Vector512.Sum(projected) / rows.C);
            for (var c = 0; c < rows.C; c += 16)
            {
                var normal = (Vector512.Load(rows.Sum + offset + c) - mean) * scale;
                var lower = (Vector512.Load(gradients.ToResidual + offset + c) - meanTotal - (normal * meanProjected)) * scale;
                lower.Store(gradients.ToResidual + offset + c);
                lower = rows.Dropout.IsActive ? lower * rows.Dropout.Factors(offset + c) : lower;
                T.Store(gradients.ToHidden, offset + c, lower);
                Accumulate(sums + (2 * rows.C) + c, lower);
            }
        }
    }

    private static Vector512<float> Incoming<T>(in Gradients gradients, long index)
        where T : struct, IElement
    {
        var sum = gradients.FromResidual == null ? default : Vector512.Load(gradients.FromResidual + index);
        sum += gradients.FromProduct0 == null ? default : T.Load(gradients.FromProduct0, index);
        sum += gradients.FromProduct1 == null ? default : T.Load(gradients.FromProduct1, index);
        return gradients.FromProduct2 == null ? sum : sum + T.Load(gradients.FromProduct2, index);
    }

    private static void Accumulate(float* sum, Vector512<float> value) => (Vector512.Load(sum) + value).Store(sum);
}
