using System.Text.Encodings.Web;
using System.Text.Json;

namespace NotebookLib.Tokenization;

/// <summary>
/// What the fast tokenizer of DeBERTa-v3 makes of a SentencePiece model: its parts, and the same as tokenizer.json (transformers 4.35.2,
/// convert_slow_tokenizer.py, <c>DebertaV2Converter</c>).
/// </summary>
internal static class SentencePieceParts
{
    private const string RunOfSpaces = " {2,}";

    /// <summary>The parts.</summary>
    /// <exception cref="InvalidDataException">The model lacks one of DeBERTa's special tokens, or its rules are damaged.</exception>
    public static TokenizerParts Of(SentencePieceModel model)
    {
        var special = SpecialTokens.Of(model);
        List<TextNormalizer> steps = [TextNormalizer.Strip(isLeft: true, isRight: true)];
        if (model.CharsMap.Length > 0)
        {
            steps.Add(TextNormalizer.Precompiled(CharsMap.Read(model.CharsMap, model.Source)));
        }

        steps.Add(TextNormalizer.Replace(TextPattern.Expression(RunOfSpaces), " "));
        return new()
        {
            Source = model.Source,
            Pieces = model.Pieces,
            UnknownId = model.UnknownId,
            Normalizer = TextNormalizer.Sequence(steps),
            PreTokenizers = [PreTokenizer.Metaspace('▁', prepends: true, splits: true)],
            AddedTokens = [.. AddedTokens(special)],
            Before = [special.Cls],
            Behind = [special.Sep],
            Join = PieceDecoder.JoinMarked,
            Special = special,
        };
    }

    /// <summary>The parts as tokenizer.json, in a spelling that old and new versions of the library read alike.</summary>
    public static void Write(Stream stream, SentencePieceModel model)
    {
        var special = SpecialTokens.Of(model);
        using var json = new Utf8JsonWriter(stream,
            new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
        json.WriteStartObject();
        json.WriteString("version", "1.0");
        json.WriteNull("truncation");
        json.WriteNull("padding");
        WriteAddedTokens(json, special);
        WriteNormalizer(json, model);
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        WriteMetaspace(json);
        json.WriteEndArray();
        json.WriteEndObject();
        WriteTemplate(json, special);
        json.WriteStartObject("decoder");
        WriteMetaspace(json);
        WriteModel(json, model);
        json.WriteEndObject();
    }

    private static IEnumerable<AddedToken> AddedTokens(SpecialTokens special) =>
    [
        Token(special.Pad, SpecialTokens.PadText), Token(special.Cls, SpecialTokens.ClsText), Token(special.Sep, SpecialTokens.SepText),
        // The one that is looked for after normalisation (tokenization_deberta_v2.py: AddedToken(unk_token, normalized=True)).
        Token(special.Unk, SpecialTokens.UnkText) with { IsNormalized = true }, Token(special.Mask, SpecialTokens.MaskText),
    ];

    private static AddedToken Token(int id, string text) => new(id, text, false, false, false, false, IsSpecial: true);

    private static void WriteAddedTokens(Utf8JsonWriter json, SpecialTokens special)
    {
        json.WriteStartArray("added_tokens");
        foreach (var token in AddedTokens(special).OrderBy(token => token.Id))
        {
            json.WriteStartObject();
            json.WriteNumber("id", token.Id);
            json.WriteString("content", token.Content);
            json.WriteBoolean("single_word", token.IsSingleWord);
            json.WriteBoolean("lstrip", token.TakesSpaceBefore);
            json.WriteBoolean("rstrip", token.TakesSpaceBehind);
            json.WriteBoolean("normalized", token.IsNormalized);
            json.WriteBoolean("special", token.IsSpecial);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteNormalizer(Utf8JsonWriter json, SentencePieceModel model)
    {
        json.WriteStartObject("normalizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("normalizers");
        json.WriteStartObject();
        json.WriteString("type", "Strip");
        json.WriteBoolean("strip_left", true);
        json.WriteBoolean("strip_right", true);
        json.WriteEndObject();
        if (model.CharsMap.Length > 0)
        {
            json.WriteStartObject();
            json.WriteString("type", "Precompiled");
            json.WriteBase64String("precompiled_charsmap", model.CharsMap);
            json.WriteEndObject();
        }

        json.WriteStartObject();
        json.WriteString("type", "Replace");
        json.WriteStartObject("pattern");
        json.WriteString("Regex", RunOfSpaces);
        json.WriteEndObject();
        json.WriteString("content", " ");
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    // tokenizers before 0.20 ask for add_prefix_space, later ones for prepend_scheme.
    private static void WriteMetaspace(Utf8JsonWriter json)
    {
        json.WriteString("type", "Metaspace");
        json.WriteString("replacement", "▁");
        json.WriteBoolean("add_prefix_space", true);
        json.WriteString("prepend_scheme", "always");
        json.WriteBoolean("split", true);
        json.WriteEndObject();
    }

    private static void WriteTemplate(Utf8JsonWriter json, SpecialTokens special)
    {
        json.WriteStartObject("post_processor");
        json.WriteString("type", "TemplateProcessing");
        json.WriteStartArray("single");
        WriteTemplatePieces(json, (SpecialTokens.ClsText, 0), ("A", 0), (SpecialTokens.SepText, 0));
        json.WriteEndArray();
        json.WriteStartArray("pair");
        WriteTemplatePieces(json, (SpecialTokens.ClsText, 0), ("A", 0), (SpecialTokens.SepText, 0), ("B", 1), (SpecialTokens.SepText, 1));
        json.WriteEndArray();
        json.WriteStartObject("special_tokens");
        foreach (var (text, id) in ((string, int)[])[(SpecialTokens.ClsText, special.Cls), (SpecialTokens.SepText, special.Sep)])
        {
            json.WriteStartObject(text);
            json.WriteString("id", text);
            json.WriteStartArray("ids");
            json.WriteNumberValue(id);
            json.WriteEndArray();
            json.WriteStartArray("tokens");
            json.WriteStringValue(text);
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteTemplatePieces(Utf8JsonWriter json, params ReadOnlySpan<(string Id, int Type)> pieces)
    {
        foreach (var (id, type) in pieces)
        {
            json.WriteStartObject();
            json.WriteStartObject(id is "A" or "B" ? "Sequence" : "SpecialToken");
            json.WriteString("id", id);
            json.WriteNumber("type_id", type);
            json.WriteEndObject();
            json.WriteEndObject();
        }
    }

    private static void WriteModel(Utf8JsonWriter json, SentencePieceModel model)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "Unigram");
        json.WriteNumber("unk_id", model.UnknownId);
        json.WriteStartArray("vocab");
        foreach (var piece in model.Pieces)
        {
            json.WriteStartArray();
            json.WriteStringValue(piece.Text);
            json.WriteNumberValue(piece.Score);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WriteBoolean("byte_fallback", false);
        json.WriteEndObject();
    }
}
