extern alias runner;

using runner::NotebookRunner.Documents;
using runner::NotebookRunner.Parameters;
using runner::NotebookRunner.Running;

namespace NotebookLib.Tests.Runner;

/// <summary>A run with one of everything, most of it hostile, without running anything.</summary>
internal static class SampleRun
{
    public const string ChartHtml = "<div class=\"nl-chart\" id=\"x\"></div><script>Plotly.react('x', [])</script>";

    public static RunState Create(bool withChart = false)
    {
        NotebookCell[] cells =
        [
            new("markdown", "# A <i>title</i> & more\n\n<script>alert(1)</script> [bad](javascript:alert(1)) [good](https://example.org) "
                + "![far](http://example.org/a.png)", 3),
            new("csharp", "// parameters\nvar name = \"a\"; // who, <b>", 9),
            new("markdown", "## Part\n\ntext\n\n## Part\n\n| a |\n|---|\n| 1 |", 14),
            new("csharp", "var text = \"\"\"\n  <raw> & line\n  \"\"\";\nthrow new Exception(text); /* over\ntwo lines */", 22),
            new("csharp", "never(1 < 2)", 30),
        ];
        var names = CellNames.Of(cells);
        var parameters = ParameterCell.Find(cells)!;
        var run = new RunState
        {
            NotebookName = "n<1>.dib",
            NotebookPath = "n<1>.dib",
            NotebookHash = "0123",
            Started = new DateTimeOffset(2026, 5, 4, 12, 30, 0, TimeSpan.Zero),
            Parameters = parameters.Valued(new Dictionary<string, string> { ["name"] = "<v>" }),
            Cells = [.. cells.Select((cell, i) => new CellState(i + 1, names[i], cell, cell.Source))],
            Status = RunStatus.Failed,
            Seconds = 75,
        };
        run.Versions["NotebookLib"] = "1.0.0+abc";
        FillFirst(run.Cells[1], withChart);
        run.Cells[3].Status = RunStatus.Failed;
        run.Cells[3].Seconds = 1.5;
        run.Cells[3].Error = new("System.Exception", "<raw> & line", 4, "   at top level in cell 4, line 4 <x>");
        return run;
    }

    private static void FillFirst(CellState cell, bool withChart)
    {
        cell.Status = RunStatus.Ok;
        cell.Seconds = 0.25;
        cell.Outputs.Append(new("stdout", "plain <b> \u001b[1;31mred\u001b[0m\n"));
        cell.Outputs.Add(new("d1", new() { ["text/html"] = "<style>.x{color:red}</style><p class=\"x\">first</p>", ["text/plain"] = "first" }, false));
        cell.Outputs.Add(new(null, new() { ["text/html"] = "<style>.x{color:red}</style><p class=\"x\">second</p>" }, false));
        cell.Outputs.Append(new("stderr", "warning\n"));
        cell.Outputs.Add(new(null, new() { ["image/png"] = "iVBORw0KGgo=" }, false));
        if (withChart)
        {
            cell.Outputs.Add(new(null, new() { ["text/html"] = ChartHtml }, false));
            cell.Outputs.Add(new(null, new() { ["text/html"] = ChartHtml }, false));
        }

        cell.Outputs.Add(new(null, new() { ["text/plain"] = "1 < 2" }, true));
    }
}
