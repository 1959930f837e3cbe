using NotebookLib.Data;
using NotebookLib.SampleMaker.Grammar;

namespace NotebookLib.SampleMaker.Sample;

/// <summary>How one kind of sentences is drawn.</summary>
/// <param name="Held">The share that these sentences have for themselves; training's own is everybody's.</param>
/// <param name="HeldNames">Probability that a name comes from that share.</param>
/// <param name="HeldShapes">Probability that the sentence's shape comes from that share.</param>
/// <param name="IsUnlabelled">Text for pre-training: training's shapes, all names that may be mentioned, rare topics more often.</param>
public sealed record Recipe(Share Held, double HeldNames, double HeldShapes, bool IsUnlabelled = false)
{
    /// <summary>The training split.</summary>
    public static Recipe Train { get; } = new(Share.Train, 0, 0);

    /// <summary>The validation split.</summary>
    public static Recipe Validation { get; } = new(Share.Validation, 0.4, 0.35);

    /// <summary>The test split.</summary>
    public static Recipe Test { get; } = new(Share.Test, 0.4, 0.35);

    /// <summary>Unlabelled text.</summary>
    public static Recipe Unlabelled { get; } = new(Share.Train, 0, 0, IsUnlabelled: true);
}

/// <summary>Draws sentences without end.</summary>
public sealed class SentenceMaker(GrammarFiles grammar, SplitMix random, Recipe recipe)
{
    /// <summary>Probability that two short sentences of a topic are joined by a conjunction.</summary>
    private const double JoinProbability = 0.05;

    private const int LongestToJoin = 14;
    private static readonly string[] Conjunctions = [", and", ", but", ", while", ";"];
    private readonly double _totalWeight = grammar.Topics.Sum(topic => Weight(topic, recipe));

    /// <summary>The next sentence and the shapes that it was made from.</summary>
    public (Sentence Sentence, IReadOnlyList<Shape> Shapes) Next()
    {
        var topic = PickTopic();
        var (first, shape) = Draw(topic);
        if (!random.Chance(JoinProbability) || !EndsPlainly(first))
        {
            return (Surface.Realize(first, LabelSet.SystemA), [shape]);
        }

        var (second, secondShape) = Draw(topic);
        return EndsPlainly(second)
            ? (Surface.Realize($"{first[..^2]} {random.Pick(Conjunctions)} {second}", LabelSet.SystemA), [shape, secondShape])
            : (Surface.Realize(first, LabelSet.SystemA), [shape]);
    }

    private static bool EndsPlainly(string marked) =>
        marked.EndsWith(" .", StringComparison.Ordinal) && marked.Count(c => c == ' ') <= LongestToJoin && !marked.Contains('"', StringComparison.Ordinal);

    /// <summary>Unlabelled text levels the topics: a large corpus speaks of violins and viruses too.</summary>
    private static double Weight(Topic topic, Recipe recipe) => recipe.IsUnlabelled ? Math.Sqrt(topic.Weight) : topic.Weight;

    private Topic PickTopic()
    {
        var at = random.Below(1 << 30) / (double)(1 << 30) * _totalWeight;
        foreach (var topic in grammar.Topics)
        {
            at -= Weight(topic, recipe);
            if (at < 0)
            {
                return topic;
            }
        }

        return grammar.Topics[^1];
    }

    private (string Marked, Shape Shape) Draw(Topic topic)
    {
        var share = recipe.Held != Share.Train && random.Chance(recipe.HeldShapes) ? recipe.Held : Share.Train;
        var shape = random.Pick([.. topic.Shapes.Where(candidate => candidate.Share == share)]);
        var expander = new Expander(grammar, random, new(recipe.Held, recipe.HeldNames, recipe.IsUnlabelled));
        return (expander.Expand(shape.Template), shape);
    }
}
