using System.Text;
using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Tokenization;

/// <summary>
/// <c>tokenizer.json</c> of huggingface/tokenizers (tokenizer/serialization.rs, 02cc5359) → <see cref="TokenizerParts"/>. What stands in the file counts;
/// models other than Unigram, and parts that are not known here, are refused by name. Truncation and padding are the caller's business, as in Python.
/// </summary>
internal sealed class TokenizerJson
{
    /// <summary>The file's name in a model folder.</summary>
    public const string FileName = "tokenizer.json";

    // XLM-R's, the largest that is widely used, has 17 MB.
    private const long LongestFile = 128 << 20;

    private readonly string _path;

    private TokenizerJson(string path) => _path = path;

    /// <summary>Reads and checks a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="special">Makes the special tokens' ids out of the ids of all tokens.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    /// <exception cref="NotSupportedException">It asks for a model or a part that is not known here.</exception>
    public static TokenizerParts Read(string path, Func<IReadOnlyDictionary<string, int>, int, SpecialTokens> special)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            throw new FileNotFoundException($"{path}: no such file; expected a fast tokenizer (tokenizer.json).", path);
        }

        if (file.Length is 0 or > LongestFile)
        {
            throw new InvalidDataException(Invariant($"{path}: {file.Length:N0} bytes; expected a tokenizer.json of at most {LongestFile >> 20} MB."));
        }

        var reader = new TokenizerJson(path);
        try
        {
            using var json = StrictJson.Parse(File.ReadAllBytes(path));
            return reader.PartsOf(json.RootElement, special);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or OverflowException)
        {
            throw new InvalidDataException($"{path}: not a whole tokenizer.json ({error.Message.TrimEnd('.')}). Fetch the file again.", error);
        }
    }

    private TokenizerParts PartsOf(JsonElement root, Func<IReadOnlyDictionary<string, int>, int, SpecialTokens> special)
    {
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("model", out var model) || model.ValueKind != JsonValueKind.Object)
        {
            throw Damaged("it has no model");
        }

        CheckModel(model);
        var pieces = PiecesOf(model.GetProperty("vocab"));
        var unknown = model.TryGetProperty("unk_id", out var unknownId) && unknownId.ValueKind == JsonValueKind.Number ? unknownId.GetInt32() : -1;
        if (unknown < 0 || unknown >= pieces.Count)
        {
            throw Damaged(Invariant($"its unk_id is {(unknownId.ValueKind == JsonValueKind.Undefined ? "missing" : unknownId.GetRawText())}; ")
                + Invariant($"expected a piece among its {pieces.Count:N0}"));
        }

        var ids = new Dictionary<string, int>(pieces.Count, StringComparer.Ordinal);
        for (var id = 0; id < pieces.Count; id++)
        {
            ids[pieces[id].Text] = id;
        }

        var added = AddedTokensOf(root, ids, pieces.Count);
        List<int> before = [], behind = [];
        ReadPostProcessor(Part(root, "post_processor"), before, behind);
        var last = ids.Values.Max();
        return before.Concat(behind).FirstOrDefault(id => id < 0 || id > last, -1) is >= 0 and var foreign
            ? throw Damaged(Invariant($"its post_processor adds the id {foreign}; the vocabulary ends at {last}"))
            : new()
            {
                Source = _path,
                Pieces = pieces,
                UnknownId = unknown,
                HasByteFallback = model.TryGetProperty("byte_fallback", out var fallback) && fallback.ValueKind == JsonValueKind.True,
                Normalizer = NormalizerOf(Part(root, "normalizer")),
                PreTokenizers = [.. PreTokenizersOf(Part(root, "pre_tokenizer"))],
                AddedTokens = added,
                Before = before,
                Behind = behind,
                Join = Part(root, "decoder") is { } decoder ? PieceDecoder.Read(decoder, Unknown) : pieces => string.Join(' ', pieces),
                Special = special(ids, unknown),
            };
    }

    private void CheckModel(JsonElement model)
    {
        var hasType = model.TryGetProperty("type", out var type);
        var isList = model.TryGetProperty("vocab", out var vocabulary) && vocabulary.ValueKind == JsonValueKind.Array;
        if (hasType ? type.GetString() != "Unigram" : !isList)
        {
            throw new NotSupportedException($"{_path}: its model is {(hasType ? type.GetString() : "of no named type")}; only Unigram models are read here, "
                + "as DeBERTa-v3 has them.");
        }

        if (!isList)
        {
            throw Damaged("its model has no vocab; expected a list of pieces with their scores");
        }

        if (model.TryGetProperty("alpha", out var alpha) && alpha.ValueKind == JsonValueKind.Number && alpha.GetDouble() != 0)
        {
            throw Unknown($"its model draws pieces at random (alpha {alpha.GetRawText()})");
        }
    }

    private List<VocabularyPiece> PiecesOf(JsonElement vocabulary)
    {
        var pieces = new List<VocabularyPiece>(vocabulary.GetArrayLength());
        foreach (var entry in vocabulary.EnumerateArray())
        {
            pieces.Add(entry.ValueKind == JsonValueKind.Array && entry.GetArrayLength() == 2 && double.IsFinite(entry[1].GetDouble())
                ? new(entry[0].Text(), entry[1].GetDouble(), PieceKind.Normal)
                : throw Damaged(Invariant($"piece {pieces.Count:N0} of its vocabulary is {Short(entry)}; expected a text and a score")));
        }

        return pieces.Count > 0 ? pieces : throw Damaged("its vocabulary is empty");
    }

    private List<AddedToken> AddedTokensOf(JsonElement root, Dictionary<string, int> ids, int pieceCount)
    {
        var tokens = new List<AddedToken>();
        var next = pieceCount;
        foreach (var entry in Part(root, "added_tokens") is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : default)
        {
            var (content, id) = (entry.GetProperty("content").Text(), entry.GetProperty("id").GetInt32());
            if (content.Length == 0)
            {
                continue;
            }

            // The reference numbers them itself: the vocabulary's id, else the next one.
            var expected = ids.TryGetValue(content, out var known) ? known : next++;
            if (id != expected)
            {
                throw Damaged(Invariant($"its added token \"{content}\" says id {id}; its place in the vocabulary gives it {expected}"));
            }

            ids[content] = id;
            tokens.RemoveAll(token => token.Id == id);
            tokens.Add(new(id, content, Flag(entry, "single_word"), Flag(entry, "lstrip"), Flag(entry, "rstrip"), Flag(entry, "normalized"),
                Flag(entry, "special")));
        }

        return tokens;
    }

    private TextNormalizer NormalizerOf(JsonElement? part)
    {
        if (part is not { } json)
        {
            return TextNormalizer.None;
        }

        var type = json.GetProperty("type").GetString();
        return type switch
        {
            "Sequence" => TextNormalizer.Sequence([.. json.GetProperty("normalizers").EnumerateArray().Select(step => NormalizerOf(step))]),
            "Strip" => TextNormalizer.Strip(Flag(json, "strip_left"), Flag(json, "strip_right")),
            "StripAccents" => TextNormalizer.StripAccents,
            "NFC" or "NFD" or "NFKC" or "NFKD" => TextNormalizer.Form(new(isCompatible: type[2] == 'K', isComposed: type[^1] == 'C')),
            "Lowercase" => TextNormalizer.Lowercase,
            "Nmt" => TextNormalizer.Nmt,
            "Precompiled" =>
                json.GetProperty("precompiled_charsmap") is { ValueKind: JsonValueKind.String } rules && rules.GetBytesFromBase64() is { Length: > 0 } compiled
                ? TextNormalizer.Precompiled(CharsMap.Read(compiled, _path)) : TextNormalizer.None,
            "Replace" => TextNormalizer.Replace(PatternOf(json, "normalizer"), json.GetProperty("content").Text()),
            "Prepend" => TextNormalizer.Prepend(json.GetProperty("prepend").Text()),
            "BertNormalizer" or "Bert" => TextNormalizer.Bert(
                Flag(json, "clean_text"), Flag(json, "handle_chinese_chars"),
                json.TryGetProperty("strip_accents", out var strips) && strips.ValueKind != JsonValueKind.Null ? strips.GetBoolean() : Flag(json, "lowercase"),
                Flag(json, "lowercase")),
            _ => throw Unknown($"its normalizer has the part {type}"),
        };
    }

    private IEnumerable<PreTokenizer> PreTokenizersOf(JsonElement? part)
    {
        if (part is not { } json)
        {
            return [];
        }

        var type = json.GetProperty("type").GetString();
        return type switch
        {
            "Sequence" => json.GetProperty("pretokenizers").EnumerateArray().SelectMany(step => PreTokenizersOf(step)),
            "Metaspace" => [MetaspaceOf(json)],
            "WhitespaceSplit" => [PreTokenizer.WhitespaceSplit],
            "Whitespace" => [PreTokenizer.Whitespace],
            "BertPreTokenizer" => PreTokenizer.Bert,
            "Punctuation" =>
                [PreTokenizer.OfKind(CharacterKinds.IsPunctuation, json.TryGetProperty("behavior", out _) ? BehaviorOf(json) : DelimiterBehavior.Isolated)],
            "Digits" =>
                [PreTokenizer.OfKind(CharacterKinds.IsNumeric, Flag(json, "individual_digits") ? DelimiterBehavior.Isolated : DelimiterBehavior.Contiguous)],
            "CharDelimiterSplit" or "Delimiter" => [DelimiterSplitOf(json.GetProperty("delimiter").Text())],
            "Split" => [PreTokenizer.OfPattern(PatternOf(json, "pre_tokenizer"), BehaviorOf(json), Flag(json, "invert"))],
            "FixedLength" => [PreTokenizer.FixedLength(json.TryGetProperty("length", out var length) && length.GetInt32() > 0 ? length.GetInt32() : 5)],
            _ => throw Unknown($"its pre_tokenizer has the part {type}"),
        };
    }

    private PreTokenizer MetaspaceOf(JsonElement json)
    {
        var scheme = json.TryGetProperty("prepend_scheme", out var given) ? given.GetString() : null;
        var prefix = json.TryGetProperty("add_prefix_space", out var space) && space.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? space.GetBoolean() : (bool?)null;
        if (prefix == false && scheme is not (null or "never"))
        {
            throw Damaged($"its Metaspace says add_prefix_space false and prepend_scheme {scheme}, which contradict each other");
        }

        return PreTokenizer.Metaspace(
            OneRune(json.GetProperty("replacement").Text()),
            (prefix == false ? "never" : scheme ?? "always") switch
            {
                "always" => true,
                "never" => false,
                "first" => null,
                var other => throw Unknown($"its Metaspace has the prepend_scheme {other}"),
            },
            !json.TryGetProperty("split", out var splits) || splits.ValueKind != JsonValueKind.False);
    }

    private PreTokenizer DelimiterSplitOf(string delimiter)
    {
        var sought = OneRune(delimiter);
        return PreTokenizer.OfKind(rune => rune == sought, DelimiterBehavior.Removed);
    }

    private int OneRune(string text) => Rune.TryGetRuneAt(text, 0, out var rune) && rune.Utf16SequenceLength == text.Length
        ? rune.Value : throw Damaged($"\"{text}\" stands where one character is expected");

    private DelimiterBehavior BehaviorOf(JsonElement json) => Enum.TryParse<DelimiterBehavior>(json.GetProperty("behavior").GetString(), out var behavior)
        ? behavior : throw Unknown($"its pre_tokenizer has the behavior {json.GetProperty("behavior").GetString()}");

    private TextPattern PatternOf(JsonElement json, string place)
    {
        var pattern = json.GetProperty("pattern");
        try
        {
            return pattern.TryGetProperty("Regex", out var expression)
                ? TextPattern.Expression(expression.Text()) : TextPattern.Literal(pattern.GetProperty("String").Text());
        }
        catch (NotSupportedException error)
        {
            throw Unknown($"its {place} has {error.Message}");
        }
    }

    private void ReadPostProcessor(JsonElement? part, List<int> before, List<int> behind)
    {
        if (part is not { } json)
        {
            return;
        }

        var type = json.GetProperty("type").GetString();
        switch (type)
        {
            case "Sequence":
                foreach (var step in json.GetProperty("processors").EnumerateArray())
                {
                    ReadPostProcessor(step, before, behind);
                }

                break;
            case "TemplateProcessing":
                ReadTemplate(json, before, behind);
                break;
            case "BertProcessing":
            case "RobertaProcessing" when !Flag(json, "trim_offsets"):
                before.Insert(0, json.GetProperty("cls")[1].GetInt32());
                behind.Add(json.GetProperty("sep")[1].GetInt32());
                break;
            case "RobertaProcessing":
                throw Unknown("its post_processor is RobertaProcessing with trim_offsets");
            default:
                throw Unknown($"its post_processor has the part {type}");
        }
    }

    private void ReadTemplate(JsonElement json, List<int> before, List<int> behind)
    {
        List<int> first = [], last = [];
        var sequences = 0;
        foreach (var piece in json.GetProperty("single").EnumerateArray())
        {
            if (piece.TryGetProperty("SpecialToken", out var token))
            {
                var ids = json.GetProperty("special_tokens").GetProperty(token.GetProperty("id").Text()).GetProperty("ids").EnumerateArray()
                    .Select(id => id.GetInt32());
                (sequences == 0 ? first : last).AddRange(ids);
            }
            else
            {
                sequences += piece.GetProperty("Sequence").GetProperty("id").GetString() == "A" ? 1 : 2;
            }
        }

        if (sequences != 1)
        {
            throw Unknown("its post_processor has a template for single texts that does not hold the text once");
        }

        before.InsertRange(0, first);
        behind.AddRange(last);
    }

    private static JsonElement? Part(JsonElement root, string name) =>
        root.TryGetProperty(name, out var part) && part.ValueKind != JsonValueKind.Null ? part : null;

    private static bool Flag(JsonElement json, string name) => json.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;

    private static string Short(JsonElement json) => json.GetRawText() is { Length: > 60 } text ? text[..57] + "…" : json.GetRawText();

    private InvalidDataException Damaged(string problem) => new($"{_path}: {problem}. Fetch the file again, or save it with Python's tokenizers.");

    private NotSupportedException Unknown(string problem) => new($"{_path}: {problem}, which this tokenizer does not know.");
}
