using System.Globalization;
using System.Net;
using System.Text;
using NotebookLib.Platform;
using NotebookRunner.Running;

namespace NotebookRunner.Pages;

/// <summary>A run as one HTML file that needs nothing else: styles, scripts, pictures and, when there are charts, plotly.js are inside.</summary>
internal sealed class HtmlPage
{
    private const int MostOpenParameters = 12;

    private readonly RunState _run;
    private readonly MarkdownView _markdown;
    private readonly OutputView _outputs;
    private readonly StringBuilder _html = new();

    private HtmlPage(RunState run, string notebookFolder)
    {
        _run = run;
        _markdown = new(notebookFolder);
        _outputs = new(new MarkdownView(notebookFolder).ToHtml);
    }

    /// <summary>Renders a run in whatever state it is.</summary>
    /// <param name="run">The run.</param>
    /// <param name="notebookFolder">Where relative pictures in Markdown are found.</param>
    public static string Render(RunState run, string notebookFolder) => new HtmlPage(run, notebookFolder).Render();

    private string Render()
    {
        var cells = string.Concat(_run.Cells.Select(CellHtml));
        var title = _markdown.Headings.FirstOrDefault(heading => heading.Level == 1)?.Text ?? _run.NotebookName;
        var needsPlotly = _run.Cells.SelectMany(cell => cell.Outputs.All).Any(OutputView.NeedsPlotly);
        _html.Append(PageFrame.Head(_run.About.Length > 0 ? $"{title} · {_run.About}" : title, needsPlotly ? PagePlotly.Element ?? "" : ""))
            .Append("<body>\n");
        AppendContents("<nav class=\"contents\" aria-label=\"Contents\"><p class=\"caption\">Contents</p>", "</nav>");
        _html.Append("<main>\n");
        AppendRunBar();
        AppendFailure();
        AppendScores();
        AppendParameters();
        // A narrow screen has no room beside the text: there the contents are folded, below the scores.
        AppendContents("<details class=\"contents-folded\"><summary>Contents</summary>", "</details>");
        _html.Append(cells);
        AppendColophon();
        _html.Append($"</main>\n<script>\n{PageAssets.Script}</script>\n</body>\n</html>\n");
        return _html.ToString();
    }

    private void AppendContents(string before, string after)
    {
        _html.Append($"{before}<ol>\n");
        foreach (var heading in _markdown.Headings.Where(heading => heading.Level <= 3))
        {
            _html.Append($"<li class=\"level-{heading.Level}\"><a href=\"#{Escape(heading.Id)}\">{Escape(heading.Text)}</a></li>\n");
        }

        _html.Append($"</ol>{after}\n");
    }

    private void AppendRunBar()
    {
        var (word, css) = Words(_run.Status);
        var done = _run.CodeCells.Count(cell => cell.Status is not (RunStatus.NotRun or RunStatus.Running));
        _html.Append("<header class=\"run-bar\"><div class=\"facts\">")
            .Append($"<span class=\"file\">{Escape(_run.NotebookName)}</span><span class=\"pill {css}\">{word}</span>")
            .Append($"<span>{done} of {_run.CodeCells.Count} code cells</span><span>{NumberText.InWords(_run.Seconds)}</span>")
            .Append($"<time datetime=\"{_run.Started:O}\">{_run.Started.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture)}</time></div>")
            .Append("<div class=\"buttons\"><button type=\"button\" id=\"toggle-code\" aria-pressed=\"false\">Show code</button>")
            .Append(PageFrame.ThemeButton).Append("</div></header>\n");
    }

    private void AppendFailure()
    {
        if (_run.CodeCells.FirstOrDefault(cell => cell.Error is not null) is { } failed)
        {
            _html.Append($"<p class=\"failure\">Stopped at <a href=\"#{failed.Id}\">cell {failed.Number}, {Escape(failed.Name)}</a>")
                .Append(failed.Error!.Line > 0 ? $", line {failed.Error.Line}" : "").Append($": {Escape(failed.Error.Message)}</p>\n");
        }
    }

    private void AppendScores()
    {
        // What a title promises and what was run may be two things: model and data stand over the scores.
        _html.Append(_run.About.Length > 0 ? $"<p class=\"about\">{Escape(_run.About)}</p>\n" : "");
        if (_run.Scores.Count > 0)
        {
            _html.Append("<div class=\"score-groups\">\n");
            foreach (var (title, scores) in _run.GroupedScores)
            {
                var entries = scores.Select(score => $"<div><dt>{Escape(score.Name)}</dt><dd>{NumberText.Short(score.Value)}</dd></div>");
                _html.Append(title.Length > 0 ? $"<p class=\"counted\">{Escape(title)}</p>" : "")
                    .Append($"<dl class=\"scores\">{string.Concat(entries)}</dl>\n");
            }

            _html.Append("</div>\n");
        }
    }

