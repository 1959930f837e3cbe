using System.Text;
using NotebookLib.Data;
using NotebookLib.Html;

namespace NotebookLib.Inference;

/// <summary>An entity found in a text.</summary>
/// <param name="Type">Its type without prefix, for instance <c>PER</c>; the label itself where pieces were not put together
/// (<see cref="AggregationStrategy.None"/>).</param>
/// <param name="Start">Where it begins in the text, in UTF-16 units, so that <c>text[Start..End]</c> is <paramref name="Text"/>.</param>
/// <param name="End">Where it ends, exclusive.</param>
/// <param name="Text">What stands there.</param>
/// <param name="Score">How sure the network is, 0 to 1: the mean over its words of the probability of the label that decided each; with a strategy, that
/// strategy's score.</param>
public sealed record TaggedEntity(string Type, int Start, int End, string Text, float Score);

/// <summary>A text with the entities found in it; shows itself in colours where HTML is shown.</summary>
public sealed class TaggedText : HtmlView
{
    internal TaggedText(SplitText split, int[] tags, LabelSet labels, IReadOnlyList<TaggedEntity> entities) =>
        (Text, Places, Sentence, Labels, Entities) = (split.Text, split.Places, new(split.Words, tags), labels, entities);

    /// <summary>The text as it was given; words with a space between where words were given.</summary>
    public string Text { get; }

    /// <summary>Its words and their tags, ids of <see cref="Labels"/>.</summary>
    public Sentence Sentence { get; }

    /// <summary>Where each word stands in <see cref="Text"/>, in UTF-16 units, end exclusive.</summary>
    public IReadOnlyList<(int Start, int End)> Places { get; }

    /// <summary>Names the tags.</summary>
    public LabelSet Labels { get; }

    /// <summary>What was found, in reading order.</summary>
    public IReadOnlyList<TaggedEntity> Entities { get; }

    /// <inheritdoc />
    public override string ToHtml() => Markup.Fragment("nl-sentences", EntityMarkup.ToHtml(Text, Entities, Labels.Types), EntityMarkup.Style);

    /// <summary>The text with its entities in brackets: <c>[Fernando Torres PER] plays .</c></summary>
    public override string ToText()
    {
        var text = new StringBuilder();
        var next = 0;
        foreach (var entity in Entities.Where(entity => entity.Start >= next))
        {
            text.Append(Text, next, entity.Start - next).Append('[').Append(entity.Text).Append(' ').Append(entity.Type).Append(']');
            next = entity.End;
        }

        return text.Append(Text, next, Text.Length - next).ToString();
    }
}

/// <summary>A text and where its words stand.</summary>
/// <param name="Text">The text.</param>
/// <param name="Places">Ranges of it, in UTF-16 units, rising.</param>
/// <param name="Words">What stands there; or the words that the text was made of.</param>
internal sealed record SplitText(string Text, (int Start, int End)[] Places, string[] Words)
{
    /// <summary>Splits a running text, punctuation apart from words.</summary>
    public static SplitText Of(string text)
    {
        (int Start, int End)[] places = [.. WordSplitter.Split(text)];
        return new(text, places, Array.ConvertAll(places, place => text[place.Start..place.End]));
    }

    /// <summary>Joins words by single spaces.</summary>
    public static SplitText Of(IReadOnlyList<string> words)
    {
        var places = new (int, int)[words.Count];
        var at = 0;
        for (var word = 0; word < places.Length; word++)
        {
            places[word] = (at, at + words[word].Length);
            at += words[word].Length + 1;
        }

        return new(string.Join(' ', words), places, [.. words]);
    }
}
