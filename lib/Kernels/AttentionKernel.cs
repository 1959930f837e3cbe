using System.Runtime.Intrinsics;

namespace NotebookLib.Kernels;

/// <summary>
/// Disentangled attention of one head over ragged sentences, each with its own length: no padding is ever computed.
/// <code>
/// score[i, j] = (q_i · k_j  +  q_i · κ(i−j)  +  k_j · ρ(i−j)) / scale        content→content, content→position, position→content
/// </code>
/// κ and ρ are the projected relative embeddings of a distance. Products with all distances of a sentence (2l−1) are small matrix products; the term of a pair
/// is then read along a diagonal. For c→p the distances run downwards, so that a row of scores reads its terms contiguously.
/// </summary>
/// <remarks>
/// He et al. 2021, DeBERTa, §3.1 eq. 4; transformers 4.35.2 modeling_deberta_v2.py, DisentangledSelfAttention.disentangled_attention_bias.
/// l pieces of a sentence, T pieces of the longest, D head size, C = heads · D.
/// </remarks>
internal static unsafe partial class AttentionKernel
{
    /// <summary>Pointers of one layer's attention; the element type T is that of the matrix products.</summary>
    internal struct Inputs
    {
        /// <summary>Projected queries, [N, C], element type T.</summary>
        public void* Query;

        /// <summary>Projected keys, [N, C], element type T.</summary>
        public void* Key;

        /// <summary>Projected values, [N, C], element type T.</summary>
        public void* Value;

        /// <summary>Key projection of the relative rows (content→position), [U, C], element type T, or null when the model has no c2p.</summary>
        public void* PositionKey;

        /// <summary>Query projection of the relative rows (position→content), [U, C], element type T, or null when the model has no p2c.</summary>
        public void* PositionQuery;

        /// <summary>For distance d the relative row, at [d + T − 1]; 2T−1 numbers in [0, U).</summary>
        public int* RelativeRows;

        /// <summary>Attention probabilities before dropout, [heads, scores per head], kept for the gradient.</summary>
        public float* Probabilities;

        /// <summary>Weighted values, [N, C], element type T.</summary>
        public void* Context;

        /// <summary>Hidden size.</summary>
        public int C;

        /// <summary>Head size.</summary>
        public int D;

        /// <summary>1 / √(D · number of terms).</summary>
        public float InverseScale;

        /// <summary>Which probabilities are dropped.</summary>
        public DropoutStream Dropout;
    }

    /// <summary>Computes one head for all sentences.</summary>
    public static void Forward<T>(in Inputs x, RaggedShape shape, int head)
        where T : struct, IElement
    {
        int paddedD = SmallGemm.Padded(x.D), stride = SmallGemm.Padded((2 * shape.Longest) + SmallGemm.Lane);
        var positions = 2 * x.D * stride;
        var scratch = Scratch.Rent(positions + SentenceFloats(shape.Longest, paddedD));
        float* positionKeys = scratch, positionQueries = scratch + (x.D * stride), sentence = scratch + positions;
        TransposePositions<T>(x, x.PositionKey, head, shape.Longest, downwards: true, positionKeys, stride);
        TransposePositions<T>(x, x.PositionQuery, head, shape.Longest, downwards: false, positionQueries, stride);
        for (var s = 0; s < shape.Lengths.Length; s++)
        {
            int length = shape.Lengths[s], padded = SmallGemm.Padded(length), offset = shape.Longest - length;
            var at = new SentenceScratch(sentence, length, paddedD);
            var row = shape.Starts[s];
            var first = ((long)head * shape.ScoresPerHead) + shape.ScoreOffsets[s];
            var probabilities = x.Probabilities + first;
            LoadRows<T>(x.Query, x, row, length, head, at.Query, paddedD);
            LoadRows<T>(x.Key, x, row, length, head, at.Key, paddedD);
            Transpose(at.Key, length, x.D, paddedD, at.Transposed, padded);
            SmallGemm.Multiply(length, padded, x.D, at.Query, paddedD, 1, at.Transposed, padded, probabilities, padded, accumulate: false);
            if (x.PositionKey != null)
            {
                MultiplyBand(length, x.D, at.Query, paddedD, positionKeys + offset, stride, at.Terms, at.Distances);
                AddContentToPosition(probabilities, at.Terms, length, padded, at.Distances);
            }

            if (x.PositionQuery != null)
            {
                MultiplyBand(length, x.D, at.Key, paddedD, positionQueries + offset, stride, at.Terms, at.Distances);
                AddPositionToContent(probabilities, at.Terms, length, padded, at.Distances);
            }

            Softmax(probabilities, length, padded, x.InverseScale);
            var weights = ApplyDropout(x.Dropout, probabilities, first, at.Scores, length * padded);
            LoadRows<T>(x.Value, x, row, length, head, at.Key, paddedD);
            SmallGemm.Multiply(length, paddedD, length, weights, padded, 1, at.Key, paddedD, at.Query, paddedD, accumulate: false);
            StoreRows<T>(at.Query, paddedD, x.Context, x, row, length, head);
        }
    }

