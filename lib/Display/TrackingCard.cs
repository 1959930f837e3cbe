using System.Globalization;
using NotebookLib.Charts;
using NotebookLib.Html;
using NotebookLib.Tracking;
using static NotebookLib.Platform.NumberText;

namespace NotebookLib.Display;

/// <summary>What a notebook shows of a run's tracking, and what of a notebook's views goes into the run.</summary>
public static class TrackingCard
{
    /// <summary>The card of a run: name, mode, link or folder, rows kept and sent.</summary>
    /// <param name="run">The run; the card shows it as it is now.</param>
    public static CardView Card(this TrackedRun run)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Create(run.Status());
    }

    /// <inheritdoc cref="Card"/>
    /// <param name="status">How the tracking stands.</param>
    internal static CardView Create(TrackingStatus status)
    {
        if (status.Mode is TrackingMode.Disabled)
        {
            return new("Tracking", [new("mode", "disabled", "nothing is kept or sent")]);
        }

        List<Fact> facts = [new("run", status.RunName, status.RunName == status.RunId ? "" : status.RunId), new("mode", Word(status.Mode), Meaning(status))];
        facts.AddRange(status.Link is { } link ? [new Fact("page", link, Link: link)] : []);
        facts.AddRange([
            new("rows", $"{Count(status.RowsKept)} kept, {Count(status.RowsSent)} sent"),
            new("folder", status.Folder ?? ""),
        ]);
        return new("Tracking", facts) { Warnings = status.Remark is { } remark ? [remark] : [] };
    }

    /// <summary>Logs a chart of the notebook as an interactive chart of the run; one that has nothing to show is left out.</summary>
    /// <param name="run">The run.</param>
    /// <param name="key">Its key, for example <c>charts/loss</c>.</param>
    /// <param name="chart">The chart.</param>
    public static void LogChart(this TrackedRun run, string key, Chart chart)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(chart);
        if (!chart.IsEmpty)
        {
            run.Log(new Dictionary<string, object?> { [key] = new PlotlyFigure(chart.FigureJson) });
        }
    }

    /// <summary>Logs a table of the notebook as a table of the run; columns of numbers stay numbers.</summary>
    /// <param name="run">The run.</param>
    /// <param name="key">Its key, for example <c>test/types</c>.</param>
    /// <param name="table">The table.</param>
    public static void LogTable(this TrackedRun run, string key, TableView table)
    {
        ArgumentNullException.ThrowIfNull(run);
        ArgumentNullException.ThrowIfNull(table);
        var rows = table.Rows.Select(row => (IReadOnlyList<object?>)[.. row.Cells.Zip(table.Columns, (cell, column) => ValueOf(cell.Text, column))]);
        run.Log(new Dictionary<string, object?> { [key] = new TrackedTable([.. table.Columns.Select(column => column.Header)], [.. rows]) });
    }

    private static object? ValueOf(string text, Column column) =>
        column.IsNumber && double.TryParse(text, NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture, out var number)
            ? number : text;

    private static string Word(TrackingMode mode) => mode is TrackingMode.Online ? "online" : "offline";

    private static string Meaning(TrackingStatus status) => (status.Mode, status.Link) switch
    {
        (TrackingMode.Offline, _) => "rows are kept in the folder; `sync FOLDER` of the runner uploads them",
        (_, null) => "the server has not answered yet; rows are kept in the folder meanwhile",
        _ => "rows go to the folder first and from there to the server",
    };
}
