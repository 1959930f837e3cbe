namespace NotebookLib.Tokenization;

/// <summary>
/// The tokenizer of DeBERTa-v3: gives the ids, word ids and offsets of the fast tokenizer of microsoft/deberta-v3-* (transformers 4.35.2) for any SentencePiece
/// unigram model with DeBERTa's special tokens. Safe to use from many threads at once.
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
    private readonly SentencePieceModel _model;
    private readonly UnigramModel _pieces;
    private readonly TextNormalizer _normalizer;
    private readonly GeneralTokenizer _general;
    private readonly WordCache? _cache;

    private DebertaTokenizer(SentencePieceModel model, int cachedWords)
    {
        _model = model;
        Special = SpecialTokens.Of(model);
        _pieces = new(model);
        _normalizer = new(model.CharsMap.Length == 0 ? null : CharsMap.Read(model.CharsMap, model.Source));
        _general = new(_pieces, _normalizer, Special);
        _cache = cachedWords > 0 ? new(cachedWords) : null;
    }

    /// <summary>The special tokens' ids: in microsoft/deberta-v3-* pad 0, cls 1, sep 2, unk 3, mask 128,000.</summary>
    public SpecialTokens Special { get; }

    /// <summary>Number of ids, the mask included: 128,001 for microsoft/deberta-v3-*. A network's embedding may have more rows, never fewer.</summary>
    public int VocabularySize => Math.Max(_model.Pieces.Count, Special.Mask + 1);

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="path">A SentencePiece model, or a folder with <c>spm.model</c> in it.</param>
    /// <param name="cachedWords">How many distinct words to remember (about 200 bytes each); 0 remembers none.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The model is damaged or of another kind; the message says how.</exception>
    /// <exception cref="NotSupportedException">The folder's tokenizer_config.json asks for something that this tokenizer does not do.</exception>
    public static DebertaTokenizer Load(string path, int cachedWords = 1 << 16)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfNegative(cachedWords);
        if (Directory.Exists(path))
        {
            TokenizerFolder.CheckSettings(path);
            path = Path.Combine(path, TokenizerFolder.ModelName);
        }

        return new(SentencePieceModel.Read(path), cachedWords);
    }

    /// <summary>Tokenizes a sentence given as words; each is encoded as if a space stood before it.</summary>
    /// <param name="words">Any strings; an empty one gets no piece.</param>
    /// <returns>Word ids count <paramref name="words"/>; offsets are within each piece's own word.</returns>
    public Encoding EncodeWords(IReadOnlyList<string> words)
    {
        ArgumentNullException.ThrowIfNull(words);
        var pieces = new WordPieces[words.Count];
        var length = 2;
        for (var word = 0; word < pieces.Length; word++)
        {
            pieces[word] = PiecesOf(words[word] ?? throw new ArgumentException($"Word {word} of {words.Count} is null; expected text.", nameof(words)));
            length += pieces[word].Ids.Length;
        }

        var encoding = NewEncoding(length);
        var at = 1;
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
        return PlainText.TryEncode(text, this) ?? _general.Tokenize(text).ToText(Special);
    }

    /// <summary>The text of a piece, with ▁ where a word begins.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such id.</exception>
    public string PieceOf(int id) =>
        id == Special.Mask ? SpecialTokens.MaskText
        : (uint)id < (uint)_model.Pieces.Count ? _model.Pieces[id].Text
        : throw new ArgumentOutOfRangeException(nameof(id), id, $"The vocabulary has ids 0 to {VocabularySize - 1}.");

    /// <summary>The id of a piece, or null when the vocabulary lacks it.</summary>
    public int? FindId(string piece) =>
        piece == SpecialTokens.MaskText ? Special.Mask : _pieces.FindPiece(System.Text.Encoding.UTF8.GetBytes(piece)) is >= 0 and var id ? id : null;

    /// <summary>Turns ids back into text, as the reference does without its "clean-up" of spaces before punctuation.</summary>
    /// <param name="ids">Piece ids.</param>
    /// <param name="skipSpecialTokens">Leave special tokens out.</param>
    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return JoinPieces(ids.Where(id => !skipSpecialTokens || !Special.Contains(id)).Select(PieceOf));
    }

    /// <summary>Joins pieces to text: ▁ becomes a space, but nothing at the front (tokenizers metaspace.rs, <c>decode_chain</c>).</summary>
    public static string JoinPieces(IEnumerable<string> pieces) =>
        string.Concat(pieces.Select((piece, index) => index == 0 ? piece.Replace("▁", "", StringComparison.Ordinal) : piece.Replace('▁', ' ')));

    /// <summary>Writes the tokenizer's files into a model folder, so that this class and the Python library load it from there.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public void Save(string folder) => TokenizerFolder.Save(folder, _model.File, Special);

    /// <summary>True when nothing but the search for pieces would happen to this character.</summary>
    internal bool IsPlain(char character) => _normalizer.IsPlain(character);

    /// <summary>True when the rules leave a space as it is.</summary>
    internal bool KeepsSpace => _normalizer.KeepsSpace;

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

    /// <summary>An encoding of L pieces with the specials at its ends.</summary>
    internal Encoding NewEncoding(int length)
    {
        var encoding = new Encoding(new int[length], new int[length], new (int, int)[length]);
        (encoding.Ids[0], encoding.Ids[^1]) = (Special.Cls, Special.Sep);
        (encoding.WordIds[0], encoding.WordIds[^1]) = (-1, -1);
        return encoding;
    }
}