    /// <summary>Scratch of the longest sentence, in floats.</summary>
    private static int SentenceFloats(int longest, int paddedD) => new SentenceScratch(null, longest, paddedD).Floats;

    /// <summary>Where a sentence's matrices lie in the thread's scratch.</summary>
    private readonly struct SentenceScratch
    {
        public readonly float* Query, Key, Value, Output, Transposed, Scores, Gradients, Terms;
        public readonly int Distances, Floats;

        public SentenceScratch(float* memory, int length, int paddedD)
        {
            int padded = SmallGemm.Padded(length), rows = length * paddedD;
            Distances = SmallGemm.Padded((2 * length) - 1);
            Query = memory;
            Key = Query + rows;
            Value = Key + rows;
            Output = Value + rows;
            Transposed = Output + rows;
            Scores = Transposed + (paddedD * padded);
            Gradients = Scores + (length * padded);
            Terms = Gradients + (length * padded);
            Floats = (4 * rows) + (paddedD * padded) + (2 * length * padded) + (length * Distances);
        }
    }

    /// <summary>
    /// Rows whose terms are computed together. Of the 2l−1 distances a row of scores reads l, one further left for each row: a block of b rows needs l+b−1.
    /// Long sentences take larger blocks, so that the positions are read less often.
    /// </summary>
    private static int BandRows(int length) => length < 96 ? 6 : 24;

    // terms[i, d] = a_i · position_d, for the distances d = l−1−i … 2l−2−i that row i reads (and a few beside them).
    private static void MultiplyBand(int length, int depth, float* a, int lda, float* positions, int stride, float* terms, int distances)
    {
        for (var row = 0; row < length; row += BandRows(length))
        {
            int rows = Math.Min(BandRows(length), length - row), width = SmallGemm.Padded(length + rows - 1),
            first = Math.Min(length - row - rows, distances - width);
            SmallGemm.Multiply(rows, width, depth, a + (row * lda), lda, 1, positions + first, stride, terms + (row * distances) + first, distances,
                accumulate: false);
        }
    }

    private static void TransposePositions<T>(in Inputs x, void* positions, int head, int longest, bool downwards, float* target, int stride)
        where T : struct, IElement
    {
        if (positions == null)
        {
            return;
        }

        // Lanes of columns at a time: what is written lies side by side.
        var distances = (2 * longest) - 1;
        var rows = stackalloc long[SmallGemm.Lane];
        for (var first = 0; first < stride; first += SmallGemm.Lane, target += SmallGemm.Lane)
        {
            var columns = Math.Clamp(distances - first, 0, SmallGemm.Lane);
            for (var c = 0; c < columns; c++)
            {
                var row = x.RelativeRows[downwards ? distances - 1 - first - c : first + c];
                rows[c] = ((long)row * x.C) + (head * x.D);
            }

            for (var d = 0; d < x.D; d++)
            {
                var to = target + (d * stride);
                for (var c = 0; c < columns; c++)
                {
                    to[c] = T.LoadOne(positions, rows[c] + d);
                }

                for (var c = columns; c < SmallGemm.Lane; c++)
                {
                    to[c] = 0;
                }
            }
        }
    }

