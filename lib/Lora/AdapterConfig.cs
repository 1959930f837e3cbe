using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Lora;

/// <summary><c>adapter_config.json</c> of PEFT 0.7.0 ⇄ <see cref="LoraSettings"/>. Keys that later versions added are ignored unless they change the numbers.</summary>
internal static class AdapterConfig
{
    private const string FileName = "adapter_config.json";
    // The largest published ones are below 10 KB.
    private const long LargestFile = 1 << 20;
    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    // Key, the values under which adapters compute as ours do, and what another value means.
    private static readonly (string Key, Func<JsonNode?, bool> IsPlain, string Meaning)[] Limits =
    [
        ("peft_type", node => Text(node) == "LORA", "another method than LoRA"),
        ("bias", node => node is null || Text(node) == "none", "biases that are trained too"),
        ("fan_in_fan_out", IsFalse, "weights stored transposed"),
        ("rank_pattern", IsEmpty, "ranks that differ by layer"),
        ("alpha_pattern", IsEmpty, "alphas that differ by layer"),
        ("layers_to_transform", IsEmpty, "layers left out by number"),
        ("use_dora", IsFalse, "DoRA's magnitudes"),
        ("use_rslora", IsFalse, "another scale (alpha / √rank)"),
        ("lora_bias", IsFalse, "adapters with biases"),
        ("modules_to_save", node => node is null || (node is JsonArray names && names.All(name => Text(name) is "classifier" or "score")), "trained modules besides the head"),
    ];

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
        var limits = Limits.Where(limit => !limit.IsPlain(json[limit.Key])).Select(limit => $"{limit.Key} is {json[limit.Key]?.ToJsonString() ?? "null"}: {limit.Meaning}").ToList();
        if (limits.Count > 0)
        {
            throw new NotSupportedException($"{path} asks for what this library does not compute:\n  {string.Join("\n  ", limits)}");
        }

        var d = new LoraSettings();
        var settings = new LoraSettings
        {
            Rank = (int)Math.Clamp(Number(path, json, "r"), int.MinValue, int.MaxValue),
            Alpha = Number(path, json, "lora_alpha"),
            Dropout = json.ContainsKey("lora_dropout") ? Number(path, json, "lora_dropout") : 0,
            Targets = TargetsOf(path, json["target_modules"]),
            BaseModel = json["base_model_name_or_path"] is { } name ? Text(name) ?? d.BaseModel : d.BaseModel,
        };
        return settings.FindFaults() is { Count: > 0 } faults ? throw new InvalidDataException($"{path}:\n  {string.Join("\n  ", faults)}") : settings;
    }

    /// <summary>Writes a folder's configuration; it appears whole or not at all.</summary>
    public static void Write(string folder, LoraSettings settings)
    {
        var json = new JsonObject
        {
            ["alpha_pattern"] = new JsonObject(),
            ["auto_mapping"] = null,
            ["base_model_name_or_path"] = settings.BaseModel,
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["layers_pattern"] = null,
            ["layers_to_transform"] = null,
            ["loftq_config"] = new JsonObject(),
            ["lora_alpha"] = settings.Alpha == Math.Floor(settings.Alpha) && settings.Alpha <= int.MaxValue ? (int)settings.Alpha : settings.Alpha,
            ["lora_dropout"] = settings.Dropout,
            ["megatron_config"] = null,
            ["megatron_core"] = "megatron.core",
            ["modules_to_save"] = null,
            ["peft_type"] = "LORA",
            ["r"] = settings.Rank,
            ["rank_pattern"] = new JsonObject(),
            ["revision"] = null,
            ["target_modules"] = TargetsNode(settings.Targets),
            ["task_type"] = "TOKEN_CLS",
        };
        AtomicFile.WriteText(Path.Combine(folder, FileName), json.ToJsonString(Indented));
    }

    /// <summary>PEFT takes a list of name ends, or one regular expression over whole names.</summary>
    private static JsonNode TargetsNode(IReadOnlyList<string> targets) => targets.All(LoraTarget.IsSuffix)
        ? new JsonArray([.. targets.Select(target => (JsonNode)target)])
        : targets is [var only] ? only
        : string.Join('|', targets.Select(target => LoraTarget.IsSuffix(target) ? $@"(.*\.)?{target.Replace(".", @"\.", StringComparison.Ordinal)}" : $"({target})"));

    private static IReadOnlyList<string> TargetsOf(string path, JsonNode? node) => node switch
    {
        JsonArray names when names.All(name => Text(name) is not null) => [.. names.Select(name => Text(name)!)],
        JsonValue when Text(node) is { } pattern => [pattern],
        _ => throw new InvalidDataException($"{path}: target_modules is {node?.ToJsonString() ?? "null"}; expected a list of names, or a regular expression."),
    };

    private static JsonObject Parse(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{path}: no such file; expected a folder with {FileName} and adapter_model.safetensors or adapter_model.bin.", path);
        }

        if (new FileInfo(path).Length > LargestFile)
        {
            throw new InvalidDataException($"{path}: {new FileInfo(path).Length} bytes; expected at most {LargestFile}.");
        }

        try
        {
            return JsonNode.Parse(File.ReadAllText(path), documentOptions: new JsonDocumentOptions { AllowDuplicateProperties = false }) as JsonObject
                ?? throw new InvalidDataException($"{path}: expected a JSON object.");
        }
        catch (JsonException error)
        {
            throw new InvalidDataException($"{path}: not JSON ({error.Message}).", error);
        }
    }

    private static double Number(string path, JsonObject json, string key) =>
        json[key] is JsonValue value && value.GetValueKind() == JsonValueKind.Number && value.TryGetValue<double>(out var number)
            ? number
            : throw new InvalidDataException(Invariant($"{path}: {key} is {json[key]?.ToJsonString() ?? "missing"}; expected a number."));

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static bool IsFalse(JsonNode? node) => node is null || node.GetValueKind() == JsonValueKind.False;

    private static bool IsEmpty(JsonNode? node) => node is null or JsonObject { Count: 0 } or JsonArray { Count: 0 };
}
