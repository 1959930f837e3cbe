namespace NotebookLib.Tracking;

/// <summary>A table of a run, logged as W&amp;B's table: a file in the run and an artifact of type run_table.</summary>
/// <param name="Columns">The columns' names.</param>
/// <param name="Rows">The rows; each as long as <paramref name="Columns"/>.</param>
public sealed record TrackedTable(IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<object?>> Rows);

/// <summary>A Plotly chart, logged as W&amp;B's plotly-file.</summary>
/// <param name="Json">The figure: an object with "data" and "layout".</param>
public sealed record PlotlyFigure(string Json);
