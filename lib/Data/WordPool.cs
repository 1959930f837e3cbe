namespace NotebookLib.Data;

/// <summary>Gives equal words the same string: text repeats its words so much that a corpus in memory shrinks to about a third. Bounded.</summary>
internal sealed class WordPool
{
    private const int MaxCachedLength = 32;
    private readonly string?[] _words = new string?[1 << 16];

    public string Get(ReadOnlySpan<char> word)
    {
        if (word.Length > MaxCachedLength)
        {
            return word.ToString();
        }

        ref var cached = ref _words[string.GetHashCode(word) & (_words.Length - 1)];
        return cached is not null && word.SequenceEqual(cached) ? cached : cached = word.ToString();
    }
}