    private void AppendParameters()
    {
        if (_run.Parameters.Count == 0)
        {
            return;
        }

        // A long list is folded: what was set for this run stands in the line that is always seen.
        var set = _run.Parameters.Where(value => value.IsSet).Select(value => $"{value.Parameter.Name} = {value.Literal}").ToList();
        _html.Append($"<details class=\"parameters\"{(_run.Parameters.Count > MostOpenParameters ? "" : " open")}><summary>Parameters <span "
            + $"class=\"quiet\">{Escape(set.Count == 0 ? "all as in the notebook" : string.Join(", ", set))}</span></summary>")
            .Append("<div class=\"scroll\"><table><thead><tr><th>Name</th><th>Value</th><th>Type</th><th>Meaning</th></tr></thead><tbody>\n");
        foreach (var (parameter, literal, usual, isSet) in _run.Parameters)
        {
            var was = isSet && literal != usual ? $" <span class=\"quiet\">was {Escape(usual)}</span>" : "";
            _html.Append($"<tr{(isSet ? " class=\"set\"" : "")}><td><code>{Escape(parameter.Name)}</code></td><td><code>{Escape(literal)}</code>{was}</td>")
                .Append($"<td>{Escape(parameter.TypeName)}</td><td>{Escape(parameter.Doc)}</td></tr>\n");
        }

        _html.Append("</tbody></table></div></details>\n");
    }

    private string CellHtml(CellState cell)
    {
        if (cell.Cell.IsMarkdown)
        {
            return $"<section class=\"cell prose\" id=\"{cell.Id}\">\n{_markdown.ToHtml(cell.Source)}</section>\n";
        }

        var (word, css) = Words(cell.Status);
        var time = cell.Status is RunStatus.NotRun ? word : NumberText.InWords(cell.Seconds) + (cell.Status is RunStatus.Ok ? "" : $" · {word}");
        var outputs = string.Concat(cell.Outputs.All.Select(output => _outputs.ToHtml(output) + "\n"));
        var error = cell.Error is null ? "" : OutputView.ToHtml(cell.Error, cell, _run.NotebookName) + "\n";
        return $"<section class=\"cell code {css}\" id=\"{cell.Id}\">\n"
            + $"<details class=\"source\"{(cell.Error is null ? "" : " open")}><summary><span class=\"number\">{cell.Number}</span>"
            + $"<code class=\"first-line\">{CodeView.ToHtml(FirstCodeLine(cell.Source))}</code><span class=\"time\">{time}</span></summary>"
            + $"<pre class=\"listing\"><code>{Numbered(CodeView.ToHtml(cell.Source), cell.Error?.Line ?? 0)}</code></pre></details>\n"
            + (outputs.Length + error.Length == 0 ? "" : $"<div class=\"outputs\">\n{outputs}{error}</div>\n") + "</section>\n";
    }

    private void AppendColophon()
    {
        var versions = string.Join(" · ", _run.Versions.Select(version => $"{Escape(version.Key)} {Escape(version.Value.Split('+')[0])}"));
        _html.Append($"<footer class=\"colophon\">{versions}</footer>\n");
    }

    /// <summary>The first line that says something: neither a reference nor a using nor a comment, if there is one; an empty cell has none at all.</summary>
    private static string FirstCodeLine(string source)
    {
        var lines = source.Split('\n').Where(line => line.Trim().Length > 0).ToList();
        return (lines.FirstOrDefault(line =>
            !(line.StartsWith('#') || line.StartsWith("using ", StringComparison.Ordinal) || line.StartsWith("//", StringComparison.Ordinal)))
                ?? lines.FirstOrDefault() ?? "").Trim();
    }

    /// <summary>
    /// Wraps each line, so that a style can number it; the faulty one is marked. No span of <see cref="CodeView"/> but comments and raw strings crosses lines.
    /// </summary>
    private static string Numbered(string html, int faultyLine)
    {
        var lines = LineSpans.Close(html);
        return string.Concat(lines.Select((line, index) => $"<span class=\"line{(index + 1 == faultyLine ? " faulty" : "")}\">{line}\n</span>"));
    }

    private static (string Word, string Css) Words(RunStatus status) => status switch
    {
        RunStatus.NotRun => ("not run", "not-run"),
        RunStatus.Running => ("running", "running"),
        RunStatus.Ok => ("ok", "ok"),
        RunStatus.Failed => ("failed", "failed"),
        RunStatus.TimedOut => ("timed out", "failed"),
        RunStatus.Interrupted => ("interrupted", "interrupted"),
        _ => throw new ArgumentOutOfRangeException(nameof(status), status, "an unknown status"),
    };

    private static string Escape(string text) => WebUtility.HtmlEncode(text);
}
