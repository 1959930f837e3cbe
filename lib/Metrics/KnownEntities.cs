using NotebookLib.Data;

namespace NotebookLib.Metrics;

/// <summary>The entities that training saw, by their words: a model may know them by heart, the others it has to recognise.</summary>
public sealed class KnownEntities
{
    private readonly HashSet<string> _surfaces = new(StringComparer.Ordinal);

    /// <summary>Different entities seen.</summary>
    public int Count => _surfaces.Count;

    /// <summary>Gathers the entities of the training split.</summary>
    /// <param name="sentences">The split; read once, memory grows with the different entities.</param>
    /// <param name="labels">Names the tags.</param>
    public static KnownEntities Of(IEnumerable<Sentence> sentences, LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        var known = new KnownEntities();
        foreach (var sentence in sentences)
        {
            foreach (var entity in EntitySpans.Find(sentence.Tags, labels, EntityScheme.Lenient))
            {
                known._surfaces.Add(SurfaceOf(sentence.Words, entity));
            }
        }

        return known;
    }

    /// <summary>True when training saw these very words as an entity, of whatever type.</summary>
    public bool Contains(IReadOnlyList<string> words, Entity entity) => _surfaces.Contains(SurfaceOf(words, entity));

    /// <summary>An entity's words, joined with blanks.</summary>
    public static string SurfaceOf(IReadOnlyList<string> words, Entity entity)
    {
        ArgumentNullException.ThrowIfNull(words);
        return entity.Length == 1 ? words[entity.Start] : string.Join(' ', Enumerable.Range(entity.Start, entity.Length).Select(i => words[i]));
    }
}
