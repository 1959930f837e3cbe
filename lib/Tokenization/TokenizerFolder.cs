using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Tokenization;

/// <summary>The tokenizer's files as they were found, and what a model folder of ours gets of them.</summary>
internal sealed class TokenizerFolder
{
    /// <summary>The vocabulary's name in the folder of every DeBERTa-v3 model.</summary>
    public const string ModelName = "spm.model";

    private const string SettingsName = "tokenizer_config.json";
    private const string SpecialName = "special_tokens_map.json";
    private const long LongestSettings = 1 << 20;

    // What two tokenizers of one vocabulary usually make differently.
    private static readonly string[] s_probes =
        ["½ ﬁne", "  two  spaces ", "tab\tand\nline", "cafe\u0301 naïve", "Ａ…™", "[MASK] [UNK]", "日本 \u200b x", "I'm 3.5%"];

    private readonly SentencePieceModel? _model;
    private readonly byte[]? _json;
    private readonly JsonObject _settings;

    private TokenizerFolder(TokenizerParts parts, SentencePieceModel? model, byte[]? json, JsonObject? settings) =>
        (Parts, _model, _json, _settings) = (parts, model, json, settings ?? []);

    /// <summary>What the tokenizer consists of.</summary>
    public TokenizerParts Parts { get; }

    /// <summary>What a reader should know about the files; null when nothing.</summary>
    public string? Remark { get; private init; }

    /// <summary>Reads a tokenizer.</summary>
    /// <param name="path">A folder, a tokenizer.json, or a SentencePiece model.</param>
    /// <exception cref="FileNotFoundException">There is nothing to read.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or of another kind.</exception>
    /// <exception cref="NotSupportedException">A file asks for something that is not done here.</exception>
    public static TokenizerFolder Read(string path)
    {
        var isFolder = Directory.Exists(path);
        var json = isFolder ? Path.Combine(path, TokenizerJson.FileName) : path.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? path : null;
        var model = isFolder ? Path.Combine(path, ModelName) : json is null ? path : null;
        if (isFolder && !File.Exists(json) && !File.Exists(model))
        {
            throw new FileNotFoundException($"{path}: holds no tokenizer; expected {TokenizerJson.FileName} (a fast tokenizer with a Unigram model) "
                + $"or {ModelName} (SentencePiece), "
                + "as microsoft/deberta-v3-* and models fine-tuned from it have them. Copy one from the model that this one was made from.", path);
        }

        // Python's fast tokenizer reads tokenizer.json where it is there.
        if (json is null || (isFolder && !File.Exists(json)))
        {
            if (isFolder)
            {
                CheckSettings(path);
            }

            var read = SentencePieceModel.Read(model!);
            return new(SentencePieceParts.Of(read), read, null, null);
        }

        var folder = isFolder ? path : Path.GetDirectoryName(Path.GetFullPath(json))!;
        var settings = ReadObject(Path.Combine(folder, SettingsName));
        var map = ReadObject(Path.Combine(folder, SpecialName));
        var parts = TokenizerJson.Read(json, (ids, unknown) => SpecialTokens.Of(ids, unknown, role => RoleIn(settings, role) ?? RoleIn(map, role)));
        var bytes = File.ReadAllBytes(json);
        if (!isFolder || !File.Exists(model))
        {
            return new(parts, null, bytes, settings);
        }

        var (beside, difference) = Compare(parts, model);
        return new(parts, beside, bytes,
            settings)
        {
            Remark = difference is null
            ? null : $"{path} holds {TokenizerJson.FileName} and {ModelName}, and the first counts, as in Python: {difference}"
        };
    }

    /// <summary>
    /// Writes the files with which this class and every version of the Python library read the tokenizer as it is; each appears whole or not at all.
    /// </summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public void Save(string folder)
    {
        AtomicFile.Write(Path.Combine(folder, TokenizerJson.FileName), stream =>
        {
            if (_json is null)
            {
                SentencePieceParts.Write(stream, _model!);
            }
            else
            {
                stream.Write(_json);
            }
        });
        if (_model is not null)
        {
            AtomicFile.Write(Path.Combine(folder, ModelName), stream => stream.Write(_model.File));
        }

        if (_json is null)
        {
            WriteObject(folder, "added_tokens.json", new() { [SpecialTokens.MaskText] = Parts.Special.Mask });
        }

        JsonObject roles = [.. SpecialTokens.Roles.Select(role => (role, id: Parts.Special.IdOf(role))).Where(pair => pair.id >= 0)
            .Select(pair => KeyValuePair.Create(pair.role, (JsonNode?)TextOf(pair.id)))];
        WriteObject(folder, SpecialName, (JsonObject)roles.DeepClone());
        WriteObject(folder, SettingsName, SettingsWith(roles));
    }

