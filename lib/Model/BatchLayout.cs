using NotebookLib.Batching;
using NotebookLib.Kernels;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>
/// Where the real pieces of a batch lie in its padded grid. Everything but attention works on the N real pieces alone, [N, C]; only attention needs the
/// grid [B, L]. Random batches of sentences are about half padding, so that halves the work and changes no number that counts.
/// </summary>
/// <remarks>Its tensors belong to the forward's dispose scope, unless somebody <see cref="Retain"/>s them beyond it.</remarks>
internal sealed class BatchLayout
{
    private readonly Tensor? _realPlaces;
    private readonly Tensor? _gridSources;
    private readonly Tensor? _isPadding;
    private Tensor? _keyMask;
    private RaggedShape? _shape;
    private long[]? _scorePlaces;
    private int _retainers;

    /// <summary>Reads ids and mask once.</summary>
    /// <param name="inputIds">[B, L], whole numbers.</param>
    /// <param name="attentionMask">[B, L]; 0 marks padding.</param>
    /// <param name="config">For the number of ids.</param>
    /// <exception cref="ArgumentException">The shapes differ, or an id is outside the vocabulary.</exception>
    public BatchLayout(Tensor inputIds, Tensor attentionMask, DebertaConfig config)
    {
        if (inputIds.dim() != 2 || !inputIds.shape.SequenceEqual(attentionMask.shape))
        {
            throw new ArgumentException(
                $"input_ids [{string.Join(", ", inputIds.shape)}], attention_mask [{string.Join(", ", attentionMask.shape)}]; expected both [batch, length].");
        }

        (Batch, Length) = ((int)inputIds.shape[0], (int)inputIds.shape[1]);
        var ids = inputIds.to(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
        var mask = attentionMask.to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        EnsureKnownIds(Array.ConvertAll(ids, id => (int)Math.Clamp(id, int.MinValue, int.MaxValue)), config);
        var places = Enumerable.Range(0, mask.Length).Where(place => mask[place] != 0).Select(place => (long)place).ToArray();
        PieceIds = tensor(places.Select(place => ids[place]).ToArray(), ScalarType.Int64, inputIds.device);
        Positions = tensor(places.Select(place => place % Length).ToArray(), ScalarType.Int64, inputIds.device);
        Groups = PrefixLengths(mask) is { } lengths ? [lengths] : null;
        HasRealPadPiece = places.Any(place => ids[place] == config.PadTokenId);
        if (places.Length < mask.Length)
        {
            (_realPlaces, _gridSources, _isPadding) = Grid(mask, inputIds.device);
        }
    }

    /// <summary>Lays ragged sentences out; nothing is read back from their device.</summary>
    /// <param name="batch">The sentences.</param>
    /// <param name="config">For the number of ids.</param>
    /// <param name="withGrid">Whether somebody will ask for the grid [B, L].</param>
    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    public BatchLayout(Batch batch, DebertaConfig config, bool withGrid)
    {
        (Batch, Length, Groups, PieceIds) = (batch.RowCount, batch.Lengths.Max(), batch.Groups, batch.InputIds);
        EnsureKnownIds(batch.Ids, config);
        HasRealPadPiece = Array.IndexOf(batch.Ids, config.PadTokenId) >= 0;
        var device = batch.InputIds.device;
        Positions = config.PositionBiasedInput
            ? tensor(batch.Lengths.SelectMany(length => Enumerable.Range(0, length).Select(place => (long)place)).ToArray(), device: device) : null;
        if (withGrid && batch.PieceCount < Batch * Length)
        {
            var mask = new float[Batch * Length];
            for (var row = 0; row < Batch; row++)
            {
                mask.AsSpan(row * Length, batch.Lengths[row]).Fill(1);
            }

            (_realPlaces, _gridSources, _isPadding) = Grid(mask, device);
        }
    }

    /// <summary>B.</summary>
    public int Batch { get; }

    /// <summary>L, the padded length.</summary>
    public int Length { get; }

    /// <summary>Ids of the real pieces, [N] int64.</summary>
    public Tensor PieceIds { get; }

    /// <summary>Place of each real piece in its row, [N] int64; null where the model has no absolute positions.</summary>
    public Tensor? Positions { get; }

    /// <summary>Whether the padding id occurs unmasked: its embedding gets no gradient even there.</summary>
    public bool HasRealPadPiece { get; }

    /// <summary>Real pieces of each sentence, by micro-batch; null when padding stands between pieces or a row is empty.</summary>
    public IReadOnlyList<int[]>? Groups { get; }

    /// <summary>Its sentences one after another; rows as long as the grid where they are not known by their lengths.</summary>
    public RaggedShape Shape => _shape ??= new(Groups is [var lengths] ? lengths : [.. Enumerable.Repeat(Length, Batch)]);

    /// <summary>Attention weights by head, sentence after sentence, to the grid; what stands at padding is arbitrary.</summary>
    /// <param name="scores_HS">[H, scores per head], as <see cref="Shape"/> lays them out.</param>
    /// <returns>[H·B, L, L].</returns>
    public Tensor ScoresToGrid(Tensor scores_HS)
    {
        _scorePlaces ??= ScorePlaces();
        using var places = tensor(_scorePlaces, ScalarType.Int64, scores_HS.device);
        return scores_HS.index_select(1, places).view(-1, Length, Length);
    }

    private long[] ScorePlaces()
    {
        var places = new long[(long)Batch * Length * Length];
        for (var s = 0; s < Batch; s++)
        {
            var (length, first) = (Shape.Lengths[s], Shape.ScoreOffsets[s]);
            for (var query = 0; query < length; query++)
            {
                for (var key = 0; key < length; key++)
                {
                    places[(((s * (long)Length) + query) * Length) + key] = first + ((long)query * SmallGemm.Padded(length)) + key;
                }
            }
        }

        return places;
    }

    /// <summary>Keeps the tensors that attention needs beyond the forward's scope, until as many <see cref="Release"/>s.</summary>
    public void Retain()
    {
        if (_retainers++ == 0)
        {
            Array.ForEach(Kept, tensor => tensor?.DetachFromDisposeScope());
        }
    }

    /// <summary>Ends one <see cref="Retain"/>.</summary>
    public void Release()
    {
        if (--_retainers == 0)
        {
            Array.ForEach(Kept, tensor => tensor?.Dispose());
        }
    }

    private Tensor?[] Kept => [_realPlaces, _gridSources, _isPadding];

    /// <summary>[N, …] → [B·L, …]; rows at padding are arbitrary but finite.</summary>
    public Tensor ToGrid(Tensor ragged) => _gridSources is null ? ragged.alias() : ragged.index_select(0, _gridSources);

    /// <summary>[B·L, …] → [N, …].</summary>
    public Tensor FromGrid(Tensor grid) => _realPlaces is null ? grid.alias() : grid.index_select(0, _realPlaces);

    /// <summary>[N, C] → [B, L, C] with zeros at padding.</summary>
    public Tensor ToPadded(Tensor ragged)
    {
        long[] shape = [Batch, Length, .. ragged.shape[1..]];
        if (_realPlaces is null)
        {
            return ragged.view(shape);
        }

        var grid = zeros([(long)Batch * Length, .. ragged.shape[1..]], ragged.dtype, ragged.device);
        return grid.index_copy(0, _realPlaces, ragged).view(shape);
    }

    /// <summary>What is added to scores: 0 for real keys, a very negative number for padding, [1, B, 1, L]; null without padding.</summary>
    public Tensor? KeyMask(ScalarType dtype)
    {
        if (_isPadding is not null)
        {
            _keyMask = zeros(_isPadding.shape, dtype, _isPadding.device).masked_fill_(_isPadding, VeryNegative(dtype));
        }

        return _keyMask;
    }

    // Half of the type's range: score + this never becomes infinite, so a row that is all padding stays finite; exp of it is 0 all the same.
    private static double VeryNegative(ScalarType dtype) => dtype == ScalarType.Float16 ? -32_768 : -1.5e38;

    // Padding takes the row of the first real piece: any finite value will do, as keys there are masked and queries there are dropped.
    private static long[] GridSources(float[] mask)
    {
        var sources = new long[mask.Length];
        var next = 0L;
        for (var place = 0; place < mask.Length; place++)
        {
            sources[place] = mask[place] != 0 ? next++ : 0;
        }

        return sources;
    }

    private (Tensor RealPlaces, Tensor GridSources, Tensor IsPadding) Grid(float[] mask, Device device)
    {
        var places = Enumerable.Range(0, mask.Length).Where(place => mask[place] != 0).Select(place => (long)place).ToArray();
        return (tensor(places, ScalarType.Int64, device), tensor(GridSources(mask), ScalarType.Int64, device),
            tensor(mask.Select(value => value == 0).ToArray(), ScalarType.Bool, device).view(1, Batch, 1, Length));
    }

    private int[]? PrefixLengths(float[] mask)
    {
        var lengths = new int[Batch];
        for (var row = 0; row < Batch; row++)
        {
            var values = mask.AsSpan(row * Length, Length);
            lengths[row] = values.IndexOf(0f) is var first and >= 0 ? first : Length;
            if (lengths[row] == 0 || values[lengths[row]..].ContainsAnyExcept(0f))
            {
                return null;
            }
        }

        return lengths;
    }

    private static void EnsureKnownIds(int[] ids, DebertaConfig config)
    {
        var wrong = Array.FindIndex(ids, id => id < 0 || id >= config.VocabSize);
        if (wrong >= 0)
        {
            throw new ArgumentException(Invariant($"input_ids holds {ids[wrong]} at flat index {wrong}; ")
                + Invariant($"expected 0 to vocab_size − 1 = {config.VocabSize - 1}. ")
                + "Does the tokenizer belong to this model?");
        }
    }
}
