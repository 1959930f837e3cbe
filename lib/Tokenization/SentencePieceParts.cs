using System.Text.Json;
using NotebookLib.Platform;

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
        // tokenizers before 0.20 ask for add_prefix_space, later ones for prepend_scheme.
        var metaspace = new { type = "Metaspace", replacement = "▁", add_prefix_space = true, prepend_scheme = "always", split = true };
        var (cls, sep) = (Special(SpecialTokens.ClsText, 0), Special(SpecialTokens.SepText, 0));
        JsonSerializer.Serialize(stream, new
        {
            version = "1.0",
            truncation = (object?)null,
            padding = (object?)null,
            added_tokens = AddedTokens(special).OrderBy(token => token.Id).Select(token => new
            {
                id = token.Id,
                content = token.Content,
                single_word = token.IsSingleWord,
                lstrip = token.TakesSpaceBefore,
                rstrip = token.TakesSpaceBehind,
                normalized = token.IsNormalized,
                special = token.IsSpecial,
            }),
            normalizer = new { type = "Sequence", normalizers = Normalizers(model) },
            pre_tokenizer = new { type = "Sequence", pretokenizers = new[] { metaspace } },
            post_processor = new
            {
                type = "TemplateProcessing",
                single = new[] { cls, Sequence("A", 0), sep },
                pair = new[] { cls, Sequence("A", 0), sep, Sequence("B", 1), Special(SpecialTokens.SepText, 1) },
                special_tokens = new[] { (SpecialTokens.ClsText, special.Cls), (SpecialTokens.SepText, special.Sep) }
                    .ToDictionary(token => token.Item1, token => new { id = token.Item1, ids = new[] { token.Item2 }, tokens = new[] { token.Item1 } }),
            },
            decoder = metaspace,
            model = new
            {
                type = "Unigram",
                unk_id = model.UnknownId,
                vocab = model.Pieces.Select(piece => new object[] { piece.Text, piece.Score }),
                byte_fallback = false,
            },
        }, ReadableJson.Options);

        static object Special(string id, int type) => new { SpecialToken = new { id, type_id = type } };

        static object Sequence(string id, int type) => new { Sequence = new { id, type_id = type } };
    }

    private static IEnumerable<object> Normalizers(SentencePieceModel model) =>
    [
        new { type = "Strip", strip_left = true, strip_right = true },
        .. model.CharsMap.Length > 0 ? [new { type = "Precompiled", precompiled_charsmap = model.CharsMap }] : Array.Empty<object>(),
        new { type = "Replace", pattern = new { Regex = RunOfSpaces }, content = " " },
    ];

    private static IEnumerable<AddedToken> AddedTokens(SpecialTokens special) =>
    [
        Token(special.Pad, SpecialTokens.PadText), Token(special.Cls, SpecialTokens.ClsText), Token(special.Sep, SpecialTokens.SepText),
        // The one that is looked for after normalisation (tokenization_deberta_v2.py: AddedToken(unk_token, normalized=True)).
        Token(special.Unk, SpecialTokens.UnkText) with { IsNormalized = true }, Token(special.Mask, SpecialTokens.MaskText),
    ];

    private static AddedToken Token(int id, string text) => new(id, text, false, false, false, false, IsSpecial: true);
}
