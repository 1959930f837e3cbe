using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.Serialization;

namespace NotebookLib.Tracking;

/// <summary>The configuration as config.yaml: the JSON as YAML, keys sorted as wandb 0.31 does (WANDB.md §3).</summary>
internal static class ConfigYaml
{
    private static readonly ISerializer Serializer = new SerializerBuilder()
        .WithQuotingNecessaryStrings(quoteYaml1_1Strings: true)
        .WithTypeConverter(new PlainText())
        .Build();

    /// <summary>YAML of a JSON object.</summary>
    /// <exception cref="JsonException">The text is not JSON.</exception>
    public static string FromJson(string json)
    {
        using var document = JsonDocument.Parse(json);
        return Serializer.Serialize(ToGraph(document.RootElement)!).Replace("\r\n", "\n", StringComparison.Ordinal);
    }

    private static object? ToGraph(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal)
            .ToDictionary(member => member.Name, member => ToGraph(member.Value)),
        JsonValueKind.Array => element.EnumerateArray().Select(ToGraph).ToList(),
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Number => new Plain(Number(element.GetRawText())),
        JsonValueKind.True => new Plain("true"),
        JsonValueKind.False => new Plain("false"),
        _ => null,
    };

    /// <summary>YAML 1.1 takes 1E-08 for text: a fraction needs its point and the exponent its sign.</summary>
    private static string Number(string json)
    {
        var exponent = json.IndexOfAny(['e', 'E']);
        if (exponent < 0)
        {
            return json;
        }

        var mantissa = json[..exponent];
        var power = json[(exponent + 1)..];
        return $"{(mantissa.Contains('.', StringComparison.Ordinal) ? mantissa : mantissa + ".0")}e{(power[0] is '+' or '-' ? power : "+" + power)}";
    }

    private sealed record Plain(string Text);

    /// <summary>Writes numbers and truth values digit for digit.</summary>
    private sealed class PlainText : IYamlTypeConverter
    {
        public bool Accepts(Type type) => type == typeof(Plain);

        public object? ReadYaml(IParser parser, Type type, ObjectDeserializer rootDeserializer) =>
            throw new NotSupportedException("config.yaml is only written");

        public void WriteYaml(IEmitter emitter, object? value, Type type, ObjectSerializer serializer)
            => emitter.Emit(new Scalar(AnchorName.Empty, TagName.Empty, ((Plain)value!).Text, ScalarStyle.Plain, true, false));
    }
}
