using NotebookLib.Data;
using NotebookLib.Html;
using NotebookLib.Inference;
using NotebookLib.Metrics;

namespace NotebookLib.Display;

/// <summary>Sentences with their entities in colour.</summary>
public sealed class SentencesView : HtmlView
{
    private readonly string _title;
    private readonly IReadOnlyList<string> _types;
    private readonly List<(IReadOnlyList<string> Words, List<MarkedEntity> Entities)> _sentences;

    /// <summary>Makes the view.</summary>
    /// <param name="title">What they are.</param>
    /// <param name="sentences">The sentences; tags are read leniently, as scores count them.</param>
    /// <param name="labels">Names the tags and gives each type its colour.</param>
    public SentencesView(string title, IEnumerable<Sentence> sentences, LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        ArgumentNullException.ThrowIfNull(labels);
        (_title, _types) = (title, labels.Types);
        _sentences = [
            .. sentences.Select(sentence =>
            (sentence.Words, EntitySpans.Find(sentence.Tags, labels, EntityScheme.Lenient).Select(entity => new MarkedEntity(entity)).ToList()))];
    }

    /// <summary>Makes the view of one sentence whose entities are known already.</summary>
    /// <param name="title">What it is.</param>
    /// <param name="words">Its words.</param>
    /// <param name="entities">Its entities, in reading order, none overlapping another.</param>
    /// <param name="labels">Gives each type its colour.</param>
    public SentencesView(string title, IReadOnlyList<string> words, IReadOnlyList<Entity> entities, LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        (_title, _types) = (title, labels.Types);
        _sentences = [(words, [.. entities.Select(entity => new MarkedEntity(entity))])];
    }

    /// <inheritdoc />
    public override string ToHtml() => _sentences.Count == 0
        ? new EmptyView(_title, "There is no sentence to show.").ToHtml()
        : Markup.Fragment("nl-sentences",
            Markup.Heading(_title) + string.Concat(_sentences.Select(sentence => EntityMarkup.ToHtml(sentence.Words, sentence.Entities, _types))),
            EntityMarkup.Style);

    /// <inheritdoc />
    public override string ToText() => string.Join('\n', _sentences.Select(sentence => "  " + EntityMarkup.ToText(sentence.Words, sentence.Entities))
        .DefaultIfEmpty("(There is no sentence to show.)").Prepend(_title));
}
