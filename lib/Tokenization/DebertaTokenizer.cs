namespace NotebookLib.Tokenization;

/// <summary>
/// The tokenizer of DeBERTa-v3: gives the ids, word ids and offsets of the fast tokenizer of microsoft/deberta-v3-* (transformers 4.35.2) for any SentencePiece
/// unigram model with DeBERTa's special tokens, and of the fast tokenizer (tokenizers 0.23.3) for any tokenizer.json with a Unigram model. Safe to use from
/// many threads at once.
/// </summary>
/// <remarks>
/// <para>
/// A surrogate pair counts as one character in <see cref="Encoding.Offsets"/>, as in Python; <see cref="CodePoints.ToUtf16"/> turns them into string indices.
/// </para>
/// <para>
/// Why not Microsoft.ML.Tokenizers 2.0.1, measured with the real spm.model: its byte-fallback ids are 255 too high and so fall on the ids of ordinary pieces
/// ("." and &lt;0x01&gt; are both 260), so unknown text cannot be told from known text afterwards;
/// of equally good paths it can take another than the reference (a long "aaaa…"); control characters are kept; offsets refer to the
/// normalised text. Equal were 42,886 of 42,901 plain lines, 673 of 1,255 unusual texts (offsets: 4) and 1,573 of 2,155 word lists. Word by word it made 2.1
/// million pieces per CPU second on the reference corpus; this class made 4.7 million without its cache and 8 million with it, on the same busy machine (Rust's
/// tokenizers: 0.33 million, PERFORMANCE.md). The tests use it as an outside oracle where the two must agree.
/// </para>
/// </remarks>
public sealed class DebertaTokenizer
{
    private readonly TokenizerParts _parts;
    private readonly TokenizerFolder? _folder;
    private readonly UnigramModel _pieces;
    private readonly GeneralTokenizer _general;
    private readonly WordCache? _cache;
    private readonly Dictionary<int, AddedToken> _added;
    private readonly int[] _before;
    private readonly int[] _behind;
    private readonly bool[] _isPlain = new bool[128];

    private DebertaTokenizer(TokenizerParts parts, TokenizerFolder? folder, int cachedWords)
    {
        (_parts, _folder) = (parts, folder);
        _pieces = new(parts.Pieces, parts.UnknownId, parts.HasByteFallback);
        _general = new(parts, _pieces);
        _cache = cachedWords > 0 ? new(cachedWords) : null;
        _added = parts.AddedTokens.ToDictionary(token => token.Id);
        (_before, _behind) = ([.. parts.Before], [.. parts.Behind]);
        VocabularySize = Math.Max(parts.Pieces.Count, parts.AddedTokens.Select(token => token.Id + 1).DefaultIfEmpty().Max());
        var keepsWords = parts.PreTokenizers.All(step => step.KeepsWords) && parts.PreTokenizers.Any(step => step.MarksWords);
        KeepsTexts = parts.PreTokenizers is [{ IsPlainMetaspace: true }] && _general.Keeps(' ');
        for (var character = '!'; keepsWords && character < _isPlain.Length - 1; character++)
        {
            _isPlain[character] = _general.Keeps(character);
        }
    }

    /// <summary>The special tokens' ids: in microsoft/deberta-v3-* pad 0, cls 1, sep 2, unk 3, mask 128,000.</summary>
    public SpecialTokens Special => _parts.Special;

    /// <summary>Number of ids, the mask included: 128,001 for microsoft/deberta-v3-*. A network's embedding may have more rows, never fewer.</summary>
    public int VocabularySize { get; }

