using System.Globalization;
using System.Text;

namespace NotebookLib.Tokenization;

/// <summary>
/// What the fast tokenizer does to a text before it looks for pieces: strip white space, apply the model's rules, make runs of spaces one space
/// (transformers 4.35.2, convert_slow_tokenizer.py, <c>DebertaV2Converter.normalizer</c>).
/// </summary>
internal sealed class TextNormalizer
{
    /// <summary>Clusters of this many UTF-8 bytes or more are looked up character by character (tokenizers/src/normalizers/precompiled.rs).</summary>
    private const int LongCluster = 6;

    private readonly CharsMap? _rules;
    private readonly bool[] _isPlain = new bool[128];

    /// <summary>Prepares the rules of a model.</summary>
    public TextNormalizer(CharsMap? rules)
    {
        _rules = rules;
        for (var character = '!'; character < _isPlain.Length - 1; character++)
        {
            _isPlain[character] = character != '[' && rules?.FindShortest([(byte)character]) is null;
        }

        KeepsSpace = rules?.FindShortest(" "u8) is null;
    }

    /// <summary>True when the rules leave a space as it is.</summary>
    public bool KeepsSpace { get; }

    /// <summary>True for printable ASCII that the rules leave as it is; <c>[</c> is not plain, because a special token may begin there.</summary>
    public bool IsPlain(char character) => character < _isPlain.Length && _isPlain[character];

    /// <summary>Normalises a text without special tokens.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="firstCodePoint">How many code points of the original lie before it.</param>
    public AlignedText Normalize(ReadOnlySpan<char> text, int firstCodePoint)
    {
        var stripped = text.TrimStart();
        var leading = text.Length - stripped.Length;
        stripped = stripped.TrimEnd();
        var aligned = AlignedText.Of(stripped, firstCodePoint + leading);
        if (_rules is not null && Changes(stripped) is { } changes)
        {
            aligned.Rewrite(changes);
        }

        aligned.CollapseSpaces();
        return aligned;
    }

    /// <summary>What the rules do to a text; null when nothing.</summary>
    private List<AlignedText.Change>? Changes(ReadOnlySpan<char> text)
    {
        var changes = new List<AlignedText.Change>(text.Length);
        var isChanged = false;
        while (!text.IsEmpty)
        {
            var cluster = text[..StringInfo.GetNextTextElementLength(text)];
            text = text[cluster.Length..];
            if (System.Text.Encoding.UTF8.GetByteCount(cluster) < LongCluster && Apply(cluster, changes))
            {
                isChanged = true;
                continue;
            }

            while (!cluster.IsEmpty)
            {
                Rune.DecodeFromUtf16(cluster, out var rune, out var length);
                if (Apply(cluster[..length], changes))
                {
                    isChanged = true;
                }
                else
                {
                    changes.Add(new(rune, 0));
                }

                cluster = cluster[length..];
            }
        }

        return isChanged ? changes : null;
    }

    private bool Apply(ReadOnlySpan<char> part, List<AlignedText.Change> changes)
    {
        Span<byte> utf8 = stackalloc byte[LongCluster];
        utf8 = utf8[..System.Text.Encoding.UTF8.GetBytes(part, utf8)];
        if (_rules!.FindShortest(utf8) is not { } replacement)
        {
            return false;
        }

        var difference = CodePoints.Count(replacement) - CodePoints.Count(part);
        var first = changes.Count;
        foreach (var rune in replacement.EnumerateRunes())
        {
            changes.Add(new(rune, 0));
        }

        for (var added = Math.Max(first, changes.Count - difference); added < changes.Count; added++)
        {
            changes[added] = changes[added] with { Difference = 1 };
        }

        // Deleted at the very start of the text: there is nothing to note it on, so the reference forgets it, and so do we.
        if (difference < 0 && changes.Count > 0)
        {
            changes[^1] = changes[^1] with { Difference = changes[^1].Difference + difference };
        }

        return true;
    }
}
