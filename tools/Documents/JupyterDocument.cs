using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotebookRunner.Documents;

/// <summary>Reads the cells of an .ipynb as Polyglot writes it (nbformat 4); outputs are left behind, they belong to a run.</summary>
internal static class JupyterDocument
{
    /// <summary>Reads the JSON of an .ipynb.</summary>
    /// <exception cref="NotebookFormatException">Damaged JSON, or not nbformat 4.</exception>
    public static Notebook Parse(string text, string name)
    {
        try
        {
            var root = JsonNode.Parse(text, documentOptions: new() { MaxDepth = 64 })!.AsObject();
            if (root["nbformat"]?.GetValue<int>() is not 4)
            {
                throw new NotebookFormatException($"{name}: expected nbformat 4, found {root["nbformat"]?.ToJsonString() ?? "none"}; save it again with a current Jupyter.");
            }

            var cells = root["cells"]!.AsArray().Select(cell => ReadCell(cell!.AsObject())).OfType<NotebookCell>().ToList();
            return new(Notebook.NewHeader(), cells);
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or NullReferenceException or ArgumentException)
        {
            throw new NotebookFormatException($"{name}: not a Jupyter notebook: {error.Message}", error);
        }
    }

    private static NotebookCell? ReadCell(JsonObject cell)
    {
        var source = cell["source"] is JsonArray lines ? string.Concat(lines.Select(line => line!.GetValue<string>())) : cell["source"]!.GetValue<string>();
        source = source.Replace("\r\n", "\n", StringComparison.Ordinal).Trim('\n');
        var kernel = cell["cell_type"]!.GetValue<string>() switch
        {
            "code" => (cell["metadata"]?["polyglot_notebook"]?["kernelName"] ?? cell["metadata"]?["dotnet_interactive"]?["language"])?.GetValue<string>() ?? KernelNames.CSharp,
            _ => KernelNames.Markdown,
        };
        return source.Length == 0 ? null : new(kernel, source, 0);
    }
}
