using NotebookLib.Data;

namespace NotebookLib.Metrics;

/// <summary>
/// Tags by memory alone: the words of every training entity, with the type they most often had there; longest match first, from left to right. What a network
/// adds to this, it has learned from context.
/// </summary>
public sealed class LookupBaseline
{
    private readonly Dictionary<string, int> _typeOf = new(StringComparer.Ordinal);
    private readonly LabelSet _labels;
    private readonly int _longest;

    private LookupBaseline(LabelSet labels, Dictionary<string, int[]> counts, int longest)
    {
        (_labels, _longest) = (labels, longest);
        foreach (var (surface, ofType) in counts)
        {
            _typeOf[surface] = Array.IndexOf(ofType, ofType.Max());
        }
    }

    /// <summary>Learns the entities of a split by heart.</summary>
    /// <param name="training">The split; read once.</param>
    /// <param name="labels">Names the tags.</param>
    public static LookupBaseline Of(IEnumerable<Sentence> training, LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(labels);
        var (counts, longest) = (new Dictionary<string, int[]>(StringComparer.Ordinal), 0);
        var typeIds = labels.Types.Index().ToDictionary(pair => pair.Item, pair => pair.Index, StringComparer.Ordinal);
        foreach (var sentence in training)
        {
            foreach (var entity in EntitySpans.Find(sentence.Tags, labels, EntityScheme.Lenient))
            {
                var surface = KnownEntities.SurfaceOf(sentence.Words, entity);
                counts.TryAdd(surface, new int[labels.Types.Count]);
                counts[surface][typeIds[entity.Type]]++;
                longest = Math.Max(longest, entity.Length);
            }
        }

        return new(labels, counts, longest);
    }

    /// <summary>Tags a sentence.</summary>
    /// <param name="words">Its words.</param>
    /// <returns>One label id per word.</returns>
    public int[] Tag(IReadOnlyList<string> words)
    {
        ArgumentNullException.ThrowIfNull(words);
        var tags = new int[words.Count];
        for (var start = 0; start < words.Count;)
        {
            var length = LongestMatch(words, start, out var type);
            for (var i = 0; i < length; i++)
            {
                tags[start + i] = (2 * type) + (i == 0 ? 1 : 2);
            }

            start += Math.Max(1, length);
        }

        return tags;
    }

    /// <summary>Tags a split.</summary>
    /// <param name="sentences">With gold tags.</param>
    /// <returns>The sentences with gold and predicted tags, in order.</returns>
    public IReadOnlyList<JudgedSentence> Judge(IEnumerable<Sentence> sentences)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        return [.. sentences.Select(sentence => new JudgedSentence(sentence.Words, sentence.Tags, Tag(sentence.Words)))];
    }

    /// <summary>Scores the baseline on a split.</summary>
    /// <param name="sentences">With gold tags.</param>
    public SequenceScores Score(IEnumerable<Sentence> sentences)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        var scorer = new SequenceScorer(_labels);
        foreach (var sentence in sentences)
        {
            scorer.Add([.. sentence.Tags], Tag(sentence.Words));
        }

        return scorer.Scores(EntityScheme.Lenient);
    }

    private int LongestMatch(IReadOnlyList<string> words, int start, out int type)
    {
        for (var length = Math.Min(_longest, words.Count - start); length > 0; length--)
        {
            if (_typeOf.TryGetValue(string.Join(' ', Enumerable.Range(start, length).Select(i => words[i])), out type))
            {
                return length;
            }
        }

        type = 0;
        return 0;
    }
}
