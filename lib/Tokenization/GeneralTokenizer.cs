using System.Text;

namespace NotebookLib.Tokenization;

/// <summary>
/// Tokenizes any text step by step as the fast tokenizer does: cut out the tokens that are looked for as they stand, normalise what lies between, cut out those
/// that are looked for afterwards, split, find the best pieces of each stretch (huggingface/tokenizers, tokenizers/src/tokenizer, 02cc5359).
/// </summary>
internal sealed class GeneralTokenizer
{
    private readonly UnigramModel _pieces;
    private readonly TextNormalizer _normalizer;
    private readonly IReadOnlyList<PreTokenizer> _preTokenizers;
    private readonly AddedTokens _raw;
    private readonly AddedTokens _normalized;

    /// <summary>Puts the parts together.</summary>
    public GeneralTokenizer(TokenizerParts parts, UnigramModel pieces)
    {
        (_pieces, _normalizer, _preTokenizers) = (pieces, parts.Normalizer, parts.PreTokenizers);
        _raw = new(parts.AddedTokens.Where(token => !token.IsNormalized).Select(token => (RunesOf(AlignedText.Of(token.Content)), token)));
        _normalized = new(parts.AddedTokens.Where(token => token.IsNormalized)
            .Select(token => (RunesOf(_normalizer.Normalize(AlignedText.Of(token.Content))), token)));
    }

    /// <summary>
    /// True when nothing but the search for pieces happens to a word of printable ASCII that has this character in it, whatever else is in it.
    /// </summary>
    public bool Keeps(char character) => _raw.Keeps(character) && _normalized.Keeps(character) && _normalizer.Keeps(character);

    /// <summary>Tokenizes a text, or a word given as such.</summary>
    /// <param name="text">Any string; a lone surrogate is read as U+FFFD.</param>
    public PieceList Tokenize(string text)
    {
        var pieces = new PieceList();
        foreach (var (section, token) in _raw.Cut(AlignedText.Of(CodePoints.WellFormed(text))))
        {
            if (token is null)
            {
                AddNormalized(_normalizer.Normalize(section), pieces);
            }
            else
            {
                Add(section, token, pieces);
            }
        }

        return pieces;
    }

    private void AddNormalized(AlignedText text, PieceList pieces)
    {
        foreach (var (section, token) in _normalized.Cut(text))
        {
            if (token is null)
            {
                AddStretches(section, 0, pieces);
            }
            else
            {
                Add(section, token, pieces);
            }
        }
    }

    private static void Add(AlignedText section, AddedToken token, PieceList pieces)
    {
        pieces.BeginSplit();
        pieces.Add(token.Id, section.Characters[0].Start, section.Characters[^1].End);
    }

    private void AddStretches(AlignedText text, int step, PieceList pieces)
    {
        if (text.Length == 0)
        {
            return;
        }

        if (step == _preTokenizers.Count)
        {
            AddPieces(text.Characters, pieces);
            return;
        }

        foreach (var stretch in _preTokenizers[step].Split(text))
        {
            AddStretches(stretch, step + 1, pieces);
        }
    }

    private void AddPieces(ReadOnlySpan<AlignedCharacter> characters, PieceList pieces)
    {
        pieces.BeginSplit();
        var workspace = ViterbiWorkspace.OfThread;
        var utf8 = workspace.BytesFor(4 * characters.Length);
        var length = 0;
        foreach (var (rune, _, _) in characters)
        {
            length += new Rune(rune).EncodeToUtf8(utf8[length..]);
        }

        var count = _pieces.Split(utf8[..length], workspace);
        var (first, firstByte, next, nextByte) = (0, 0, 0, 0);
        for (var piece = 0; piece < count; piece++)
        {
            // The bytes of an unknown character are several pieces in one place.
            if (workspace.Ends[piece] > nextByte)
            {
                (first, firstByte, nextByte) = (next, nextByte, workspace.Ends[piece]);
                next += CharactersIn(utf8[firstByte..nextByte]);
            }

            pieces.Add(workspace.Ids[piece], characters[first].Start, characters[next - 1].End);
        }

        workspace.Trim();
    }

    private static int[] RunesOf(AlignedText text)
    {
        var runes = new int[text.Length];
        for (var at = 0; at < runes.Length; at++)
        {
            runes[at] = text.Characters[at].Rune;
        }

        return runes;
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

/// <summary>Pieces as they are found: ids, places in the original in code points, and the pre-token (a word of running text) that each belongs to.</summary>
internal sealed class PieceList
{
    private readonly List<int> _ids = [];
    private readonly List<(int Start, int End)> _offsets = [];
    private readonly List<int> _splits = [];

    /// <summary>Number of the current pre-token, from 0.</summary>
    public int Split { get; private set; } = -1;

    /// <summary>Begins the next pre-token.</summary>
    public void BeginSplit() => Split++;

    /// <summary>Adds a piece to the current pre-token.</summary>
    public void Add(int id, int start, int end)
    {
        _ids.Add(id);
        _offsets.Add((start, end));
        _splits.Add(Split);
    }

    /// <summary>All pieces as those of one word.</summary>
    public WordPieces ToWord() => new([.. _ids], [.. _offsets], StartsWithBareMark: false);

    /// <summary>All pieces as a text, between special ones.</summary>
    public Encoding ToText(int[] before, int[] behind) => new(
        [.. before, .. _ids, .. behind],
        [.. Enumerable.Repeat(-1, before.Length), .. _splits, .. Enumerable.Repeat(-1, behind.Length)],
        [.. new (int, int)[before.Length], .. _offsets, .. new (int, int)[behind.Length]]);
}

/// <summary>What became of one word.</summary>
/// <param name="Ids">Piece ids.</param>
/// <param name="Offsets">Their places in the word, in code points.</param>
/// <param name="StartsWithBareMark">True when the first piece is the word mark (▁) alone: in running text it covers the space before the word, and nothing of
/// the word.</param>
internal sealed record WordPieces(int[] Ids, (int Start, int End)[] Offsets, bool StartsWithBareMark);
