using System.Text;

namespace NotebookLib.Tokenization;

/// <summary>
/// A text while it is being normalised: its characters now, and for each the range of the original that it stands for, in code points.
/// The arithmetic is that of huggingface/tokenizers (tokenizers/src/tokenizer/normalizer.rs, <c>transform_range</c>, 02cc5359), including what it does when a
/// text begins with a character that the rules delete: every later alignment is then one too far left.
/// </summary>
internal sealed class AlignedText
{
    private List<(Rune Rune, int Start, int End)> _characters;

    private AlignedText(List<(Rune Rune, int Start, int End)> characters) => _characters = characters;

    /// <summary>The characters, each with its range of the original (end exclusive).</summary>
    public IReadOnlyList<(Rune Rune, int Start, int End)> Characters => _characters;

    /// <summary>One character of a rewritten text, and what it did to the original: 0 replaces one character, 1 is new, −n replaces one and swallows n more.</summary>
    public readonly record struct Change(Rune Rune, int Difference);

    /// <summary>Begins with a text that stands for itself.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="firstCodePoint">How many code points of the original lie before it.</param>
    public static AlignedText Of(ReadOnlySpan<char> text, int firstCodePoint)
    {
        var characters = new List<(Rune, int, int)>(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            characters.Add((rune, firstCodePoint, ++firstCodePoint));
        }

        return new(characters);
    }

    /// <summary>Rewrites the whole text.</summary>
    public void Rewrite(IReadOnlyList<Change> changes)
    {
        var (old, next) = (_characters, 0);
        var rewritten = new List<(Rune, int, int)>(changes.Count);
        foreach (var (rune, difference) in changes)
        {
            if (difference > 0)
            {
                var (start, end) = next == 0 ? (0, 0) : (old[next - 1].Start, old[next - 1].End);
                rewritten.Add((rune, start, end));
            }
            else
            {
                rewritten.Add((rune, old[next].Start, old[next].End));
                next += 1 - difference;
            }
        }

        _characters = rewritten;
    }

    /// <summary>Turns each run of spaces into its last one.</summary>
    public void CollapseSpaces()
    {
        var kept = new List<(Rune, int, int)>(_characters.Count);
        for (var at = 0; at < _characters.Count; at++)
        {
            var isDouble = _characters[at].Rune.Value == ' ' && at + 1 < _characters.Count && _characters[at + 1].Rune.Value == ' ';
            if (!isDouble)
            {
                kept.Add(_characters[at]);
            }
        }

        _characters = kept;
    }
}
