using System.Globalization;
using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Inference;

namespace NotebookLib.Experiments;

/// <summary>A model at work on sentences of the reader's own.</summary>
public sealed class TryOut
{
    // Two orders of additions of float32 sums of a few hundred products.
    private const double MergeTolerance = 1e-4;

    private readonly ExperimentData _data;
    private readonly ExperimentModel _model;
    private readonly ModelPieceScorer _scorer;

    /// <summary>Takes a model; the caller goes on owning it.</summary>
    public TryOut(ExperimentData data, ExperimentModel model)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        (_data, _model, _scorer) = (data, model, new ModelPieceScorer(model.Network));
    }

    /// <summary>Tags a text word by word, as the original's inference section does, and draws its entities.</summary>
    /// <param name="text">Split at blanks; punctuation that should be a word of its own stands apart.</param>
    public SentencesView Tag(string text)
    {
        var tagged = new EntityTagger(_data.Tokenizer, _scorer).Tag(text);
        return new("Entities of your sentence", [tagged.Sentence], tagged.Labels);
    }

    /// <summary>What transformers' token-classification pipeline returns for a text: ordinary writing, offsets and scores.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="strategy">How pieces become entities.</param>
    public TableView Pipeline(string text, AggregationStrategy strategy = AggregationStrategy.Simple)
    {
        var found = new TokenClassificationPipeline(_data.Tokenizer, _scorer).Classify(text, strategy);
        return new(
            "The same through the token-classification pipeline",
            [new("entity group"), new("score", true), new("word"), new("start", true), new("end", true)],
            [.. found.Select(entity => new Row([entity.Label, entity.Score.ToString("0.000", CultureInfo.InvariantCulture), entity.Word, Number(entity.Start), Number(entity.End)]))],
            Invariant($"aggregation strategy {strategy.ToString().ToLowerInvariant()}; start and end count characters."),
            found.Count == 0 ? "No entity was found." : "");
    }

    /// <summary>Merges the adapters into the weights, compares the scores of a text with those before, and takes them out again.</summary>
    /// <param name="text">Split at blanks.</param>
    /// <returns>The largest difference of any score; an empty view where there are no adapters.</returns>
    public HtmlView MergeCheck(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (_model.Adapters is not { } adapters)
        {
            return new EmptyView("Merging", $"There are no adapters to merge: {(_model.Plan.Trains ? "every weight was trained" : "the model comes whole")}.");
        }

        var ids = _data.Tokenizer.EncodeWords(text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).Ids;
        var before = _scorer.Score([ids])[0];
        adapters.Merge();
        var merged = _scorer.Score([ids])[0];
        adapters.Unmerge();
        var after = _scorer.Score([ids])[0];
        double Difference(float[] other) => before.Zip(other, (a, b) => (double)Math.Abs(a - b)).Max();
        return new TableView(
            "Merged is unmerged",
            [new("compared"), new("largest difference of a score", true), new("allowed", true), new("")],
            [Line("adapters beside the weights, and merged into them", Difference(merged), MergeTolerance), Line("before merging, and after unmerging", Difference(after), 0)],
            "W + scale · B A gives the scores of W and the adapter beside it, so a merged model costs nothing extra.");
    }

    private static Row Line(string what, double difference, double allowed) => new(
    [
        what, difference.ToString("0.0e+0", CultureInfo.InvariantCulture), allowed.ToString("0.0e+0", CultureInfo.InvariantCulture),
        new(difference <= allowed ? "holds" : "does not hold", difference <= allowed ? Mark.Good : Mark.Bad),
    ]);

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
