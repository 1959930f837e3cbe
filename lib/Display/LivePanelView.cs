using System.Globalization;
using System.Text;
using NotebookLib.Html;
using NotebookLib.Platform;

namespace NotebookLib.Display;

/// <summary>One picture of a run that goes on.</summary>
internal sealed class LivePanelView : HtmlView
{
    private const int RowsShown = 12;
    private const string Style = ".nl-panel{border:1px solid var(--nl-line);border-radius:8px;padding:.7em 1em}"
        + ".nl-progress{height:.8em;border-radius:.4em;background:var(--nl-tint);border:1px solid var(--nl-line);overflow:hidden;margin:.45em 0 "
            + ".55em}.nl-progress>div{height:100%;background:var(--nl-blue)}"
        + ".nl-progress.nl-done>div{background:var(--nl-green)}.nl-progress.nl-failed>div{background:var(--nl-red)}"
        + ".nl-head{display:flex;justify-content:space-between;gap:1em;flex-wrap:wrap}.nl-numbers{display:flex;flex-wrap:wrap;gap:.25em 1.8em}"
        + ".nl-numbers span>b{font-weight:600;font-variant-numeric:tabular-nums}.nl-numbers span{opacity:.95}.nl-numbers "
            + "i{font-style:normal;opacity:.7;margin-right:.4em}.nl-panel svg{display:block;width:100%;height:64px;margin:.5em 0 .2em}";

    private readonly TableView? _evaluations;
    private readonly List<(string Name, string Value)> _numbers;
    private readonly string _head;
    private readonly string _status;
    private readonly double _share;
    private readonly PanelPhase _phase;
    private readonly string _sparkline;
    private readonly string[] _notices;
    private readonly string[] _news;

    internal LivePanelView(PanelState state, TimeSpan elapsed, long memoryBytes)
    {
        var (summary, step) = (state.Summary, state.LastStep);
        _phase = state.Phase;
        _share = state.Share;
        _head = (state.Title.Length > 0 ? state.Title + ": update " : "Update ") + Invariant($"{state.Update:N0} of {summary.Updates:N0}")
            + (state.Epoch is { } epoch ? Invariant($", epoch {epoch:0.00}") : "");
        _status = state.Phase == PanelPhase.Running ? "training" : state.EndText;
        _numbers =
        [
            ("elapsed", NumberText.Duration(elapsed.TotalSeconds)),
            .. state.Phase == PanelPhase.Running ? [("left, evaluations included", LeftNow(state, elapsed))] : Array.Empty<(string, string)>(),
            .. step is null ? Array.Empty<(string, string)>() :
            [
                ("loss", NumberText.Score(step.Loss)), ("learning rate", NumberText.Rate(step.LearningRate)),
                ("tokens/s", NumberText.Whole(step.TokensPerSecond)),
                ("gradient norm", step.GradientNorm.ToString("0.00", CultureInfo.InvariantCulture)),
            ],
            ("memory", NumberText.Gigabytes(memoryBytes)),
            .. PanelLines.OnDevice(step) is { Length: > 0 } device ? [("GPU", device)] : Array.Empty<(string, string)>(),
        ];
        _sparkline = Sparkline.Of(state.Steps, state.Evaluations, summary.Updates);
        _evaluations = EvaluationTable(state);
        _notices = [.. state.Notices.TakeLast(3)];
        var title = state.Title.Length > 0 ? state.Title + ": " : "";
        _news = [title + PanelLines.Start(summary), .. state.Notices, .. state.Evaluations.Select(evaluation => title + PanelLines.Evaluation(evaluation))];
    }

    /// <summary>The metrics that a row shows, those that the run has.</summary>
    internal static IReadOnlyList<(string Key, string Name, string Format)> Metrics { get; } =
        [("loss", "loss", "0.0000"), ("precision", "precision", "0.000"), ("recall", "recall", "0.000"), ("f1", "F1", "0.000"),
            ("accuracy", "accuracy", "0.0000")];

    /// <inheritdoc />
    public override string ToHtml()
    {
        var css = _phase switch { PanelPhase.Ended => "nl-progress nl-done", PanelPhase.Failed => "nl-progress nl-failed", _ => "nl-progress" };
        var percent = Markup.Number(_share * 100);
        var html = new StringBuilder($"<div class=\"nl-head\"><b>{Markup.Escape(_head)}</b><span>{Markup.Escape(_status)}</span></div>")
            .Append($"<div class=\"{css}\" role=\"progressbar\" aria-valuenow=\"{percent}\" aria-valuemin=\"0\" aria-valuemax=\"100\"><div "
                + $"style=\"width:{percent}%\"></div></div><div class=\"nl-numbers\">");
        foreach (var (name, value) in _numbers)
        {
            html.Append($"<span><i>{Markup.Escape(name)}</i><b>{Markup.Escape(value)}</b></span>");
        }

        html.Append("</div>").Append(_sparkline);
        foreach (var notice in _notices)
        {
            html.Append($"<div class=\"nl-warning\">⚠ {Markup.Escape(notice)}</div>");
        }

        return Markup.Fragment("nl-panel", html.Append(_evaluations?.Body() ?? "").ToString(), Style);
    }

    /// <inheritdoc />
    public override string ToText()
    {
        // Lines that begin so are news, which a terminal prints once; the last line is what a host shows as progress.
        string[] lines =
        [
            .. _news.Select(line => HostContract.NewsMark + line), .. _notices.Select(notice => "! " + notice),
            _status == "training" ? _head : $"{_head} · {_status}",
            string.Join(" · ", _numbers.Select(number => $"{number.Name} {number.Value}")),
        ];
        return string.Join('\n', lines);
    }

    // Between two logs the time left goes down with the clock.
    private static string LeftNow(PanelState state, TimeSpan elapsed)
    {
        var sinceStep = state.Steps.Count == 0 || (state.Evaluations is [.., var last] && last.Update >= state.Update)
            ? 0 : elapsed.TotalSeconds - state.ElapsedAtLastStep;
        return PanelLines.Left(state.SecondsLeft() - Math.Max(0, sinceStep));
    }

    private static TableView? EvaluationTable(PanelState state)
    {
        if (state.Evaluations.Count == 0)
        {
            return null;
        }

        var best = state.Best;
        var metrics = Metrics.Where(metric => state.Evaluations[^1].Metrics.ContainsKey(metric.Key)).ToList();
        var rows = state.Evaluations.Where((evaluation, i) => i >= state.Evaluations.Count - RowsShown || evaluation == best).Select(evaluation => new Row(
            [
                (evaluation == best ? "★ " : "") + NumberText.Count(evaluation.Update),
                evaluation.Epoch.ToString("0.00", CultureInfo.InvariantCulture),
                .. metrics.Select(metric => (Cell)evaluation.Metrics[metric.Key].ToString(metric.Format, CultureInfo.InvariantCulture)),
                NumberText.Duration(evaluation.ElapsedSeconds),
            ],
            evaluation == best ? Mark.Best : Mark.None)).ToList();
        var hidden = state.Evaluations.Count - rows.Count;
        return new(
            "Evaluations",
            [new("update", true), new("epoch", true), .. metrics.Select(metric => new Column(metric.Name, true)), new("took", true)],
            rows,
            note: hidden == 0 ? "" : $"{hidden} earlier evaluations are not shown; the history holds them all.");
    }
}
