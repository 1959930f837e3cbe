using System.Text;
using System.Text.Json.Nodes;
using System.Web;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>One exchange of W&amp;B's own client with a server, as recorded.</summary>
internal sealed class Exchange(JsonObject line)
{
    public int Number => (int)line["n"]!;

    public double Seconds => (double)line["t"]!;

    public string Method => (string)line["method"]!;

    public Uri Url => new("http://server" + (string)line["url"]!);

    public string Query(string name) => HttpUtility.ParseQueryString(Url.Query)[name]!;

    /// <summary>GraphQL's operation, "file_stream" or "storage".</summary>
    public string Operation => (string?)line["op"] is { Length: > 0 } name ? name
        : Url.AbsolutePath.EndsWith("/file_stream", StringComparison.Ordinal) ? "file_stream"
        : Url.AbsolutePath == "/storage" ? "storage"
        : "unknown";

    public int? Status => (int?)line["status"];

    public bool IsFault => ((string)line["by"]!).StartsWith("fault", StringComparison.Ordinal);

    public bool WasApplied => (string)line["by"]! is not "fault";

    public string? RetryAfter => (string?)line["response_headers"]?["retry-after"] ?? (string?)line["response_headers"]?["Retry-After"];

    public string Response => line["response"] switch { JsonValue text => text.GetValue<string>(), JsonNode json => json.ToJsonString(), null => "" };

    public string Text => (string?)line["body"] ?? "";

    public byte[] Bytes => (string?)line["body_base64"] is { } base64 ? Convert.FromBase64String(base64) : Encoding.UTF8.GetBytes(Text);

    public string? Header(string name) => (string?)line["headers"]![name];

    public JsonObject Json => (JsonObject)JsonNode.Parse(Text)!;

    public JsonObject Variables => Json["variables"] as JsonObject ?? [];
}

/// <summary>The exchanges of one scenario of <c>reference/wandb</c>; a test that asks for one is skipped where they are missing.</summary>
internal sealed class Capture
{
    private Capture(string name, IReadOnlyList<Exchange> exchanges) => (Name, Exchanges) = (name, exchanges);

    public string Name { get; }

    public IReadOnlyList<Exchange> Exchanges { get; }

    /// <summary>0.31.0, whose form of the bodies we follow, or 0.16.1, the original's.</summary>
    public bool IsNew => Name.StartsWith("031", StringComparison.Ordinal);

    public IReadOnlyList<Exchange> Of(string operation) => [.. Exchanges.Where(exchange => exchange.Operation == operation)];

    public static Capture Read(string name) => new(
        name,
        [.. File.ReadLines(Repository.Shared("reference", "wandb", name + ".jsonl")).Where(line => line.Length > 0)
            .Select(line => new Exchange((JsonObject)JsonNode.Parse(line)!))]);
}
