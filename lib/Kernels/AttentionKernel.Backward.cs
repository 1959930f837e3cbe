using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

internal static unsafe partial class AttentionKernel
{
    /// <summary>Pointers of the gradient; a head writes its own columns only, so heads need no locks.</summary>
    internal struct Gradients
    {
        /// <summary>∂L/∂context, [N, C], element type T.</summary>
        public void* Context;

        /// <summary>∂L/∂query, [N, C], element type T.</summary>
        public void* Query;

        /// <summary>∂L/∂key, [N, C], element type T.</summary>
        public void* Key;

        /// <summary>∂L/∂value, [N, C], element type T.</summary>
        public void* Value;

        /// <summary>∂L/∂(projected relative rows) for c→p, [U, C], float32, zeroed by the caller.</summary>
        public float* PositionKey;

        /// <summary>∂L/∂(projected relative rows) for p→c, [U, C], float32, zeroed by the caller.</summary>
        public float* PositionQuery;

        /// <summary>Column sums of the gradients of key, query and value, [3, C], float32, zeroed by the caller.</summary>
        public float* ColumnSums;
    }

    /// <summary>Computes one head's gradients for all sentences.</summary>
    public static void Backward<T>(in Inputs x, in Gradients gradients, RaggedShape shape, int head)
        where T : struct, IElement
    {
        int paddedD = SmallGemm.Padded(x.D), distances = (2 * shape.Longest) - 1;
        var positions = distances * paddedD;
        var scratch = Scratch.Rent((4 * positions) + SentenceFloats(shape.Longest, paddedD));
        var at = new PositionScratch(scratch, positions);
        LoadPositions<T>(x, x.PositionKey, head, shape.Longest, downwards: true, at.Keys, paddedD);
        LoadPositions<T>(x, x.PositionQuery, head, shape.Longest, downwards: false, at.Queries, paddedD);
        new Span<float>(at.KeyGradients, 2 * positions).Clear();
        for (var s = 0; s < shape.Lengths.Length; s++)
        {
            BackwardSentence<T>(x, gradients, shape, head, s, at, scratch + (4 * positions), paddedD);
        }

        AddPositions(x, gradients.PositionKey, head, shape.Longest, downwards: true, at.KeyGradients, paddedD);
        AddPositions(x, gradients.PositionQuery, head, shape.Longest, downwards: false, at.QueryGradients, paddedD);
    }

    private readonly struct PositionScratch(float* memory, int floats)
    {
        public readonly float* Keys = memory, Queries = memory + floats, KeyGradients = memory + (2 * floats), QueryGradients = memory + (3 * floats);
    }

    private static void BackwardSentence<T>(
        in Inputs x, in Gradients gradients, RaggedShape shape, int head, int s, in PositionScratch positions, float* memory, int paddedD)
        where T : struct, IElement
    {
        int length = shape.Lengths[s], padded = SmallGemm.Padded(length), row = shape.Starts[s], shift = (shape.Longest - length) * paddedD;
        var at = new SentenceScratch(memory, length, paddedD);
        var first = ((long)head * shape.ScoresPerHead) + shape.ScoreOffsets[s];
        var probabilities = x.Probabilities + first;

        // Values: ∂weights = ∂context · valueᵀ, ∂value = weightsᵀ · ∂context.
        LoadRows<T>(gradients.Context, x, row, length, head, at.Output, paddedD);
        LoadRows<T>(x.Value, x, row, length, head, at.Value, paddedD);
        Transpose(at.Value, length, x.D, paddedD, at.Transposed, padded);
        SmallGemm.Multiply(length, padded, x.D, at.Output, paddedD, 1, at.Transposed, padded, at.Gradients, padded, accumulate: false);
        var weights = ApplyDropout(x.Dropout, probabilities, first, at.Scores, length * padded);
        SmallGemm.Multiply(length, paddedD, length, weights, 1, padded, at.Output, paddedD, at.Value, paddedD, accumulate: false);
        StoreRows<T>(at.Value, paddedD, gradients.Value, x, row, length, head);
        AddColumnSums(at.Value, length, paddedD, gradients.ColumnSums + (2 * x.C) + (head * x.D), x.D);

        SoftmaxBackward(x.Dropout, probabilities, first, at.Gradients, length, padded, x.InverseScale);

        // Content: ∂query = ∂scores · key, ∂key = ∂scoresᵀ · query.
        LoadRows<T>(x.Query, x, row, length, head, at.Query, paddedD);
        LoadRows<T>(x.Key, x, row, length, head, at.Key, paddedD);
        SmallGemm.Multiply(length, paddedD, length, at.Gradients, padded, 1, at.Key, paddedD, at.Output, paddedD, accumulate: false);
        SmallGemm.Multiply(length, paddedD, length, at.Gradients, 1, padded, at.Query, paddedD, at.Value, paddedD, accumulate: false);

        if (x.PositionKey != null)
        {
            SpreadRows(at.Gradients, at.Terms, length, padded, at.Distances);
            AddBand(length, at.Terms, at.Distances, positions.Keys + shift, at.Output, paddedD);
            AddBandTransposed(length, at.Terms, at.Distances, at.Query, positions.KeyGradients + shift, paddedD);
        }

        if (x.PositionQuery != null)
        {
            SpreadColumns(at.Gradients, at.Terms, length, padded, at.Distances);
            AddBand(length, at.Terms, at.Distances, positions.Queries + shift, at.Value, paddedD);
            AddBandTransposed(length, at.Terms, at.Distances, at.Key, positions.QueryGradients + shift, paddedD);
        }

        StoreRows<T>(at.Output, paddedD, gradients.Query, x, row, length, head);
        StoreRows<T>(at.Value, paddedD, gradients.Key, x, row, length, head);
        AddColumnSums(at.Output, length, paddedD, gradients.ColumnSums + x.C + (head * x.D), x.D);
        AddColumnSums(at.Value, length, paddedD, gradients.ColumnSums + (head * x.D), x.D);
    }