    /// <summary>
    /// What a reader should know about the files, for instance that tokenizer.json and spm.model stand side by side and say different things; null when
    /// nothing.
    /// </summary>
    public string? Remark => _folder?.Remark;

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="path">
    /// A folder with <c>tokenizer.json</c> or <c>spm.model</c> in it (of both the first counts, as in Python), or one of these files. A <c>tokenizer.json</c>
    /// has a Unigram model, as DeBERTa-v3's do.
    /// </param>
    /// <param name="cachedWords">How many distinct words to remember (about 200 bytes each); 0 remembers none.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or of another kind; the message says how.</exception>
    /// <exception cref="NotSupportedException">A file asks for something that this tokenizer does not do; the message names it.</exception>
    public static DebertaTokenizer Load(string path, int cachedWords = 1 << 16)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfNegative(cachedWords);
        var folder = TokenizerFolder.Read(path);
        return new(folder.Parts, folder, cachedWords);
    }

    /// <summary>A tokenizer of parts that are no files.</summary>
    internal static DebertaTokenizer Of(TokenizerParts parts) => new(parts, folder: null, cachedWords: 0);

    /// <summary>Tokenizes a sentence given as words; each is encoded as if a space stood before it.</summary>
    /// <param name="words">Any strings; an empty one gets no piece.</param>
    /// <returns>Word ids count <paramref name="words"/>; offsets are within each piece's own word.</returns>
    public Encoding EncodeWords(IReadOnlyList<string> words)
    {
        ArgumentNullException.ThrowIfNull(words);
        var pieces = new WordPieces[words.Count];
        var length = _before.Length + _behind.Length;
        for (var word = 0; word < pieces.Length; word++)
        {
            pieces[word] = PiecesOf(words[word] ?? throw new ArgumentException($"Word {word} of {words.Count} is null; expected text.", nameof(words)));
            length += pieces[word].Ids.Length;
        }

        var encoding = NewEncoding(length);
        var at = _before.Length;
        for (var word = 0; word < pieces.Length; word++)
        {
            pieces[word].Ids.CopyTo(encoding.Ids, at);
            pieces[word].Offsets.CopyTo(encoding.Offsets, at);
            encoding.WordIds.AsSpan(at, pieces[word].Ids.Length).Fill(word);
            at += pieces[word].Ids.Length;
        }

        return encoding;
    }

    /// <summary>Tokenizes running text.</summary>
    /// <param name="text">Any string; a surrogate that stands alone is read as U+FFFD (the reference refuses such text).</param>
    /// <returns>Word ids count the stretches between white space (and special tokens written out in the text); offsets are within the text.</returns>
    public Encoding Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return PlainText.TryEncode(text, this) ?? _general.Tokenize(text).ToText(_before, _behind);
    }

    /// <summary>The text of a piece, with ▁ where a word begins.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public string PieceOf(int id) =>
        _added.TryGetValue(id, out var token) ? token.Content
        : ((uint)id < (uint)_parts.Pieces.Count
        ? _parts.Pieces[id].Text : throw new ArgumentOutOfRangeException(nameof(id), id, $"The vocabulary has ids 0 to {VocabularySize - 1}."));

    /// <summary>The id of a piece, or null when the vocabulary lacks it.</summary>
    public int? FindId(string piece) =>
        _parts.AddedTokens.FirstOrDefault(token => token.Content == piece)?.Id
            ?? (_pieces.FindPiece(System.Text.Encoding.UTF8.GetBytes(piece)) is >= 0 and var id ? id : null);

    /// <summary>Turns ids back into text, as the reference does without its "clean-up" of spaces before punctuation.</summary>
    /// <param name="ids">Piece ids.</param>
    /// <param name="skipSpecialTokens">Leave special tokens out.</param>
    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return Join(ids.Where(id => !skipSpecialTokens || !(_added.TryGetValue(id, out var token) && token.IsSpecial)).Select(PieceOf));
    }

    /// <summary>Joins pieces to text, as the tokenizer's decoder says: by SentencePiece's ▁ becomes a space, but nothing at the front.</summary>
    public string Join(IEnumerable<string> pieces) => _parts.Join(pieces);

    /// <summary>
    /// Writes the tokenizer's files into a model folder, so that this class and the Python library load it from there: tokenizer.json, which every fast
    /// tokenizer reads, and spm.model where the tokenizer came from one.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    /// <exception cref="InvalidOperationException">The tokenizer was not read from files.</exception>
    public void Save(string folder) => (_folder ?? throw new InvalidOperationException("This tokenizer was not read from files.")).Save(folder);

    /// <summary>True when nothing but the search for pieces would happen to this character in a word.</summary>
    internal bool IsPlain(char character) => character < _isPlain.Length && _isPlain[character];

    /// <summary>True when a text of plain words with one space between them is cut there, and each is marked and searched.</summary>
    internal bool KeepsTexts { get; }

    /// <summary>The pieces of one word, from the cache when it is there.</summary>
    internal WordPieces PiecesOf(string word) => PiecesOf(word, word);

    /// <inheritdoc cref="PiecesOf(string)"/>
    internal WordPieces PiecesOf(ReadOnlySpan<char> word, string? text = null)
    {
        if (_cache is not null && _cache.TryFind(word, out var known))
        {
            return known;
        }

        var pieces = PlainText.IsPlainWord(word, this)
            ? PlainText.Split(word, _pieces)
            : _general.Tokenize(text ?? word.ToString()).ToWord();
        _cache?.Add(word, pieces);
        return pieces;
    }

    /// <summary>How many pieces the specials at both ends are.</summary>
    internal int SpecialCount => _before.Length + _behind.Length;

    /// <summary>How many of them stand in front.</summary>
    internal int SpecialsBefore => _before.Length;

    /// <summary>An encoding of L pieces with the specials at its ends.</summary>
    internal Encoding NewEncoding(int length)
    {
        var encoding = new Encoding(new int[length], new int[length], new (int, int)[length]);
        _before.CopyTo(encoding.Ids, 0);
        _behind.CopyTo(encoding.Ids, length - _behind.Length);
        encoding.WordIds.AsSpan(0, _before.Length).Fill(-1);
        encoding.WordIds.AsSpan(length - _behind.Length).Fill(-1);
        return encoding;
    }
}
