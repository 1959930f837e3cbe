using NotebookLib.Data;

namespace NotebookLib.Metrics;

/// <summary>What a split holds.</summary>
/// <param name="Name">train, validation, test.</param>
/// <param name="Sentences">Sentences.</param>
/// <param name="Words">Words.</param>
/// <param name="OutsideWords">Words that belong to no entity.</param>
/// <param name="Entities">Entities of each type, in the label set's order; types that do not occur stand there with 0.</param>
/// <param name="UnseenEntities">Entities whose very words training never saw as one, or null when that was not asked for.</param>
public sealed record SplitStatistics(string Name, int Sentences, long Words, long OutsideWords, IReadOnlyDictionary<string, int> Entities, long? UnseenEntities)
{
    /// <summary>Entities of all types.</summary>
    public long EntityCount => Entities.Values.Sum(count => (long)count);

    /// <summary>Counts a split in one pass.</summary>
    /// <param name="name">What to call it.</param>
    /// <param name="sentences">The split.</param>
    /// <param name="labels">Names the tags.</param>
    /// <param name="training">What training saw; null to leave unseen entities uncounted.</param>
    public static SplitStatistics Of(string name, IEnumerable<Sentence> sentences, LabelSet labels, KnownEntities? training = null)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        ArgumentNullException.ThrowIfNull(labels);
        var entities = labels.Types.ToDictionary(type => type, _ => 0, StringComparer.Ordinal);
        var (count, words, outside, unseen) = (0, 0L, 0L, 0L);
        foreach (var sentence in sentences)
        {
            count++;
            words += sentence.Words.Count;
            outside += sentence.Tags.Count(tag => tag == 0);
            foreach (var entity in EntitySpans.Find(sentence.Tags, labels, EntityScheme.Lenient))
            {
                entities[entity.Type]++;
                unseen += training is not null && !training.Contains(sentence.Words, entity) ? 1 : 0;
            }
        }

        return new(name, count, words, outside, entities, training is null ? null : unseen);
    }
}
