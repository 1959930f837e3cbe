using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using NotebookLib.Platform;

namespace NotebookLib.Lora;

/// <summary>
/// <c>adapter_config.json</c> of PEFT 0.7.0 to 0.21.2 ⇄ <see cref="LoraSettings"/>, by a list of what is known: a key that changes the numbers and is not
/// computed here is refused by its name, and so is one that is not known, unless it is switched off.
/// </summary>
internal static class AdapterConfig
{
    private const string FileName = "adapter_config.json";
    // The largest published ones are below 10 KB.
    private const long LargestFile = 1 << 20;

    // Read into the settings and computed.
    private static readonly HashSet<string> Computed = new(StringComparer.Ordinal)
    {
        "peft_type", "r", "lora_alpha", "lora_dropout", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "rank_pattern",
        "alpha_pattern",
        "use_rslora", "use_dora", "lora_bias", "bias", "modules_to_save", "base_model_name_or_path",
    };

    // How and with what an adapter was made, or where it runs: the numbers are the same.
    private static readonly HashSet<string> Neutral = new(StringComparer.Ordinal)
    {
        "auto_mapping", "revision", "inference_mode", "task_type", "peft_version", "megatron_core", "qalora_group_size", "runtime_config", "eva_config",
    };

    // Switched off by null, false or nothing in it; what it means otherwise.
    private static readonly Dictionary<string, string> Refused = new(StringComparer.Ordinal)
    {
        ["fan_in_fan_out"] = "weights stored transposed",
        ["megatron_config"] = "layers spread over devices by Megatron",
        ["loftq_config"] = "LoftQ, which changes the base's weights",
        ["corda_config"] = "CorDA, which changes the base's weights",
        ["lora_ga_config"] = "LoRA-GA, which changes the base's weights",
        ["layer_replication"] = "layers that occur more than once",
        ["alora_invocation_tokens"] = "aLoRA, which begins in the middle of a text",
        ["trainable_token_indices"] = "single rows of the word embeddings",
        ["target_parameters"] = "adapters on parameters that are no layer's",
        ["use_qalora"] = "QALoRA's pooled inputs",
        ["use_bdlora"] = "adapters of diagonal blocks",
        ["arrow_config"] = "Arrow, a choice among several adapters",
        ["kasa_config"] = "KaSA's singular values",
        ["monteclora_config"] = "MonteCLoRA's random adapters",
        ["velora_config"] = "VeLoRA's compressed activations",
        ["ensure_weight_tying"] = "layers that share their weights",
    };

    // How an adapter began says nothing about how it computes, unless the base's weights were changed on the way: PEFT does so again when it loads one.
    private static readonly HashSet<string> NeutralBeginnings = new(StringComparer.Ordinal) { "gaussian", "orthogonal", "eva" };

    /// <summary>True when a folder holds adapters.</summary>
    public static bool IsIn(string folder) => File.Exists(Path.Combine(folder, FileName));

    /// <summary>Reads a folder's configuration.</summary>
    /// <exception cref="FileNotFoundException">The folder has none.</exception>
    /// <exception cref="InvalidDataException">It is damaged or contradicts itself: all faults together.</exception>
    /// <exception cref="NotSupportedException">It asks for what this library does not compute.</exception>
    public static LoraSettings Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        var json = Parse(path);
        if (Text(json["peft_type"]) != "LORA")
        {
            throw new NotSupportedException($"{path} asks for what this library does not compute: peft_type is {Shown(json["peft_type"])}, "
                + "another method than LoRA.");
        }

        List<string> limits = [.. json.Select(pair => LimitOf(pair.Key, pair.Value)).OfType<string>()];
        if (limits.Count > 0)
        {
            throw new NotSupportedException($"{path} asks for what this library does not compute:\n  {string.Join("\n  ", limits)}");
        }

