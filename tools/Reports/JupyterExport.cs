using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookRunner.Documents;
using NotebookRunner.Pages;
using NotebookRunner.Parameters;
using NotebookRunner.Running;

namespace NotebookRunner.Reports;

/// <summary>A notebook with its outputs as .ipynb, nbformat 4.5, with the metadata that Polyglot writes.</summary>
internal static class JupyterExport
{
    // Jupyter's own files escape nothing but what JSON asks for.
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, IndentSize = 1, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The JSON of a run, in whatever state it is.</summary>
    public static string ToJson(RunState run)
    {
        var executed = 0;
        var isPlotlyIn = false;
        var cells = run.Cells.Select(cell => CellOf(cell, run, ref executed, ref isPlotlyIn));
        return Document(cells);
    }

    /// <summary>The JSON of a notebook that has not run.</summary>
    public static string ToJson(Notebook notebook) => Document(notebook.Cells.Select((cell, index) => new JsonObject
    {
        ["cell_type"] = cell.IsMarkdown ? "markdown" : "code",
        ["id"] = CellNames.Id(index + 1, cell),
    }.Filled(cell, cell.Source, [])));

    private static string Document(IEnumerable<JsonNode> cells) => new JsonObject
    {
        ["cells"] = new JsonArray([.. cells]),
        ["metadata"] = new JsonObject
        {
            ["kernelspec"] = new JsonObject { ["display_name"] = ".NET (C#)", ["language"] = "C#", ["name"] = ".net-csharp" },
            ["language_info"] = new JsonObject { ["name"] = "polyglot-notebook", ["file_extension"] = ".cs", ["mimetype"] = "text/x-csharp", ["pygments_lexer"] = "csharp" },
            ["polyglot_notebook"] = new JsonObject
            {
                ["kernelInfo"] = new JsonObject
                {
                    ["defaultKernelName"] = "csharp",
                    ["items"] = new JsonArray(new JsonObject { ["aliases"] = new JsonArray(), ["languageName"] = "csharp", ["name"] = "csharp" }),
                },
            },
        },
        ["nbformat"] = 4,
        ["nbformat_minor"] = 5,
    }.ToJsonString(Indented) + "\n";

    private static JsonObject CellOf(CellState cell, RunState run, ref int executed, ref bool isPlotlyIn)
    {
        var json = new JsonObject { ["cell_type"] = cell.Cell.IsMarkdown ? "markdown" : "code", ["id"] = cell.Id };
        var isExecuted = !cell.Cell.IsMarkdown && cell.Status is not RunStatus.NotRun;
        executed += isExecuted ? 1 : 0;
        var outputs = new List<JsonNode>();
        foreach (var output in cell.Outputs.All)
        {
            outputs.Add(OutputOf(output, executed, ref isPlotlyIn));
        }

        if (cell.Error is { } error)
        {
            outputs.Add(new JsonObject
            {
                ["output_type"] = "error",
                ["ename"] = error.Name,
                ["evalue"] = error.Message,
                ["traceback"] = Lines($"{error.Name}: {error.Message}\n{error.Details}", keepEnds: false),
            });
        }

        json.Filled(cell.Cell, cell.Source, outputs);
        if (isExecuted)
        {
            json["execution_count"] = executed;
            json["metadata"]!["notebook_runner"] = new JsonObject { ["seconds"] = Math.Round(cell.Seconds, 3), ["status"] = cell.Status.ToString() };
        }

        return json;
    }

    private static JsonObject Filled(this JsonObject json, NotebookCell cell, string source, List<JsonNode> outputs)
    {
        var metadata = new JsonObject
        {
            ["dotnet_interactive"] = new JsonObject { ["language"] = cell.Kernel },
            ["polyglot_notebook"] = new JsonObject { ["kernelName"] = cell.Kernel },
        };
        json["metadata"] = cell.IsMarkdown ? new JsonObject() : metadata;
        json["source"] = Lines(source, keepEnds: true);
        if (!cell.IsMarkdown)
        {
            if (ParameterCell.IsMarked(cell))
            {
                metadata["tags"] = new JsonArray("parameters");
            }

            json["execution_count"] = null;
            json["outputs"] = new JsonArray([.. outputs]);
        }

        return json;
    }

    private static JsonObject OutputOf(CellOutput output, int executed, ref bool isPlotlyIn)
    {
        if (output is StreamOutput stream)
        {
            return new() { ["output_type"] = "stream", ["name"] = stream.Name, ["text"] = Lines(stream.Text, keepEnds: true) };
        }

        var display = (DisplayOutput)output;
        var needsPlotly = !isPlotlyIn && OutputView.NeedsPlotly(output);
        isPlotlyIn |= needsPlotly;
        var data = new JsonObject();
        foreach (var (mimeType, content) in display.Data)
        {
            // The first chart brings plotly.js for all of them.
            var whole = needsPlotly && mimeType == "text/html" ? PlotlyScript.Element + "\n" + content : content;
            data[mimeType] = Lines(whole, keepEnds: true);
        }

        var json = new JsonObject { ["output_type"] = display.IsResult ? "execute_result" : "display_data", ["data"] = data, ["metadata"] = new JsonObject() };
        if (display.IsResult)
        {
            json["execution_count"] = executed;
        }

        return json;
    }

    private static JsonArray Lines(string text, bool keepEnds)
    {
        var lines = text.Split('\n');
        var array = new JsonArray();
        for (var i = 0; i < lines.Length; i++)
        {
            var isLast = i == lines.Length - 1;
            if (!isLast || lines[i].Length > 0)
            {
                array.Add((JsonNode)(keepEnds && !isLast ? lines[i] + "\n" : lines[i]));
            }
        }

        return array;
    }
}
