using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Tokenization;

/// <summary>The tokenizer's files in a model folder.</summary>
internal static class TokenizerFolder
{
    /// <summary>The vocabulary's name in every DeBERTa-v3 checkpoint.</summary>
    public const string ModelName = "spm.model";

    private const string SettingsName = "tokenizer_config.json";
    private const long LongestSettings = 1 << 20;

    /// <summary>Looks for switches that would change the ids and that this tokenizer lacks.</summary>
    /// <exception cref="NotSupportedException">There is one.</exception>
    /// <exception cref="InvalidDataException">The file is no JSON object.</exception>
    public static void CheckSettings(string folder)
    {
        var file = new FileInfo(Path.Combine(folder, SettingsName));
        if (!file.Exists)
        {
            return;
        }

        if (file.Length > LongestSettings)
        {
            throw new InvalidDataException(Invariant($"{file.FullName}: {file.Length:N0} bytes; expected a few hundred bytes of settings."));
        }

        using var settings = Parse(file.FullName);
        foreach (var name in (string[])["do_lower_case", "split_by_punct"])
        {
            if (settings.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True)
            {
                throw new NotSupportedException($"{file.FullName}: {name} is true; this tokenizer knows only false, as in microsoft/deberta-v3-*.");
            }
        }
    }

    /// <summary>Writes the model and the small files that make the Python library read it as DeBERTa's.</summary>
    public static void Save(string folder, byte[] model, SpecialTokens special)
    {
        AtomicFile.Write(Path.Combine(folder, ModelName), stream => stream.Write(model));
        AtomicFile.WriteText(Path.Combine(folder, "added_tokens.json"), $$"""
            {
              "[MASK]": {{special.Mask}}
            }

            """);
        AtomicFile.WriteText(Path.Combine(folder, "special_tokens_map.json"), """
            {
              "bos_token": "[CLS]",
              "cls_token": "[CLS]",
              "eos_token": "[SEP]",
              "mask_token": "[MASK]",
              "pad_token": "[PAD]",
              "sep_token": "[SEP]",
              "unk_token": {
                "content": "[UNK]",
                "lstrip": false,
                "normalized": true,
                "rstrip": false,
                "single_word": false
              }
            }

            """);
        AtomicFile.WriteText(Path.Combine(folder, SettingsName), """
            {
              "bos_token": "[CLS]",
              "cls_token": "[CLS]",
              "do_lower_case": false,
              "eos_token": "[SEP]",
              "mask_token": "[MASK]",
              "pad_token": "[PAD]",
              "sep_token": "[SEP]",
              "sp_model_kwargs": {},
              "split_by_punct": false,
              "tokenizer_class": "DebertaV2Tokenizer",
              "unk_token": "[UNK]",
              "vocab_type": "spm"
            }

            """);
    }

    private static JsonDocument Parse(string path)
    {
        try
        {
            var settings = JsonDocument.Parse(File.ReadAllBytes(path));
            return settings.RootElement.ValueKind == JsonValueKind.Object ? settings : throw new JsonException("not an object");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path}: not a JSON object ({error.Message}); delete the file to use the defaults of DeBERTa-v3, or fetch it again.", error);
        }
    }
}
