using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>An entity as a stretch of characters.</summary>
/// <param name="Start">First character.</param>
/// <param name="End">Behind the last one.</param>
/// <param name="Label">Its type.</param>
/// <param name="Text">What the record says it reads, or null.</param>
internal readonly record struct TextSpan(long Start, long End, string Label, string? Text);

/// <summary>A text with entities as stretches of characters, turned into words and IOB2 tags.</summary>
internal static class SpannedText
{
    /// <summary>Makes a row.</summary>
    /// <param name="line">Where it stands.</param>
    /// <param name="text">The text.</param>
    /// <param name="spans">Its entities.</param>
    /// <param name="words">Its words, as ranges in the spans' units, where the record has them; null splits the text.</param>
    /// <param name="countsUtf16">Whether places count UTF-16 units, as JavaScript does, rather than characters, as Python does.</param>
    /// <param name="mostWords">Words allowed.</param>
    /// <returns>The row, or what is wrong: a span outside of the text, one that overlaps another or cuts a word.</returns>
    public static RawRow ToRow(long line, string text, IReadOnlyList<TextSpan> spans, IReadOnlyList<(long Start, long End)>? words, bool countsUtf16,
        int mostWords)
    {
        var row = Try(line, text, spans, words, Places(text, countsUtf16), mostWords, out var isClean);
        // Where characters outside of the basic plane stand, tools differ in how they count: the count by which spans begin and end where words do is the one
        // that was meant.
        return isClean || text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0 ? row
            : Try(line, text, spans, words, Places(text, !countsUtf16), mostWords, out isClean) is var other && isClean ? other : row;
    }

    /// <summary>Makes a row by one way of counting; it is clean when nothing is wrong, and no span begins or ends with white space.</summary>
    private static RawRow Try(
        long line, string text, IReadOnlyList<TextSpan> spans, IReadOnlyList<(long Start, long End)>? words, int[] places, int mostWords, out bool isClean)
    {
        isClean = false;
        if (Fits(text, spans, places) is { } misfit)
        {
            return RawRow.Wrong(line, misfit);
        }

        List<Entity> entities = [.. spans.Select(span => Trimmed(text, places[span.Start], places[span.End], span.Label)).Distinct()
            .OrderBy(entity => entity.Start)];
        if (words is not null && words.Any(word => word.Start < 0 || word.End < word.Start || word.End >= places.Length))
        {
            return RawRow.Wrong(line, "a word of the record lies outside of its text.");
        }

        List<(int Start, int End)> ranges = words is null ? SplitAtEntities(text, WordSplitter.Split(text), entities.Count > mostWords ? [] : entities)
            : [.. words.Select(word => (places[word.Start], places[word.End])).Where(word => !string.IsNullOrWhiteSpace(text[word.Item1..word.Item2]))];
        if (Math.Max(ranges.Count, entities.Count) > mostWords)
        {
            return RawRow.Wrong(line, $"more than {mostWords} words or spans; raise MaxWordsPerSentence if that is right.");
        }

        var problem = FaultOf(text, entities, ranges);
        isClean = problem is null && !spans.Any(span => char.IsWhiteSpace(text[places[span.Start]]) || char.IsWhiteSpace(text[places[span.End] - 1]));
        return problem is not null ? RawRow.Wrong(line, problem)
            : RawRow.Of(line, [.. ranges.Select(range => text[range.Start..range.End])], Tags(entities, ranges), null, mostWords);
    }

    private readonly record struct Entity(int Start, int End, string Label);

    /// <summary>Place of each character of the text, and of its end, in UTF-16 units.</summary>
    private static int[] Places(string text, bool countsUtf16) =>
        [.. Enumerable.Range(0, text.Length).Where(at => countsUtf16 || at == 0 || !char.IsSurrogatePair(text[at - 1], text[at])), text.Length];

    /// <returns>What does not fit, or null.</returns>
    private static string? Fits(string text, IReadOnlyList<TextSpan> spans, int[] places)
    {
        foreach (var span in spans)
        {
            if (span.Start < 0 || span.End <= span.Start || span.End >= places.Length)
            {
                return Invariant($"span {span.Start} to {span.End} ({Excerpt.Of(span.Label)}) lies outside of a text of {places.Length - 1} ")
                    + "characters, or is empty.";
            }

            var found = text[places[span.Start]..places[span.End]];
            if (!string.IsNullOrWhiteSpace(span.Text) && found.Trim() != span.Text.Trim())
            {
                return Invariant($"span {span.Start} to {span.End} ({Excerpt.Of(span.Label)}) reads '{Excerpt.Of(found)}', ")
                    + Invariant($"its record says '{Excerpt.Of(span.Text)}'.");
            }

            if (string.IsNullOrWhiteSpace(found) || string.IsNullOrWhiteSpace(span.Label))
            {
                return Invariant($"span {span.Start} to {span.End} ('{Excerpt.Of(found)}', {Excerpt.Of(span.Label)}) is blank or has no label.");
            }
        }

        return null;
    }

    private static Entity Trimmed(string text, int start, int end, string label)
    {
        var inner = text.AsSpan(start..end);
        return new(start + (inner.Length - inner.TrimStart().Length), end - (inner.Length - inner.TrimEnd().Length), label.Trim());
    }

    /// <summary>Splits a word where an entity ends at punctuation within it: Paris-based, Smith's.</summary>
    private static List<(int Start, int End)> SplitAtEntities(string text, List<(int Start, int End)> words, List<Entity> entities)
    {
        var edges = entities.SelectMany(entity => (int[])[entity.Start, entity.End]).Where(at => WordSplitter.IsBorder(text, at)).Distinct().Order().ToList();
        var split = new List<(int, int)>(words.Count);
        foreach (var (start, end) in words)
        {
            var from = start;
            foreach (var edge in edges.Where(edge => edge > start && edge < end))
            {
                split.Add((from, edge));
                from = edge;
            }

            split.Add((from, end));
        }

        return split;
    }

    private static string? FaultOf(string text, List<Entity> entities, List<(int Start, int End)> words)
    {
        for (var i = 0; i < entities.Count; i++)
        {
            var (start, end, label) = entities[i];
            if (i > 0 && start < entities[i - 1].End)
            {
                return $"the spans '{Excerpt.Of(text[entities[i - 1].Start..entities[i - 1].End])}' ({Excerpt.Of(entities[i - 1].Label)}) and "
                    + $"'{Excerpt.Of(text[start..end])}' ({Excerpt.Of(label)}) overlap; a word has one tag: leave one of them.";
            }

            if (words.Find(word => (word.Start < start && start < word.End) || (word.Start < end && end < word.End)) is { End: > 0 } cut)
            {
                return Invariant($"span {start} to {end} '{Excerpt.Of(text[start..end])}' ({Excerpt.Of(label)}) ")
                    + Invariant($"cuts the word '{Excerpt.Of(text[cut.Start..cut.End])}'; let it end where words do.");
            }
        }

        return null;
    }

    private static string[] Tags(List<Entity> entities, List<(int Start, int End)> words)
    {
        var tags = new string[words.Count];
        var next = 0;
        for (var word = 0; word < tags.Length; word++)
        {
            while (next < entities.Count && entities[next].End <= words[word].Start)
            {
                next++;
            }

            var isInside = next < entities.Count && entities[next].Start <= words[word].Start;
            var begins = isInside && (word == 0 || words[word - 1].Start < entities[next].Start);
            tags[word] = isInside ? (begins ? "B-" : "I-") + entities[next].Label : "O";
        }

        return tags;
    }
}
