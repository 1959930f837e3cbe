using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Runner;

/// <summary>An output of an .ipynb in one line: its kind and its plainest text.</summary>
internal static class JupyterText
{
    public static string Of(JsonNode output)
    {
        var text = output["text"] ?? output["data"]?["text/plain"] ?? output["data"]?["text/html"] ?? output["evalue"]!;
        return $"{output["output_type"]}:{(text is JsonArray lines ? string.Concat(lines.Select(line => (string)line!)) : (string)text!)}";
    }
}