    // scores[i, j] += terms[i, j − i + l − 1]: contiguous in j.
    private static void AddContentToPosition(float* scores, float* terms, int length, int padded, int distances)
    {
        for (var i = 0; i < length; i++)
        {
            float* row = scores + (i * padded), term = terms + (i * distances) + length - 1 - i;
            var j = 0;
            for (; j + 16 <= length; j += 16)
            {
                (Vector512.Load(row + j) + Vector512.Load(term + j)).Store(row + j);
            }

            for (; j < length; j++)
            {
                row[j] += term[j];
            }
        }
    }

    // scores[i, j] += terms[j, i − j + l − 1]: contiguous in i, down a column of scores.
    private static void AddPositionToContent(float* scores, float* terms, int length, int padded, int distances)
    {
        for (var j = 0; j < length; j++)
        {
            float* column = scores + j, term = terms + (j * distances) + length - 1 - j;
            for (var i = 0; i < length; i++)
            {
                column[i * padded] += term[i];
            }
        }
    }

    private static void Softmax(float* scores, int length, int padded, float inverseScale)
    {
        for (var i = 0; i < length; i++)
        {
            var row = scores + (i * padded);
            for (var j = length; j < padded; j++)
            {
                row[j] = float.NegativeInfinity;
            }

            var largest = Vector512.Load(row);
            for (var j = 16; j < padded; j += 16)
            {
                largest = Vector512.Max(largest, Vector512.Load(row + j));
            }

            var top = Vector512.Create(Maximum(largest));
            Vector512<float> total = default;
            for (var j = 0; j < padded; j += 16)
            {
                var value = Exponential.Of((Vector512.Load(row + j) - top) * Vector512.Create(inverseScale));
                value.Store(row + j);
                total += value;
            }

            var share = Vector512.Create(1 / Vector512.Sum(total));
            for (var j = 0; j < padded; j += 16)
            {
                (Vector512.Load(row + j) * share).Store(row + j);
            }
        }
    }

    private static float Maximum(Vector512<float> values)
    {
        var largest = values[0];
        for (var i = 1; i < 16; i++)
        {
            largest = MathF.Max(largest, values[i]);
        }

        return largest;
    }

    /// <summary>Probabilities with dropout, in <paramref name="target"/>, or the probabilities themselves when nothing is dropped.</summary>
    private static float* ApplyDropout(DropoutStream dropout, float* probabilities, long first, float* target, int count)
    {
        if (!dropout.IsActive)
        {
            return probabilities;
        }

        for (var i = 0; i < count; i += 16)
        {
            (Vector512.Load(probabilities + i) * dropout.Factors(first + i)).Store(target + i);
        }

        return target;
    }

    private static void LoadRows<T>(void* source, in Inputs x, int firstRow, int rows, int head, float* target, int stride)
        where T : struct, IElement
    {
        for (var r = 0; r < rows; r++)
        {
            var from = ((long)(firstRow + r) * x.C) + (head * x.D);
            var to = target + (r * stride);
            var d = 0;
            for (; d + 16 <= x.D; d += 16)
            {
                T.Load(source, from + d).Store(to + d);
            }

            for (; d < stride; d++)
            {
                to[d] = d < x.D ? T.LoadOne(source, from + d) : 0;
            }
        }
    }

    private static void StoreRows<T>(float* source, int stride, void* target, in Inputs x, int firstRow, int rows, int head)
        where T : struct, IElement
    {
        for (var r = 0; r < rows; r++)
        {
            var to = ((long)(firstRow + r) * x.C) + (head * x.D);
            var from = source + (r * stride);
            var d = 0;
            for (; d + 16 <= x.D; d += 16)
            {
                T.Store(target, to + d, Vector512.Load(from + d));
            }

            for (; d < x.D; d++)
            {
                T.StoreOne(target, to + d, from[d]);
            }
        }
    }

    /// <summary>target[c, r] = source[r, c]; columns r ≥ rows of the target become 0.</summary>
    private static void Transpose(float* source, int rows, int columns, int stride, float* target, int targetStride)
    {
        for (var c = 0; c < columns; c++)
        {
            var to = target + (c * targetStride);
            var r = 0;
            for (; r < rows; r++)
            {
                to[r] = source[(r * stride) + c];
            }

            for (; r < targetStride; r++)
            {
                to[r] = 0;
            }
        }
    }
}
