using NotebookLib.Data;

namespace NotebookLib.Metrics;

/// <summary>
/// Counts entities sentence by sentence and gives seqeval 1.2.2's scores, in its default and its strict IOB2 mode at once.
/// Keeps a few numbers per type, so an evaluation can stream through it. Not for several threads at once.
/// </summary>
internal sealed class SequenceScorer
{
    private readonly LabelSet? _labels;
    private readonly TagCodes _codes;
    private readonly EntityCounts _lenient = new(EntityScheme.Lenient);
    private readonly EntityCounts _strict = new(EntityScheme.StrictIob2);
    private int[] _goldCodes = new int[256];
    private int[] _predictedCodes = new int[256];
    private long _sentenceCount;
    private long _tokenCount;
    private long _correctTokenCount;

    /// <summary>A scorer of tags given by name.</summary>
    public SequenceScorer() => _codes = new TagCodes();

    /// <summary>A scorer of tags given by label id or by name.</summary>
    /// <param name="labels">Names the ids.</param>
    public SequenceScorer(LabelSet labels)
    {
        _labels = labels;
        _codes = new TagCodes(labels);
    }

    /// <summary>Adds a sentence given as tag names (<c>O</c>, <c>B-type</c>, <c>I-type</c>), one per word.</summary>
    /// <exception cref="ArgumentException">The lengths differ, or a tag is none of IOB2.</exception>
    public void Add(IReadOnlyList<string> gold, IReadOnlyList<string> predicted)
    {
        Reserve(gold.Count, predicted.Count);
        for (var i = 0; i < gold.Count; i++)
        {
            _goldCodes[i] = _codes.Encode(gold[i]);
            _predictedCodes[i] = _codes.Encode(predicted[i]);
        }

        AddCodes(gold.Count);
    }

    /// <summary>Adds a sentence given as label ids, one per word or per piece; positions whose gold label is −100 are left out of both sequences.</summary>
    /// <exception cref="InvalidOperationException">The scorer was made without a label set.</exception>
    /// <exception cref="ArgumentException">The lengths differ, or an id is not of the label set.</exception>
    public void Add(ReadOnlySpan<int> gold, ReadOnlySpan<int> predicted)
    {
        var labelCount = LabelCount();
        Reserve(gold.Length, predicted.Length);
        var count = 0;
        for (var i = 0; i < gold.Length; i++)
        {
            if (gold[i] != IgnoredLabel)
            {
                EntitySpans.ThrowIfNoLabel(gold[i], labelCount);
                EntitySpans.ThrowIfNoLabel(predicted[i], labelCount);
                (_goldCodes[count], _predictedCodes[count]) = (gold[i], predicted[i]);
                count++;
            }
        }

        AddCodes(count);
    }

    /// <inheritdoc cref="Add(ReadOnlySpan{int}, ReadOnlySpan{int})"/>
    /// <remarks>For rows of int64 tensors (labels, arg-max of the logits) as they come.</remarks>
    public void Add(ReadOnlySpan<long> gold, ReadOnlySpan<long> predicted)
    {
        Span<int> goldIds = gold.Length <= 512 ? stackalloc int[gold.Length] : new int[gold.Length];
        Span<int> predictedIds = predicted.Length <= 512 ? stackalloc int[predicted.Length] : new int[predicted.Length];
        for (var i = 0; i < gold.Length; i++)
        {
            goldIds[i] = checked((int)gold[i]);
        }

        for (var i = 0; i < predicted.Length; i++)
        {
            predictedIds[i] = checked((int)predicted[i]);
        }

        Add(goldIds, predictedIds);
    }

    /// <summary>The scores of all sentences added so far.</summary>
    /// <param name="scheme">Which of seqeval's two modes.</param>
    /// <param name="zeroDivision">What an undefined score is (precision of a type never predicted, recall of one that never occurs): 0, or 1.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="zeroDivision"/> is neither 0 nor 1.</exception>
    public SequenceScores Scores(EntityScheme scheme, int zeroDivision = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(zeroDivision);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(zeroDivision, 1);
        var counts = scheme == EntityScheme.Lenient ? _lenient : _strict;
        var accuracy = _tokenCount == 0 ? 0 : (double)_correctTokenCount / _tokenCount;
        return SequenceScores.Of(scheme, _codes.Types, counts, accuracy, _sentenceCount, _tokenCount, zeroDivision);
    }

    // PyTorch's cross_entropy ignore_index, and the data collator's label padding.
    private const int IgnoredLabel = -100;

    private int LabelCount() => _labels?.Count
        ?? throw new InvalidOperationException("This scorer was made without a label set and cannot name label ids; use new SequenceScorer(labels).");

    private void Reserve(int goldCount, int predictedCount)
    {
        if (goldCount != predictedCount)
        {
            throw new ArgumentException(
                $"Sentence {_sentenceCount + 1}: {goldCount} gold tags but {predictedCount} predicted ones; expected one of each per word.");
        }

        if (_goldCodes.Length < goldCount)
        {
            _goldCodes = new int[2 * goldCount];
            _predictedCodes = new int[2 * goldCount];
        }
    }

    private void AddCodes(int count)
    {
        ReadOnlySpan<int> gold = _goldCodes.AsSpan(0, count), predicted = _predictedCodes.AsSpan(0, count);
        _lenient.Add(gold, predicted);
        _strict.Add(gold, predicted);
        for (var i = 0; i < count; i++)
        {
            _correctTokenCount += gold[i] == predicted[i] ? 1 : 0;
        }

        _tokenCount += count;
        _sentenceCount++;
    }
}
