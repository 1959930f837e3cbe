using System.Globalization;
using System.Net;
using System.Text;
using NotebookLib.Platform;
using NotebookRunner.Pages;
using NotebookRunner.Running;

namespace NotebookRunner.Sweeps;

/// <summary>All runs of a sweep side by side on one offline page, each with a link to its own.</summary>
internal static class SweepPage
{
    /// <summary>Renders the comparison as far as the sweep has come.</summary>
    public static string Render(SweepOptions options, IReadOnlyList<SweepResult> results)
    {
        var name = Path.GetFileNameWithoutExtension(options.NotebookPath);
        var html = new StringBuilder();
        html.Append(PageFrame.Head($"Sweep of {name}", "")).Append("<body class=\"single\">\n<main>\n");
        AppendBar(html, options, results);
        html.Append($"<section class=\"cell prose\"><h1>Sweep of {Escape(name)}</h1><p>{Escape(Promise(options, results))}</p></section>\n");
        AppendMeans(html, options, results);
        AppendRuns(html, options, results);
        return html.Append($"</main>\n<script>\n{PageAssets.Script}</script>\n</body>\n</html>\n").ToString();
    }

    private static void AppendBar(StringBuilder html, SweepOptions options, IReadOnlyList<SweepResult> results)
    {
        var failed = results.Count(result => result.Status is not (RunStatus.Ok or RunStatus.NotRun));
        var done = results.Count(result => result.Status is RunStatus.Ok);
        var (word, css) = failed > 0 ? ($"{failed} failed", "failed") : done == results.Count ? ("ok", "ok") : ("not finished", "running");
        html.Append($"<header class=\"run-bar\"><div class=\"facts\"><span class=\"file\">{Escape(Path.GetFileName(options.NotebookPath))}</span><span "
            + $"class=\"pill {css}\">{word}</span>")
            .Append($"<span>{done} of {results.Count} runs</span><span>{NumberText.InWords(results.Sum(result => result.Seconds))} of work</span></div>")
            .Append(PageFrame.ThemeButton).Append("</header>\n");
    }

    private static string Promise(SweepOptions options, IReadOnlyList<SweepResult> results)
    {
        var axes = string.Join(" × ", options.Grid.Axes.Select(axis => $"{axis.Value.Count} values of {axis.Key}"));
        var shared = options.Fixed.Count == 0 ? "" : $" All share {string.Join(", ", options.Fixed.Select(value => $"{value.Key}={value.Value}"))}.";
        return $"{axes}, {results.Count} runs.{shared} The best value of each score is marked.";
    }

    private static void AppendMeans(StringBuilder html, SweepOptions options, IReadOnlyList<SweepResult> results)
    {
        var groups = SweepScores.OverSeeds(options.Grid, results);
        if (groups.Count == 0)
        {
            return;
        }

        var scores = SweepScores.Names(results);
        html.Append("<section class=\"cell\"><h2>Mean and deviation over seeds</h2><div class=\"scroll\"><table class=\"comparison\"><thead><tr>")
            .Append(string.Concat(groups[0].Values.Select(value => $"<th>{Escape(value.Key)}</th>"))).Append("<th class=\"number\">runs</th>")
            .Append(string.Concat(scores.Select(score => $"<th class=\"number\">{Escape(score)}</th>"))).Append("</tr></thead><tbody>\n");
        foreach (var group in groups)
        {
            html.Append("<tr>").Append(string.Concat(group.Values.Select(value => $"<td>{Escape(value.Value)}</td>")))
                .Append($"<td class=\"number\">{group.Runs.Count}</td>")
                .Append(string.Concat(scores.Select(score => $"<td class=\"number\">{SpreadHtml(group.Spread(score))}</td>"))).Append("</tr>\n");
        }

        html.Append("</tbody></table></div></section>\n");
    }

    private static string SpreadHtml(ScoreSpread? spread) => spread switch
    {
        null => "",
        { Count: 1 } => NumberText.Short(spread.Mean),
        _ => $"{NumberText.Short(spread.Mean)} <span class=\"quiet\">± {NumberText.Short(spread.Deviation)}</span>",
    };

    private static void AppendRuns(StringBuilder html, SweepOptions options, IReadOnlyList<SweepResult> results)
    {
        var scores = SweepScores.Names(results);
        var best = scores.ToDictionary(score => score, score => SweepScores.Best(results, score));
        html.Append("<section class=\"cell\"><h2>Every run</h2><div class=\"scroll\"><table class=\"comparison\"><thead><tr>")
            .Append(string.Concat(options.Grid.Axes.Select(axis => $"<th>{Escape(axis.Key)}</th>"))).Append("<th>outcome</th><th class=\"number\">time</th>")
            .Append(string.Concat(scores.Select(score => $"<th class=\"number\">{Escape(score)}</th>"))).Append("<th></th></tr></thead><tbody>\n");
        foreach (var result in results)
        {
            html.Append("<tr>").Append(string.Concat(result.Point.Values.Select(value => $"<td>{Escape(value.Value)}</td>"))).Append(OutcomeHtml(result))
                .Append(string.Concat(scores.Select(score => ScoreHtml(result, score, best[score])))).Append($"<td>{LinkHtml(options, result)}</td></tr>\n");
        }

        html.Append("</tbody></table></div></section>\n");
    }

    private static string OutcomeHtml(SweepResult result)
    {
        var (word, css) = result.Status switch
        {
            RunStatus.Ok => ("ok", "ok"),
            RunStatus.NotRun or RunStatus.Running => ("waiting", "quiet"),
            RunStatus.Interrupted => ("interrupted", "failed-word"),
            RunStatus.TimedOut => ("timed out", "failed-word"),
            _ => ("failed", "failed-word"),
        };
        var problem = result.Problem.Length == 0 ? "" : $"<br><span class=\"quiet\">{Escape(result.Problem)}</span>";
        var time = result.Status is RunStatus.NotRun ? "" : NumberText.InWords(result.Seconds);
        return $"<td><span class=\"{css}\">{word}</span>{(result.IsKept ? " <span class=\"quiet\">kept</span>" : "")}{problem}</td><td "
            + $"class=\"number\">{time}</td>";
    }

    private static string ScoreHtml(SweepResult result, string score, double? best) => result.Scores.TryGetValue(score, out var value)
        ? $"<td class=\"number{(value == best ? " best" : "")}\" title=\"{value.ToString("R", CultureInfo.InvariantCulture)}\">{NumberText.Short(value)}</td>"
        : "<td></td>";

    private static string LinkHtml(SweepOptions options, SweepResult result) => result.Status is RunStatus.NotRun
        ? ""
        : $"<a href=\"{Escape(Uri.EscapeDataString(result.Point.FolderName))}/"
            + $"{Escape(Uri.EscapeDataString(Path.GetFileNameWithoutExtension(options.NotebookPath)))}.html\">page</a>";

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}
