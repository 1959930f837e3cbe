namespace NotebookLib.Metrics;

/// <summary>One entity of a sentence: words <paramref name="Start"/> up to, without, <paramref name="End"/>.</summary>
/// <param name="Type">The entity type without prefix, for instance <c>PER</c>.</param>
/// <param name="Start">Index of the first word.</param>
/// <param name="End">Index after the last word, so that <c>words[Start..End]</c> are the entity's (seqeval's own tuples end one earlier).</param>
public readonly record struct Entity(string Type, int Start, int End)
{
    /// <summary>Length in words, at least 1.</summary>
    public int Length => End - Start;
}

/// <summary>How tags are read as entities; a score only says something together with this.</summary>
public enum EntityScheme
{
    /// <summary>
    /// seqeval's default, as conlleval.pl reads tags: an I that follows O, or another type, begins an entity. Forgiving: what a tagger gets wrong in
    /// prefixes costs nothing.
    /// </summary>
    Lenient,

    /// <summary>seqeval's <c>mode="strict", scheme=IOB2</c>: only B begins an entity; an I without its B is nothing at all.</summary>
    StrictIob2,
}
