using NotebookLib.Data;

namespace NotebookLib.Metrics;

/// <summary>Reads tag sequences as entities; scores, error analysis and statistics all count what this finds.</summary>
internal static class EntitySpans
{
    /// <summary>The entities of one sentence, given as label ids.</summary>
    /// <param name="tags">Label ids of <paramref name="labels"/>, one per word.</param>
    /// <param name="labels">Names the ids.</param>
    /// <param name="scheme">How to read an I without its B.</param>
    /// <returns>Entities in reading order; they never overlap.</returns>
    /// <exception cref="ArgumentOutOfRangeException">An id is not of <paramref name="labels"/>.</exception>
    public static IReadOnlyList<Entity> Find(IReadOnlyList<int> tags, LabelSet labels, EntityScheme scheme)
    {
        foreach (var tag in tags)
        {
            ThrowIfNoLabel(tag, labels.Count);
        }

        return Named([.. tags], labels.Types, scheme);
    }

    /// <summary>The entities of one sentence, given as tag names.</summary>
    /// <param name="tags">Tags, one per word: <c>O</c>, <c>B-type</c>, <c>I-type</c>.</param>
    /// <param name="scheme">How to read an I without its B.</param>
    /// <returns>Entities in reading order; they never overlap.</returns>
    /// <exception cref="ArgumentException">A tag is none of IOB2.</exception>
    public static IReadOnlyList<Entity> Find(IReadOnlyList<string> tags, EntityScheme scheme)
    {
        var codes = new TagCodes();
        return Named([.. tags.Select(codes.Encode)], codes.Types, scheme);
    }

    internal static void ThrowIfNoLabel(int id, int labelCount)
    {
        if ((uint)id >= (uint)labelCount)
        {
            throw new ArgumentOutOfRangeException(nameof(id), id, Invariant($"Label id {id} is out of range; the label set has ids 0 to {labelCount - 1}."));
        }
    }

    /// <summary>Finds the spans of a sequence of <see cref="TagCodes"/>.</summary>
    /// <param name="codes">One code per word.</param>
    /// <param name="scheme">How to read an I without its B.</param>
    /// <param name="spans">Cleared, then filled in reading order.</param>
    internal static void Find(ReadOnlySpan<int> codes, EntityScheme scheme, List<TypedSpan> spans)
    {
        spans.Clear();
        const int None = -1;
        var (openType, start) = (None, 0);
        for (var i = 0; i < codes.Length; i++)
        {
            var code = codes[i];
            var type = code == 0 ? None : TagCodes.TypeOf(code);
            var begins = TagCodes.Begins(code);
            if (openType != None && (begins || type != openType))
            {
                spans.Add(new(openType, start, i));
                openType = None;
            }

            if (openType == None && type != None && (begins || scheme == EntityScheme.Lenient))
            {
                (openType, start) = (type, i);
            }
        }

        if (openType != None)
        {
            spans.Add(new(openType, start, codes.Length));
        }
    }

    private static List<Entity> Named(int[] codes, IReadOnlyList<string> types, EntityScheme scheme)
    {
        var spans = new List<TypedSpan>();
        Find(codes, scheme, spans);
        return [.. spans.Select(span => new Entity(types[span.Type], span.Start, span.End))];
    }
}

/// <summary>An entity whose type is still a number; end exclusive.</summary>
internal readonly record struct TypedSpan(int Type, int Start, int End);
