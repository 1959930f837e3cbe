using System.Text;

namespace NotebookLib.Tokenization;

/// <summary>
/// Tokenizes any text step by step as the reference does: cut out special tokens, normalise what lies between, cut out <c>[UNK]</c>, mark word starts with ▁,
/// split before each mark, find the best pieces (transformers 4.35.2, <c>DebertaV2Converter</c>; tokenizers added_vocabulary.rs, metaspace.rs, 02cc5359).
/// </summary>
internal sealed class GeneralTokenizer
{
    private static readonly Rune s_mark = new('▁');

    private readonly UnigramModel _pieces;
    private readonly TextNormalizer _normalizer;
    private readonly SpecialTokens _special;
    private readonly Rune[] _unknownText;

    /// <summary>Puts the parts together.</summary>
    public GeneralTokenizer(UnigramModel pieces, TextNormalizer normalizer, SpecialTokens special)
    {
        (_pieces, _normalizer, _special) = (pieces, normalizer, special);
        _unknownText = [.. normalizer.Normalize(SpecialTokens.UnkText, 0).Characters.Select(character => character.Rune)];
    }

    /// <summary>Tokenizes a text, or a word given as such: both begin with a word mark.</summary>
    /// <param name="text">Any string; a lone surrogate is read as U+FFFD.</param>
    public PieceList Tokenize(string text)
    {
        var pieces = new PieceList();
        var rest = CodePoints.WellFormed(text).AsSpan();
        var codePoint = 0;
        while (!rest.IsEmpty)
        {
            var (start, length, id) = _special.FindIn(rest);
            AddSection(_normalizer.Normalize(rest[..start], codePoint), pieces);
            codePoint += CodePoints.Count(rest[..start]);
            if (length > 0)
            {
                pieces.BeginSplit();
                pieces.Add(id, codePoint, codePoint + length);
                codePoint += length;
            }

            rest = rest[(start + length)..];
        }

        return pieces;
    }

    private void AddSection(AlignedText text, PieceList pieces)
    {
        var characters = text.Characters;
        var start = 0;
        for (var at = 0; _unknownText.Length > 0 && at <= characters.Count - _unknownText.Length; at++)
        {
            if (IsUnknownTextAt(characters, at))
            {
                AddWords(characters, start, at, pieces);
                start = at + _unknownText.Length;
                pieces.BeginSplit();
                pieces.Add(_special.Unk, characters[at].Start, characters[start - 1].End);
                at = start - 1;
            }
        }

        AddWords(characters, start, characters.Count, pieces);
    }

    private bool IsUnknownTextAt(IReadOnlyList<(Rune Rune, int Start, int End)> characters, int at)
    {
        for (var index = 0; index < _unknownText.Length; index++)
        {
            if (characters[at + index].Rune != _unknownText[index])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Splits [from, to) before every space or written ▁; the first word gets a mark if it has none.</summary>
    private void AddWords(IReadOnlyList<(Rune Rune, int Start, int End)> characters, int from, int to, PieceList pieces)
    {
        for (var start = from; start < to;)
        {
            var end = start + 1;
            while (end < to && !IsMark(characters[end].Rune))
            {
                end++;
            }

            AddWord(characters, start, end, pieces);
            start = end;
        }
    }

    private static bool IsMark(Rune rune) => rune.Value == ' ' || rune == s_mark;

    private void AddWord(IReadOnlyList<(Rune Rune, int Start, int End)> characters, int from, int to, PieceList pieces)
    {
        pieces.BeginSplit();
        var workspace = ViterbiWorkspace.OfThread;
        var utf8 = workspace.BytesFor(4 * (to - from + 1));
        var first = IsMark(characters[from].Rune) ? from + 1 : from;
        var length = s_mark.EncodeToUtf8(utf8);
        for (var at = first; at < to; at++)
        {
            length += characters[at].Rune.EncodeToUtf8(utf8[length..]);
        }

        // The mark stands for the space it replaces; put in front of a first word, it shares that word's first character.
        var count = _pieces.Split(utf8[..length], workspace);
        var (position, startByte) = (first - 1, 0);
        for (var piece = 0; piece < count; piece++)
        {
            var endByte = workspace.Ends[piece];
            var next = position + CharactersIn(utf8[startByte..endByte]);
            pieces.Add(workspace.Ids[piece], characters[Math.Max(position, from)].Start, characters[Math.Max(next - 1, from)].End);
            (position, startByte) = (next, endByte);
        }

        workspace.Trim();
    }

    private static int CharactersIn(ReadOnlySpan<byte> utf8)
    {
        var count = 0;
        foreach (var value in utf8)
        {
            count += (value & 0xC0) == 0x80 ? 0 : 1;
        }

        return count;
    }
}
