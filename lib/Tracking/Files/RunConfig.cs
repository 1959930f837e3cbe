using System.Text.Json;
using NotebookLib.Platform;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.Serialization;

namespace NotebookLib.Tracking;

/// <summary>The configuration as the server stores it: each key under "value", and the client's own block _wandb; as JSON, and as config.yaml.</summary>
internal static class RunConfig
{
    private static readonly ISerializer Yaml = new SerializerBuilder()
        .WithQuotingNecessaryStrings(quoteYaml1_1Strings: true)
        .WithTypeConverter(new PlainText())
        .Build();

    // Field numbers of the telemetry record: 5 client version, 13 platform. "t" must be there, or the server's resume check takes the run for missing.
    private const string VersionField = "5";
    private const string PlatformField = "13";

    /// <summary>The configuration as one JSON object.</summary>
    public static string ToJson(RunReplay run)
    {
        var members = run.Config.Where(member => member.Key != "_wandb").Select(member => KeyValuePair.Create(member.Key, $"{{\"value\":{member.Value}}}"));
        return JsonMembers.Join(members.Append(new("_wandb", $"{{\"value\":{Client(run)}}}")));
    }

    /// <summary>Metric definitions as "m": name 1 or glob 2, index of the step metric 5, options 6 (1 step sync, 2 hidden, 3 defined), summaries 7.</summary>
    public static string Metrics(IReadOnlyList<MetricDefinition> metrics)
    {
        List<MetricDefinition> all = [.. metrics];
        foreach (var step in metrics.Select(metric => metric.StepMetric).OfType<string>().Distinct().Where(step => metrics.All(metric => metric.Name != step)))
        {
            all.Insert(0, new MetricDefinition(step, null, null, false, false, []));
        }

        return "[" + string.Join(",", all.Select(metric => Metric(metric, all))) + "]";
    }

    private static string Metric(MetricDefinition metric, List<MetricDefinition> all)
    {
        List<int> options = [];
        options.AddRange(metric.StepSync ? [1] : []);
        options.AddRange(metric.Hidden ? [2] : []);
        // A glob defines no metric of its own, as wandb 0.31 has it: option 1 alone.
        options.AddRange(metric.Name is null ? [] : [3]);
        Dictionary<string, object?> members = new() { [metric.Name is null ? "2" : "1"] = metric.Name ?? metric.Glob };
        if (metric.StepMetric is not null)
        {
            members["5"] = all.FindIndex(other => other.Name == metric.StepMetric) + 1;
        }

        members["6"] = options;
        members["7"] = metric.Summary;
        return RowText.Value(members);
    }

    private static string Client(RunReplay run)
    {
        var platform = Invariant($"{(OperatingSystem.IsWindows() ? "windows" : OperatingSystem.IsMacOS() ? "darwin" : "linux")}-{Architecture()}");
        var environment = run.Header!.Environment.ToDictionary(member => member.Key, member => (object?)member.Value);
        return JsonMembers.Join([
            new("cli_version", JsonSerializer.Serialize(Provenance.Version)),
            new("t", RowText.Value(new Dictionary<string, object?> { [VersionField] = Provenance.Version, [PlatformField] = platform })),
            new("m", Metrics(run.Metrics)),
            new("e", RowText.Value(new Dictionary<string, object?> { [run.Header.WriterId] = environment })),
        ]);
    }

    private static string Architecture() => System.Runtime.InteropServices.RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "x86_64",
        System.Runtime.InteropServices.Architecture.Arm64 => "arm64",
        var other => other.ToString(),
    };

    /// <summary>YAML of the JSON object, keys sorted as wandb 0.31 does.</summary>
    /// <exception cref="JsonException">The text is not JSON.</exception>
    public static string ToYaml(string json)
    {
        using var document = StrictJson.Parse(json);
        return Yaml.Serialize(ToGraph(document.RootElement)!).Replace("\r\n", "\n", StringComparison.Ordinal);
    }

    private static object? ToGraph(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal)
            .ToDictionary(member => member.Name, member => ToGraph(member.Value)),
        JsonValueKind.Array => element.EnumerateArray().Select(ToGraph).ToList(),
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Null => null,
        _ => element,
    };

    /// <summary>YAML 1.1 takes 1E-08 for text: a fraction needs its point and the exponent its sign.</summary>
    private static string Number(string json)
    {
        var exponent = json.IndexOfAny(['e', 'E']);
        if (exponent < 0 || json is "true" or "false")
        {
            return json;
        }

        var mantissa = json[..exponent];
        var power = json[(exponent + 1)..];
        return $"{(mantissa.Contains('.', StringComparison.Ordinal) ? mantissa : mantissa + ".0")}e{(power[0] is '+' or '-' ? power : "+" + power)}";
    }

    /// <summary>Writes numbers and truth values digit for digit.</summary>
    private sealed class PlainText : IYamlTypeConverter
    {
        public bool Accepts(Type type) => type == typeof(JsonElement);

        public object? ReadYaml(IParser parser, Type type, ObjectDeserializer rootDeserializer) =>
            throw new NotSupportedException("config.yaml is only written");

        public void WriteYaml(IEmitter emitter, object? value, Type type, ObjectSerializer serializer)
            => emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, Number(((JsonElement)value!).GetRawText()), ScalarStyle.Plain, true, false));
    }
}
