using System.Buffers;
using Microsoft.ML.Tokenizers;

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
/// As a <see cref="Tokenizer"/> it can be handed to whatever takes one of Microsoft.ML.Tokenizers, and gives it the same ids; places are ranges of the text as
/// it was given. Why that package's own SentencePieceTokenizer (2.0.1) is not enough, measured with the real spm.model: its byte-fallback ids are 255 too high
/// and so fall on the ids of ordinary pieces ("." and &lt;0x01&gt; are both 260), so unknown text cannot be told from known text afterwards; of equally good
/// paths it can take another than the reference (a long "aaaa…"); control characters are kept; offsets refer to the normalised text. Equal were 42,886 of
/// 42,901 plain lines, 673 of 1,255 unusual texts (offsets: 4) and 1,573 of 2,155 word lists. Word by word it made 2.1 million pieces per CPU second on the
/// reference corpus; this class made 4.7 million without its cache and 8 million with it, on the same busy machine (Rust's tokenizers: 0.33 million). The
/// tests use it as an outside oracle where the two must agree.
/// </para>
/// </remarks>
public sealed class DebertaTokenizer : Tokenizer
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
    internal SpecialTokens Special => _parts.Special;

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
    public string PieceOf(int id) => FindPiece(id)
        ?? throw new ArgumentOutOfRangeException(nameof(id), id, $"The vocabulary has ids 0 to {VocabularySize - 1}.");

    /// <summary>The id of a piece, or null when the vocabulary lacks it.</summary>
    public int? FindId(string piece) =>
        _parts.AddedTokens.FirstOrDefault(token => token.Content == piece)?.Id
            ?? (_pieces.FindPiece(System.Text.Encoding.UTF8.GetBytes(piece)) is >= 0 and var id ? id : null);

    /// <summary>Turns ids back into text, as the reference does without its "clean-up" of spaces before punctuation.</summary>
    /// <param name="ids">Piece ids.</param>
    /// <param name="skipSpecialTokens">Leave special tokens out.</param>
    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens)
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

    // What follows is the contract of the base. The steps of this tokenizer belong together: normaliser and pre-tokenizers cannot be had or left out alone, so
    // both of the base's properties are null, and the settings' two switches change nothing. The special pieces at both ends count.

    /// <inheritdoc />
    protected override EncodeResults<int> EncodeToIds(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        text ??= textSpan.ToString();
        var (encoding, consumed) = Front(text, settings.MaxTokenCount);
        return new() { Tokens = encoding.Ids, CharsConsumed = consumed };
    }

    /// <inheritdoc />
    protected override EncodeResults<EncodedToken> EncodeToTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        text ??= textSpan.ToString();
        var (encoding, consumed) = Front(text, settings.MaxTokenCount);
        var places = CodePoints.ToUtf16(text, encoding.Offsets);
        // What stands behind a text has its place there, so that places never go backwards.
        places.AsSpan(Math.Max(0, places.Length - _behind.Length)).Fill((consumed, consumed));
        var tokens = new EncodedToken[places.Length];
        for (var piece = 0; piece < tokens.Length; piece++)
        {
            tokens[piece] = new(encoding.Ids[piece], PieceOf(encoding.Ids[piece]), places[piece].Start..places[piece].End);
        }

        return new() { Tokens = tokens, CharsConsumed = consumed };
    }

    /// <inheritdoc />
    protected override int CountTokens(string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings)
    {
        return Front(text ?? textSpan.ToString(), settings.MaxTokenCount).Encoding.Ids.Length;
    }

    /// <inheritdoc />
    protected override int GetIndexByTokenCount(
        string? text, ReadOnlySpan<char> textSpan, EncodeSettings settings, bool fromEnd, out string? normalizedText, out int tokenCount)
    {
        text ??= textSpan.ToString();
        var encoding = Encode(text);
        normalizedText = null;
        if (encoding.Ids.Length <= settings.MaxTokenCount)
        {
            tokenCount = encoding.Ids.Length;
            return fromEnd ? 0 : text.Length;
        }

        var (first, behind) = Fitting(encoding, settings.MaxTokenCount, fromEnd);
        tokenCount = settings.MaxTokenCount < SpecialCount ? 0 : SpecialCount + behind - first;
        return first == behind ? fromEnd ? text.Length : 0 : StartOf(fromEnd ? first : behind, encoding, text);
    }

    /// <inheritdoc />
    public override string Decode(IEnumerable<int> ids) => Decode(ids, skipSpecialTokens: true);

    /// <inheritdoc />
    public override OperationStatus Decode(IEnumerable<int> ids, Span<char> destination, out int idsConsumed, out int charsWritten)
    {
        int[] given = [.. ids];
        int[] known = [.. given.TakeWhile(id => FindPiece(id) is not null)];
        var text = Decode(known);
        idsConsumed = text.Length <= destination.Length ? known.Length : LongestFront(known, text, destination.Length);
        var front = idsConsumed == known.Length ? text : Decode(known[..idsConsumed]);
        front.CopyTo(destination);
        charsWritten = front.Length;
        return idsConsumed < known.Length ? OperationStatus.DestinationTooSmall
            : known.Length < given.Length ? OperationStatus.InvalidData : OperationStatus.Done;
    }

    /// <summary>How many ids give a front of their text that has room; fewer where the last ones are some bytes of a character.</summary>
    private int LongestFront(int[] ids, string text, int room)
    {
        var (fits, tooMany) = (0, ids.Length);
        while (tooMany - fits > 1)
        {
            var middle = (fits + tooMany) / 2;
            (fits, tooMany) = Decode(ids[..middle]).Length <= room ? (middle, tooMany) : (fits, middle);
        }

        bool IsFront(string some) => some.Length <= room && text.StartsWith(some, StringComparison.Ordinal);
        while (fits > 0 && !IsFront(Decode(ids[..fits])))
        {
            fits--;
        }

        return fits;
    }

    /// <summary>The front of a text that has at most so many pieces, those at both ends included; none where they alone are more.</summary>
    /// <returns>Its pieces, and how many characters of the text they stand for.</returns>
    private (Encoding Encoding, int Consumed) Front(string text, int most)
    {
        var whole = Encode(text);
        if (whole.Ids.Length <= most)
        {
            return (whole, text.Length);
        }

        var (first, behind) = Fitting(whole, most, fromEnd: false);
        if (most < SpecialCount)
        {
            return (new([], [], []), 0);
        }

        var front = NewEncoding(SpecialCount + behind - first);
        whole.Ids.AsSpan(first..behind).CopyTo(front.Ids.AsSpan(first));
        whole.WordIds.AsSpan(first..behind).CopyTo(front.WordIds.AsSpan(first));
        whole.Offsets.AsSpan(first..behind).CopyTo(front.Offsets.AsSpan(first));
        return (front, first == behind ? 0 : StartOf(behind, whole, text));
    }

    /// <summary>
    /// Which of a text's own pieces fit when at most so many may be, those at both ends included; a character is in with all of its pieces or with none.
    /// </summary>
    /// <returns>The first, and the one behind the last.</returns>
    private (int First, int Behind) Fitting(Encoding encoding, int most, bool fromEnd)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(most);
        var (first, behind) = (_before.Length, encoding.Ids.Length - _behind.Length);
        var room = Math.Clamp(most - SpecialCount, 0, behind - first);
        var cut = fromEnd ? behind - room : first + room;
        while (cut > first && cut < behind && encoding.Offsets[cut].Start < encoding.Offsets[cut - 1].End)
        {
            cut += fromEnd ? 1 : -1;
        }

        return fromEnd ? (cut, behind) : (first, cut);
    }

    private static int StartOf(int piece, Encoding encoding, string text) => CodePoints.ToUtf16(text, [encoding.Offsets[piece]])[0].Start;

    private string? FindPiece(int id) => _added.TryGetValue(id, out var token) ? token.Content
        : (uint)id < (uint)_parts.Pieces.Count ? _parts.Pieces[id].Text : null;
}

/// <summary>What the tokenizer makes of a sentence: L pieces, <c>[CLS]</c> first and <c>[SEP]</c> last.</summary>
/// <param name="Ids">Piece ids, [L].</param>
/// <param name="WordIds">For each piece the index of its word, [L]; −1 on <c>[CLS]</c> and <c>[SEP]</c> (the Python library's None).</param>
/// <param name="Offsets">
/// For each piece its place in the text (of its own word, when words were given), [L]; end exclusive, counted as the fast tokenizer counts: in Unicode
/// code points, so that a surrogate pair is one. (0, 0) on <c>[CLS]</c> and <c>[SEP]</c>.
/// </param>
public sealed record Encoding(int[] Ids, int[] WordIds, (int Start, int End)[] Offsets);