    /// <summary>The text of an id.</summary>
    public string TextOf(int id) => Parts.AddedTokens.FirstOrDefault(token => token.Id == id)?.Content ?? Parts.Pieces[id].Text;

    /// <summary>
    /// Under any class of DeBERTa's own, transformers 5 makes the tokenizer anew out of the vocabulary, with another normaliser, and a model is fed other
    /// pieces than it was trained on. This one reads tokenizer.json as it stands, and so do the versions before.
    /// </summary>
    private JsonObject SettingsWith(JsonObject roles)
    {
        // The other keys are of one class or version: a list of extra_special_tokens, as transformers 5 writes it, stops transformers 4.
        string[] kept = ["model_max_length", "padding_side", "truncation_side", "model_input_names", "clean_up_tokenization_spaces"];
        JsonObject settings = [.. _settings.Where(pair => kept.Contains(pair.Key)).Concat(roles)
            .Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))];
        settings.TryAdd("clean_up_tokenization_spaces", false);
        settings["tokenizer_class"] = "PreTrainedTokenizerFast";
        return [.. settings.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))];
    }

    /// <summary>Whether a SentencePiece model says what tokenizer.json says.</summary>
    private static (SentencePieceModel? Model, string? Difference) Compare(TokenizerParts parts, string path)
    {
        SentencePieceModel model;
        DebertaTokenizer slow;
        try
        {
            model = SentencePieceModel.Read(path);
            slow = DebertaTokenizer.Of(SentencePieceParts.Of(model));
        }
        catch (InvalidDataException error)
        {
            return (null, $"the other cannot be read ({error.Message})");
        }

        var fast = DebertaTokenizer.Of(parts);
        if (model.Pieces.Zip(parts.Pieces).FirstOrDefault(pair => pair.First.Text != pair.Second.Text || (float)pair.First.Score != (float)pair.Second.Score)
            is { First.Text: { } text } differing)
        {
            return (null, $"the vocabularies differ, first in \"{differing.Second.Text}\" where {ModelName} has \"{text}\".");
        }

        if (model.Pieces.Count != parts.Pieces.Count)
        {
            return (null, Invariant($"the vocabularies have {parts.Pieces.Count:N0} and {model.Pieces.Count:N0} pieces."));
        }

        var probe = s_probes.FirstOrDefault(probe => !fast.Encode(probe).Ids.SequenceEqual(slow.Encode(probe).Ids));
        return probe is null ? (model, null)
            : (null, $"\"{JsonEncodedText.Encode(probe, ReadableJson.Options.Encoder)}\" becomes {Shown(fast, probe)}, "
                + $"and by {ModelName} {Shown(slow, probe)}.");
    }

    private static string Shown(DebertaTokenizer tokenizer, string text) => string.Join(' ', tokenizer.Encode(text).Ids.Select(tokenizer.PieceOf));

    private static void CheckSettings(string folder)
    {
        var path = Path.Combine(folder, SettingsName);
        var settings = ReadObject(path);
        foreach (var name in (string[])["do_lower_case", "split_by_punct"])
        {
            if (settings?[name] is JsonValue value && value.GetValueKind() == JsonValueKind.True)
            {
                throw new NotSupportedException($"{path}: {name} is true; without tokenizer.json this tokenizer knows only false, "
                    + "as in microsoft/deberta-v3-*.");
            }
        }
    }

    private static string? RoleIn(JsonObject? settings, string role) =>
        settings?[role] is { } token && (token is JsonObject described ? described["content"] : token) is JsonValue value
            && value.TryGetValue<string>(out var text) ? text : null;

    private static JsonObject? ReadObject(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
        {
            return null;
        }

        return StrictJson.ReadObject(path, LongestSettings, "settings of a tokenizer; delete the file to use the defaults of DeBERTa-v3, or fetch it again");
    }

    private static void WriteObject(string folder, string name, JsonObject json) =>
        AtomicFile.WriteText(Path.Combine(folder, name), json.ToJsonString(ReadableJson.Options) + "\n");
}
