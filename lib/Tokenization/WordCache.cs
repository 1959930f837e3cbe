using System.Collections.Concurrent;

namespace NotebookLib.Tokenization;

/// <summary>
/// Words that were tokenized before. Natural text repeats itself, so most words are found here. Bounded: once full it stays as it is, and long words stay out;
/// any number of threads may use it. A million entries of a hostile text cost no more than the bound.
/// </summary>
internal sealed class WordCache(int capacity)
{
    private const int LongestWord = 48;

    private readonly ConcurrentDictionary<string, WordPieces> _words = new(StringComparer.Ordinal);
    private int _count;

    /// <summary>Finds a word.</summary>
    public bool TryFind(ReadOnlySpan<char> word, out WordPieces pieces)
    {
        if (word.Length <= LongestWord && _words.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(word, out var found))
        {
            pieces = found;
            return true;
        }

        pieces = null!;
        return false;
    }

    /// <summary>Remembers a word, if there is room.</summary>
    public void Add(ReadOnlySpan<char> word, WordPieces pieces)
    {
        if (word.Length <= LongestWord && Volatile.Read(ref _count) < capacity && _words.TryAdd(word.ToString(), pieces))
        {
            Interlocked.Increment(ref _count);
        }
    }
}
