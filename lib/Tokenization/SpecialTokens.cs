namespace NotebookLib.Tokenization;

/// <summary>The five tokens with a meaning of their own, and the ids a vocabulary gives them; −1 for one that a tokenizer.json does not have.</summary>
/// <param name="Pad">Fills a batch; <c>[PAD]</c>.</param>
/// <param name="Cls">Begins every sequence; <c>[CLS]</c>.</param>
/// <param name="Sep">Ends every sequence; <c>[SEP]</c>.</param>
/// <param name="Unk">Stands for text outside the vocabulary; <c>[UNK]</c>.</param>
/// <param name="Mask">Hides a piece in pre-training; <c>[MASK]</c>. DeBERTa-v3 adds it behind the vocabulary.</param>
internal sealed record SpecialTokens(int Pad, int Cls, int Sep, int Unk, int Mask)
{
    internal const string PadText = "[PAD]";
    internal const string ClsText = "[CLS]";
    internal const string SepText = "[SEP]";
    internal const string UnkText = "[UNK]";
    internal const string MaskText = "[MASK]";

    // DeBERTa's names, then those of XLM-R and mDeBERTa's kin.
    private static readonly (string Role, string[] Names)[] s_usual =
    [
        ("pad_token", [PadText, "<pad>"]), ("cls_token", [ClsText, "<s>"]), ("sep_token", [SepText, "</s>"]), ("mask_token", [MaskText, "<mask>"]),
        ("bos_token", [ClsText, "<s>"]), ("eos_token", [SepText, "</s>"]), ("unk_token", [UnkText, "<unk>"]),
    ];

    /// <summary>What tokenizer_config.json calls them; the first and the last of a sequence have two names.</summary>
    internal static IEnumerable<string> Roles => s_usual.Select(usual => usual.Role);

    /// <summary>The id of a role, or −1.</summary>
    internal int IdOf(string role) => role switch
    {
        "pad_token" => Pad,
        "cls_token" or "bos_token" => Cls,
        "sep_token" or "eos_token" => Sep,
        "mask_token" => Mask,
        _ => Unk,
    };

    /// <summary>Finds them in a vocabulary.</summary>
    /// <exception cref="InvalidDataException">The vocabulary lacks one that DeBERTa-v3 needs.</exception>
    internal static SpecialTokens Of(SentencePieceModel model)
    {
        var ids = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var id = 0; id < model.Pieces.Count; id++)
        {
            if (model.Pieces[id].Text is PadText or ClsText or SepText or UnkText or MaskText)
            {
                ids[model.Pieces[id].Text] = id;
            }
        }

        var missing = string.Join(", ", new[] { PadText, ClsText, SepText, UnkText }.Where(name => !ids.ContainsKey(name)));
        if (missing.Length > 0 || ids[UnkText] != model.UnknownId)
        {
            var problem = missing.Length > 0
                ? $"its vocabulary lacks {missing}" : $"its unknown piece is \"{model.Pieces[model.UnknownId].Text}\", expected {UnkText}";
            throw new InvalidDataException(
                $"{model.Source}: {problem}; is this another network's model? For DeBERTa-v3 train with spm_train --pad_id=0 --bos_id=1 "
                    + "--eos_id=2 --unk_id=3 " +
                "--pad_piece=[PAD] --bos_piece=[CLS] --eos_piece=[SEP] --unk_piece=[UNK].");
        }

        return new(ids[PadText], ids[ClsText], ids[SepText], ids[UnkText], ids.GetValueOrDefault(MaskText, model.Pieces.Count));
    }

    /// <summary>Finds them among the tokens of a tokenizer.json.</summary>
    /// <param name="ids">Every token's id.</param>
    /// <param name="unknown">The id that stands for unknown text.</param>
    /// <param name="textOf">The token of a role as the files beside it say; null where they do not.</param>
    internal static SpecialTokens Of(IReadOnlyDictionary<string, int> ids, int unknown, Func<string, string?> textOf)
    {
        int Find(string role) => (textOf(role) is { } text ? [text] : s_usual.First(usual => usual.Role == role).Names)
            .Select(name => ids.TryGetValue(name, out var id) ? id : -1).FirstOrDefault(id => id >= 0, -1);
        return new(Find("pad_token"), Find("cls_token"), Find("sep_token"), unknown, Find("mask_token"));
    }
}