    // ∂scores = P ∘ (∂P − Σ_j ∂P ∘ P) / scale, where ∂P = ∂weights ∘ dropout.
    private static void SoftmaxBackward(DropoutStream dropout, float* probabilities, long first, float* gradients, int length, int padded, float inverseScale)
    {
        for (var i = 0; i < length; i++)
        {
            float* p = probabilities + (i * padded), g = gradients + (i * padded);
            Vector512<float> dot = default;
            for (var j = 0; j < padded; j += 16)
            {
                var gradient = Vector512.Load(g + j);
                gradient = dropout.IsActive ? gradient * dropout.Factors(first + (i * padded) + j) : gradient;
                gradient.Store(g + j);
                dot = Vector512.FusedMultiplyAdd(gradient, Vector512.Load(p + j), dot);
            }

            var mean = Vector512.Create(Vector512.Sum(dot));
            for (var j = 0; j < padded; j += 16)
            {
                ((Vector512.Load(g + j) - mean) * Vector512.Load(p + j) * Vector512.Create(inverseScale)).Store(g + j);
            }
        }
    }

    // output_i += Σ_d terms[i, d] · position_d, over the distances that the rows of a block use.
    private static void AddBand(int length, float* terms, int distances, float* positions, float* output, int width)
    {
        for (var row = 0; row < length; row += BandRows(length))
        {
            int rows = Math.Min(BandRows(length), length - row), first = length - row - rows;
            SmallGemm.Multiply(rows, width, length + rows - 1, terms + (row * distances) + first, distances, 1, positions + (first * width), width,
                output + (row * width), width, accumulate: true);
        }
    }

    // gradient_d += Σ_i terms[i, d] · row_i, over the rows i = l−1−d … 2l−2−d that use a distance of the block.
    private static void AddBandTransposed(int length, float* terms, int distances, float* rows, float* gradient, int width)
    {
        var used = (2 * length) - 1;
        for (var d = 0; d < used; d += BandRows(length))
        {
            int count = Math.Min(BandRows(length), used - d), first = Math.Max(0, length - d - count), end = Math.Min(length, used - d);
            SmallGemm.Multiply(count, width, end - first, terms + (first * distances) + d, 1, distances, rows + (first * width), width, gradient + (d * width),
                width, accumulate: true);
        }
    }

    // terms[i, j − i + l − 1] = scores[i, j], 0 beside them as far as a block reads.
    private static void SpreadRows(float* scores, float* terms, int length, int padded, int distances)
    {
        for (var i = 0; i < length; i++)
        {
            var term = terms + (i * distances);
            ClearBeside(term, length, i);
            new ReadOnlySpan<float>(scores + (i * padded), length).CopyTo(new Span<float>(term + length - 1 - i, length));
        }
    }

    // terms[j, i − j + l − 1] = scores[i, j], 0 beside them as far as a block reads.
    private static void SpreadColumns(float* scores, float* terms, int length, int padded, int distances)
    {
        for (var j = 0; j < length; j++)
        {
            float* column = scores + j, row = terms + (j * distances), term = row + length - 1 - j;
            ClearBeside(row, length, j);
            for (var i = 0; i < length; i++)
            {
                term[i] = column[i * padded];
            }
        }
    }

    private static void ClearBeside(float* row, int length, int i)
    {
        int first = length - 1 - i, end = first + length, beside = BandRows(length) - 1;
        new Span<float>(row + Math.Max(0, first - beside), Math.Min(beside, first)).Clear();
        new Span<float>(row + end, Math.Min(beside, (2 * length) - 1 - end)).Clear();
    }

    private static void LoadPositions<T>(in Inputs x, void* positions, int head, int longest, bool downwards, float* target, int paddedD)
        where T : struct, IElement
    {
        if (positions == null)
        {
            return;
        }

        var distances = (2 * longest) - 1;
        for (var r = 0; r < distances; r++)
        {
            LoadRows<T>(positions, x, x.RelativeRows[downwards ? distances - 1 - r : r], 1, head, target + (r * paddedD), paddedD);
        }
    }

    // Several distances may share a relative row (logarithmic buckets): their gradients add up.
    private static void AddPositions(in Inputs x, float* positions, int head, int longest, bool downwards, float* source, int paddedD)
    {
        if (positions == null)
        {
            return;
        }

        var distances = (2 * longest) - 1;
        for (var r = 0; r < distances; r++)
        {
            var row = x.RelativeRows[downwards ? distances - 1 - r : r];
            var to = positions + ((long)row * x.C) + (head * x.D);
            SumKernel.Add<Float32>(to, source + (r * paddedD), 0, x.D);
        }
    }

    private static void AddColumnSums(float* rows, int length, int stride, float* sums, int columns)
    {
        for (var r = 0; r < length; r++)
        {
            SumKernel.Add<Float32>(sums, rows + (r * stride), 0, columns);
        }
    }
}
