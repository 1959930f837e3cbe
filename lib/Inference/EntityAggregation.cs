namespace NotebookLib.Inference;

/// <summary>Puts predictions for pieces together (transformers 4.35.2, pipelines/token_classification.py, <c>aggregate</c>).</summary>
/// <param name="labels">Label names by id.</param>
/// <param name="join">Joins pieces to text.</param>
internal sealed class EntityAggregation(IReadOnlyList<string> labels, Func<IEnumerable<string>, string> join)
{
    /// <summary>Applies a strategy.</summary>
    /// <param name="pieces">In reading order.</param>
    /// <param name="strategy">Which.</param>
    /// <returns>All results, those labelled O among them.</returns>
    public List<TokenEntity> Aggregate(IReadOnlyList<ScoredPiece> pieces, AggregationStrategy strategy) => strategy switch
    {
        AggregationStrategy.None => [.. pieces.Select(OfPiece)],
        AggregationStrategy.Simple => Group([.. pieces.Select(OfPiece)]),
        AggregationStrategy.First or AggregationStrategy.Average or AggregationStrategy.Max => Group(OfWords(pieces, strategy)),
        _ => throw new ArgumentOutOfRangeException(nameof(strategy), strategy, "There is no such strategy."),
    };

    private TokenEntity OfPiece(ScoredPiece piece)
    {
        var (label, score) = piece.Best;
        return new(labels[label], score, piece.Word, piece.Start, piece.End, piece.Index);
    }

    private List<TokenEntity> OfWords(IReadOnlyList<ScoredPiece> pieces, AggregationStrategy strategy)
    {
        var words = new List<TokenEntity>();
        for (var from = 0; from < pieces.Count;)
        {
            var to = from + 1;
            while (to < pieces.Count && pieces[to].IsSubword)
            {
                to++;
            }

            words.Add(OfWord([.. pieces.Skip(from).Take(to - from)], strategy));
            from = to;
        }

        return words;
    }

    private TokenEntity OfWord(ScoredPiece[] pieces, AggregationStrategy strategy)
    {
        var (label, score) = strategy switch
        {
            AggregationStrategy.First => pieces[0].Best,
            AggregationStrategy.Max => pieces.MaxBy(piece => piece.Best.Score).Best,
            _ => ScoredPiece.BestOf(Mean(pieces)),
        };
        return new(labels[label], score, join(pieces.Select(piece => piece.Word)), pieces[0].Start, pieces[^1].End);
    }

    private static float[] Mean(ScoredPiece[] pieces)
    {
        var mean = new float[pieces[0].Probabilities.Length];
        for (var label = 0; label < mean.Length; label++)
        {
            mean[label] = (float)pieces.Average(piece => (double)piece.Probabilities[label]);
        }

        return mean;
    }

    /// <summary>Joins neighbours of one type; a B never joins what stands before it.</summary>
    private List<TokenEntity> Group(List<TokenEntity> parts)
    {
        var groups = new List<TokenEntity>();
        for (var from = 0; from < parts.Count;)
        {
            var to = from + 1;
            while (to < parts.Count && !parts[to].Label.StartsWith("B-", StringComparison.Ordinal) && TypeOf(parts[to].Label) == TypeOf(parts[to - 1].Label))
            {
                to++;
            }

            var group = parts[from..to];
            groups.Add(new(
                group[0].Label.Split('-')[^1],
                (float)group.Average(part => (double)part.Score),
                join(group.Select(part => part.Word)),
                group[0].Start,
                group[^1].End));
            from = to;
        }

        return groups;
    }

    private static string TypeOf(string label) =>
        label.StartsWith("B-", StringComparison.Ordinal) || label.StartsWith("I-", StringComparison.Ordinal) ? label[2..] : label;
}
