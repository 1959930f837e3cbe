namespace NotebookLib.Tokenization;

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
