using System.Globalization;
using System.Text;
using NotebookLib.Data;
using NotebookLib.Html;
using NotebookLib.Inference;
using NotebookLib.Metrics;
using static NotebookLib.Platform.NumberText;

namespace NotebookLib.Display;

/// <summary>What went wrong: the kinds of error, entities seen and never seen in training, and the worst sentences in colour, gold over predicted.</summary>
/// <param name="analysis">The counts.</param>
/// <param name="labels">Names the tags and gives each type its colour.</param>
public sealed class ErrorsView(ErrorAnalysis analysis, LabelSet labels) : HtmlView
{
    private static readonly (SpanOutcome Outcome, string Name, string Meaning)[] Kinds =
    [
        (SpanOutcome.Correct, "correct", "words and type agree"),
        (SpanOutcome.WrongType, "wrong type", "the very words, another type"),
        (SpanOutcome.WrongBoundary, "wrong boundary", "the type, but words too many or too few"),
        (SpanOutcome.WrongTypeAndBoundary, "wrong type and boundary", "some of the words, another type"),
        (SpanOutcome.Missed, "missed", "gold, nothing predicted there"),
        (SpanOutcome.Invented, "invented", "predicted, nothing there"),
    ];

    /// <summary>The kinds of error and how often they occur.</summary>
    public TableView Outcomes => new(
        "What became of the entities",
        [new("outcome"), new("entities", true), new("share", true), new("meaning")],
        [.. Kinds.Select(kind => KindRow(kind.Outcome, kind.Name, kind.Meaning))],
        Invariant($"{analysis.FaultySentenceCount:N0} of {analysis.SentenceCount:N0} sentences hold an error."),
        "Share of all entities, gold or predicted, a pair counted once.");

    /// <summary>Scores of entities that training saw, and of those that it never saw; null when that was not asked for.</summary>
    public TableView? Familiarity => analysis.Known is not { } known || analysis.Unseen is not { } unseen ? null : new(
        "Known by heart or recognised?",
        [new("entities"), new("precision", true), new("recall", true), new("F1", true), new("gold", true), new("predicted", true)],
        [FamiliarityRow(known), FamiliarityRow(unseen)],
        "Entities whose very words were an entity in training, and all others, scored apart.");

    /// <inheritdoc />
    public override string ToHtml()
    {
        if (analysis.Outcomes.Values.Sum() == 0)
        {
            return new EmptyView("Errors", "There is no entity, gold or predicted, in this split: nothing can be judged.").ToHtml();
        }

        var html = new StringBuilder(Outcomes.Body()).Append(Familiarity?.Body() ?? "").Append(Markup.Heading("The worst sentences", WorstSubtitle));
        foreach (var sentence in analysis.Worst)
        {
            var (gold, predicted) = Lines(sentence);
            html.Append("<div class=\"nl-pair\">")
                .Append($"<div class=\"nl-line\"><span class=\"nl-who\">gold</span>{EntityMarkup.ToHtml(sentence.Words, gold, labels.Types)}</div>")
                .Append($"<div class=\"nl-line\"><span class=\"nl-who\">predicted</span>{EntityMarkup.ToHtml(sentence.Words, predicted, labels.Types)}</div>")
                .Append(sentence.Loss is { } loss
                    ? $"<div class=\"nl-line\"><span class=\"nl-who\">loss</span><span class=\"nl-dim\">{Nats(loss)}</span></div>" : "").Append("</div>");
        }

        return Markup.Fragment("nl-errors", html.ToString(), EntityMarkup.Style);
    }

    /// <inheritdoc />
    public override string ToText()
    {
        var lines = new List<string> { Outcomes.ToText(), "" };
        if (Familiarity is { } familiarity)
        {
            lines.AddRange([familiarity.ToText(), ""]);
        }

        lines.AddRange(["The worst sentences", WorstSubtitle]);
        foreach (var sentence in analysis.Worst)
        {
            var (gold, predicted) = Lines(sentence);
            lines.Add("  gold       " + EntityMarkup.ToText(sentence.Words, gold));
            lines.Add("  predicted  " + EntityMarkup.ToText(sentence.Words, predicted));
            lines.AddRange(sentence.Loss is { } loss ? ["  loss       " + Nats(loss), ""] : [""]);
        }

        return string.Join('\n', lines).TrimEnd();
    }

    private string WorstSubtitle => analysis.Worst.Count == 0 ? "None: every entity was found."
        : analysis.Worst[0].Loss is null ? "Most errors first; what differs has a dashed frame." : "Highest loss first; what differs has a dashed frame.";

    private (List<MarkedEntity> Gold, List<MarkedEntity> Predicted) Lines(JudgedSentence sentence)
    {
        var pairs = sentence.Pairs(labels);
        return (
            [.. pairs.Where(pair => pair.Gold is not null)
                .Select(pair => new MarkedEntity(pair.Gold!.Value, pair.Outcome == SpanOutcome.Missed ? "missed" : ""))],
            [.. pairs.Where(pair => pair.Predicted is not null).OrderBy(pair => pair.Predicted!.Value.Start)
                .Select(pair => new MarkedEntity(pair.Predicted!.Value, RemarkOn(pair.Outcome)))]);
    }

    private static string RemarkOn(SpanOutcome outcome) => outcome switch
    {
        SpanOutcome.WrongType => "type",
        SpanOutcome.WrongBoundary => "boundary",
        SpanOutcome.WrongTypeAndBoundary => "type, boundary",
        SpanOutcome.Invented => "invented",
        _ => "",
    };

    private Row KindRow(SpanOutcome outcome, string name, string meaning)
    {
        var share = analysis.Outcomes[outcome] / (double)Math.Max(1, analysis.Outcomes.Values.Sum());
        return new([name, Count(analysis.Outcomes[outcome]),
            new(share.ToString("0.0 %", CultureInfo.InvariantCulture).PadLeft(6, (char)0x2007), Bar: share), new(meaning, Mark.Dim)]);
    }

    private static Row FamiliarityRow(ScoreRow row) => new(
    [
        row.Name, Share(row.Precision), Share(row.Recall), new(Share(row.F1), Bar: row.F1), Count(row.Support),
        Count(row.Predicted),
    ]);

    private static string Nats(double loss) => Invariant($"{loss:0.000} nats per piece");
}