        var d = new LoraSettings();
        var settings = new LoraSettings
        {
            Rank = (int)Math.Clamp(Number(path, json, "r"), int.MinValue, int.MaxValue),
            Alpha = Number(path, json, "lora_alpha"),
            Dropout = json["lora_dropout"] is not null ? Number(path, json, "lora_dropout") : 0,
            Targets = NamesOf(path, json, "target_modules") ?? throw Wrong(path, json, "target_modules", "a list of names, or a regular expression"),
            Excluded = NamesOf(path, json, "exclude_modules"),
            Layers = LayersOf(path, json),
            LayersPattern = TextsOf(path, json, "layers_pattern"),
            RankPattern = PatternOf(path, json, "rank_pattern")?.ToDictionary(pair => pair.Key,
                pair => (int)Math.Clamp(pair.Value, int.MinValue, int.MaxValue)),
            AlphaPattern = PatternOf(path, json, "alpha_pattern"),
            UsesRankStabilisation = Flag(path, json, "use_rslora"),
            UsesMagnitudes = Flag(path, json, "use_dora"),
            HasBias = Flag(path, json, "lora_bias"),
            Biases = BiasesOf(path, json),
            SavedModules = TextsOf(path, json, "modules_to_save")?.Where(name => name is not ("classifier" or "score")).ToList() is { Count: > 0 } saved
                ? saved : null,
            BaseModel = Text(json["base_model_name_or_path"]) ?? d.BaseModel,
            OtherKeys = new(json.Where(pair => !Computed.Contains(pair.Key)).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone()))),
        };
        return settings.FindFaults() is { Count: > 0 } faults ? throw new InvalidDataException($"{path}:\n  {string.Join("\n  ", faults)}") : settings;
    }

    /// <summary>Writes a folder's configuration; it appears whole or not at all.</summary>
    public static void Write(string folder, LoraSettings settings)
    {
        // What PEFT 0.7.0 knows: it refuses keys of later versions, so these are written only where they say something.
        var json = new JsonObject
        {
            ["alpha_pattern"] = PatternNode(settings.AlphaPattern?.Select(pair => (pair.Key, NumberNode(pair.Value)))),
            ["auto_mapping"] = settings.TrainsHead ? null : new JsonObject
            {
                ["base_model_class"] = "DebertaV2ForTokenClassification",
                ["parent_library"] = "transformers.models.deberta_v2.modeling_deberta_v2",
            },
            ["bias"] = settings.Biases switch { TrainedBiases.Adapted => "lora_only", TrainedBiases.All => "all", _ => "none" },
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["layers_pattern"] = settings.LayersPattern is null ? null : TextsNode(settings.LayersPattern),
            ["layers_to_transform"] = settings.Layers is null ? null : new JsonArray([.. settings.Layers.Select(layer => (JsonNode)layer)]),
            ["loftq_config"] = new JsonObject(),
            ["lora_alpha"] = NumberNode(settings.Alpha ?? 0),
            ["lora_dropout"] = settings.Dropout,
            ["megatron_config"] = null,
            ["megatron_core"] = "megatron.core",
            ["peft_type"] = "LORA",
            ["r"] = settings.Rank,
            ["rank_pattern"] = PatternNode(settings.RankPattern?.Select(pair => (pair.Key, (JsonNode)pair.Value))),
            ["revision"] = null,
            ["target_modules"] = NamesNode(settings.Targets ?? []),
            // TOKEN_CLS is what makes PEFT save the head.
            ["task_type"] = settings.TrainsHead ? "TOKEN_CLS" : null,
        };
        json["base_model_name_or_path"] = settings.BaseModel;
        json["modules_to_save"] = settings.SavedModules is null
            ? null : TextsNode([.. settings.TrainsHead ? (string[])["classifier"] : [], .. settings.SavedModules]);
        foreach (var (key, value, isSaid) in ((string, JsonNode?, bool)[])
            [
                ("use_rslora", true, settings.UsesRankStabilisation), ("use_dora", true, settings.UsesMagnitudes), ("lora_bias", true, settings.HasBias),
                ("exclude_modules", settings.Excluded is null ? null : NamesNode(settings.Excluded), settings.Excluded is not null),
            ])
        {
            if (isSaid)
            {
                json[key] = value;
            }
        }

        foreach (var (key, value) in settings.OtherKeys ?? [])
        {
            json[key] = value?.DeepClone();
        }

        // PEFT saves the head of itself where the task is TOKEN_CLS, and otherwise where it is named.
        if (settings.TrainsHead && Text(json["task_type"]) != "TOKEN_CLS")
        {
            json["modules_to_save"] = TextsNode(["classifier", .. settings.SavedModules ?? []]);
        }

        json["task_type"] = settings.TrainsHead ? json["task_type"]?.DeepClone() : null;
        JsonObject sorted = new(json.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, pair.Value?.DeepClone())));
        AtomicFile.WriteText(Path.Combine(folder, FileName), sorted.ToJsonString(ReadableJson.Options));
    }

    /// <summary>Why a key cannot be computed, or null.</summary>
    private static string? LimitOf(string key, JsonNode? value) => key switch
    {
        "init_lora_weights" => value is null || value.GetValueKind() is JsonValueKind.True or JsonValueKind.False
            || (Text(value) is { } beginning && NeutralBeginnings.Contains(beginning))
            ? null : $"{key} is {Shown(value)}: a beginning that changes the base's weights, or one that is not known",
        _ when Computed.Contains(key) || Neutral.Contains(key) => null,
        _ when Refused.TryGetValue(key, out var meaning) =>
            IsOff(value) || value is JsonObject { Count: 0 } or JsonArray { Count: 0 } ? null : $"{key} is {Shown(value)}: {meaning}",
        _ => IsOff(value) ? null : $"{key} is {Shown(value)}: a key that is not known, of a later version of PEFT perhaps",
    };

    private static bool IsOff(JsonNode? node) => node is null || node.GetValueKind() == JsonValueKind.False;

    /// <summary>PEFT takes a list of name ends, or one regular expression over whole names.</summary>
    private static JsonNode NamesNode(IReadOnlyList<string> names) => names.All(ModuleNames.IsPlain) ? TextsNode(names)
        : names is [var only] ? only
        : string.Join('|', names.Select(name => ModuleNames.IsPlain(name) ? $@"(.*\.)?{name.Replace(".", @"\.", StringComparison.Ordinal)}" : $"({name})"));

    private static JsonArray TextsNode(IReadOnlyList<string> texts) => new([.. texts.Select(text => (JsonNode)text)]);

    private static JsonObject PatternNode(IEnumerable<(string Key, JsonNode Value)>? pairs) =>
        new((pairs ?? []).Select(pair => KeyValuePair.Create(pair.Key, (JsonNode?)pair.Value)));

    private static JsonNode NumberNode(double value) => value == Math.Floor(value) && Math.Abs(value) <= int.MaxValue ? (int)value : value;

    /// <summary>Names as the settings have them: a text alone is an expression over the whole name, and a list has nothing but ends of names.</summary>
    private static IReadOnlyList<string>? NamesOf(string path, JsonObject json, string key) => json[key] switch
    {
        null => null,
        JsonValue value when Text(value) is { } pattern => [ModuleNames.IsPlain(pattern) ? $"({Regex.Escape(pattern)})" : pattern],
        _ when TextsOf(path, json, key) is { } names =>
            [.. names.Select(name => name.Length == 0 || ModuleNames.IsPlain(name) ? name : $@"(?:.*\.)?{Regex.Escape(name)}")],
        _ => null,
    };

    private static IReadOnlyList<string>? TextsOf(string path, JsonObject json, string key) => json[key] switch
    {
        null => null,
        JsonArray texts when texts.All(text => Text(text) is not null) => [.. texts.Select(text => Text(text)!)],
        JsonValue value when Text(value) is { } text => [text],
        _ => throw Wrong(path, json, key, key == "target_modules" ? "a list of names, or a regular expression" : "a list of names"),
    };

    private static IReadOnlyList<int>? LayersOf(string path, JsonObject json) => json["layers_to_transform"] switch
    {
        null => null,
        JsonArray layers when layers.All(layer => layer is JsonValue value && value.TryGetValue<int>(out _)) =>
            [.. layers.Select(layer => layer!.GetValue<int>())],
        JsonValue value when value.TryGetValue<int>(out var layer) => [layer],
        _ => throw Wrong(path, json, "layers_to_transform", "a layer's number, or a list of them"),
    };

    private static Dictionary<string, double>? PatternOf(string path, JsonObject json, string key) => json[key] switch
    {
        null or JsonObject { Count: 0 } => null,
        JsonObject pattern when pattern.All(pair => pair.Value is JsonValue value && value.GetValueKind() == JsonValueKind.Number) =>
            pattern.ToDictionary(pair => pair.Key, pair => pair.Value!.GetValue<double>(), StringComparer.Ordinal),
        _ => throw Wrong(path, json, key, "names or regular expressions, each with a number"),
    };

    private static TrainedBiases BiasesOf(string path, JsonObject json) => json["bias"] is null ? TrainedBiases.None : Text(json["bias"]) switch
    {
        "none" => TrainedBiases.None,
        "lora_only" => TrainedBiases.Adapted,
        "all" => TrainedBiases.All,
        _ => throw Wrong(path, json, "bias", "none, lora_only or all"),
    };

    private static bool Flag(string path, JsonObject json, string key) => json[key]?.GetValueKind() switch
    {
        null or JsonValueKind.False => false,
        JsonValueKind.True => true,
        _ => throw Wrong(path, json, key, "true or false"),
    };

    private static JsonObject Parse(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{path}: no such file; expected a folder with {FileName} and adapter_model.safetensors or adapter_model.bin.",
                path);
        }

        return StrictJson.ReadObject(path, LargestFile, "an adapter's configuration as PEFT writes it");
    }

    private static double Number(string path, JsonObject json, string key) =>
        json[key] is JsonValue value && value.GetValueKind() == JsonValueKind.Number && value.TryGetValue<double>(out var number)
            ? number : throw Wrong(path, json, key, "a number");

    private static InvalidDataException Wrong(string path, JsonObject json, string key, string expected) =>
        new($"{path}: {key} is {(json.ContainsKey(key) ? Shown(json[key]) : "missing")}; expected {expected}.");

    private static string Shown(JsonNode? node) =>
        (node?.ToJsonString() ?? "null") is { Length: > 80 } text ? text[..77] + "…" : node?.ToJsonString() ?? "null";

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
}
