using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookLib.Hub;

/// <summary>An answer whose body, if any, is short.</summary>
/// <param name="Status">The HTTP status.</param>
/// <param name="Headers">By name, in any case.</param>
/// <param name="Body">The text.</param>
internal sealed record HubAnswer(int Status, IReadOnlyDictionary<string, string> Headers, string Body)
{
    public bool IsSuccess => Status is >= 200 and < 300;

    public bool IsRedirect => Status is >= 300 and < 400 && Headers.ContainsKey("Location");

    public string? this[string header] => Headers.TryGetValue(header, out var value) && value.Length > 0 ? value : null;

    /// <summary>The body as JSON.</summary>
    /// <exception cref="HubException">It is none.</exception>
    public JsonNode Json(string what)
    {
        try
        {
            return JsonNode.Parse(Body, documentOptions: new JsonDocumentOptions { MaxDepth = 32 }) ?? throw new JsonException("null");
        }
        catch (JsonException)
        {
            throw new HubException(HubFault.BadAnswer,
                $"{what}: expected JSON, the Hub answered \"{HubNames.Excerpt(Body)}\"; is HF_ENDPOINT the address of a Hub?");
        }
    }

    /// <summary>Headers of response and body in one table.</summary>
    public static IReadOnlyDictionary<string, string> Gather(HttpResponseMessage response)
    {
        var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, values) in response.Headers.NonValidated.Concat(response.Content.Headers.NonValidated))
        {
            headers[name] = values.ToString();
        }

        return headers;
    }
}
