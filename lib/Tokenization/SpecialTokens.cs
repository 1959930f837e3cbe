namespace NotebookLib.Tokenization;

/// <summary>The five tokens with a meaning of their own, and the ids a vocabulary gives them.</summary>
/// <param name="Pad">Fills a batch; <c>[PAD]</c>.</param>
/// <param name="Cls">Begins every sequence; <c>[CLS]</c>.</param>
/// <param name="Sep">Ends every sequence; <c>[SEP]</c>.</param>
/// <param name="Unk">Stands for text outside the vocabulary; <c>[UNK]</c>.</param>
/// <param name="Mask">Hides a piece in pre-training; <c>[MASK]</c>. DeBERTa-v3 adds it behind the vocabulary.</param>
public sealed record SpecialTokens(int Pad, int Cls, int Sep, int Unk, int Mask)
{
    internal const string PadText = "[PAD]";
    internal const string ClsText = "[CLS]";
    internal const string SepText = "[SEP]";
    internal const string UnkText = "[UNK]";
    internal const string MaskText = "[MASK]";

    /// <summary>True for any of the five.</summary>
    public bool Contains(int id) => id == Pad || id == Cls || id == Sep || id == Unk || id == Mask;

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
            var problem = missing.Length > 0 ? $"its vocabulary lacks {missing}" : $"its unknown piece is \"{model.Pieces[model.UnknownId].Text}\", expected {UnkText}";
            throw new InvalidDataException(
                $"{model.Source}: {problem}; is this another network's model? For DeBERTa-v3 train with spm_train --pad_id=0 --bos_id=1 --eos_id=2 --unk_id=3 " +
                "--pad_piece=[PAD] --bos_piece=[CLS] --eos_piece=[SEP] --unk_piece=[UNK].");
        }

        return new(ids[PadText], ids[ClsText], ids[SepText], ids[UnkText], ids.GetValueOrDefault(MaskText, model.Pieces.Count));
    }

    /// <summary>
    /// Finds the first special token written out in a text. <c>[UNK]</c> is not among them: the fast tokenizer looks for it after normalisation
    /// (transformers 4.35.2, tokenization_deberta_v2.py: <c>AddedToken(unk_token, normalized=True)</c>).
    /// </summary>
    /// <returns>Its place, length and id; length 0 when there is none.</returns>
    internal (int Start, int Length, int Id) FindIn(ReadOnlySpan<char> text)
    {
        for (var start = 0; start < text.Length; start++)
        {
            var bracket = text[start..].IndexOf('[');
            if (bracket < 0)
            {
                break;
            }

            start += bracket;
            foreach (var (name, id) in (ReadOnlySpan<(string, int)>)[(PadText, Pad), (ClsText, Cls), (SepText, Sep), (MaskText, Mask)])
            {
                if (text[start..].StartsWith(name, StringComparison.Ordinal))
                {
                    return (start, name.Length, id);
                }
            }
        }

        return (text.Length, 0, -1);
    }
}
