using Microsoft.DotNet.Interactive.Documents;
using Microsoft.DotNet.Interactive.Documents.Jupyter;
using NotebookRunner.Documents;
using NotebookRunner.Pages;
using NotebookRunner.Parameters;
using NotebookRunner.Running;
using Notebook = NotebookRunner.Documents.Notebook;

namespace NotebookRunner.Reports;

/// <summary>A notebook with its outputs as .ipynb, nbformat 4.5, written by Polyglot's own writer.</summary>
internal static class JupyterExport
{
    /// <summary>The JSON of a run, in whatever state it is.</summary>
    public static string ToJson(RunState run)
    {
        var document = new InteractiveDocument();
        var executed = 0;
        var isPlotlyIn = false;
        foreach (var cell in run.Cells)
        {
            var element = ElementOf(cell.Number, cell.Cell, cell.Source);
            document.Add(element);
            if (cell.Cell.IsMarkdown || cell.Status is RunStatus.NotRun)
            {
                continue;
            }

            element.ExecutionOrder = ++executed;
            element.Metadata!["notebook_runner"] =
                new Dictionary<string, object> { ["seconds"] = Math.Round(cell.Seconds, 3), ["status"] = cell.Status.ToString() };
            foreach (var output in cell.Outputs.All)
            {
                element.Outputs.Add(OutputOf(output, executed, ref isPlotlyIn));
            }

            if (cell.Error is { } error)
            {
                element.Outputs.Add(
                    new ErrorElement(error.Message, error.Name,
                    $"{error.Name}: {error.Message}\n{error.Details}".Split('\n', StringSplitOptions.RemoveEmptyEntries)));
            }
        }

        return Json(document);
    }

    /// <summary>The JSON of a notebook that has not run.</summary>
    public static string ToJson(Notebook notebook) =>
        Json(new InteractiveDocument([.. notebook.Cells.Select((cell, index) => ElementOf(index + 1, cell, cell.Source))]));

    private static string Json(InteractiveDocument document) => document.ToJupyterJson("C#") + "\n";

    private static InteractiveDocumentElement ElementOf(int number, NotebookCell cell, string source) => new(source, cell.Kernel)
    {
        Id = CellNames.Id(number, cell),
        Metadata = ParameterCell.IsMarked(cell) ? new Dictionary<string, object> { ["tags"] = new[] { "parameters" } } : new Dictionary<string, object>(),
    };

    private static InteractiveDocumentOutputElement OutputOf(CellOutput output, int executed, ref bool isPlotlyIn)
    {
        if (output is StreamOutput stream)
        {
            return new TextElement(stream.Text, stream.Name);
        }

        var display = (DisplayOutput)output;
        var needsPlotly = !isPlotlyIn && OutputView.NeedsPlotly(output);
        isPlotlyIn |= needsPlotly;
        // The first chart brings plotly.js for all of them.
        var data = display.Data.ToDictionary(pair => pair.Key,
            pair => (object)(needsPlotly && pair.Key == "text/html" ? PagePlotly.Element + "\n" + pair.Value : pair.Value));
        if (!display.IsResult)
        {
            return new DisplayElement(data);
        }

        var result = new ReturnValueElement { ExecutionOrder = executed };
        foreach (var (mimeType, content) in data)
        {
            result.Data[mimeType] = content;
        }

        return result;
    }
}
