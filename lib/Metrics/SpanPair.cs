namespace NotebookLib.Metrics;

/// <summary>What became of an entity.</summary>
public enum SpanOutcome
{
    /// <summary>Words and type agree.</summary>
    Correct,

    /// <summary>The words agree, the type does not.</summary>
    WrongType,

    /// <summary>The type agrees, the words only overlap.</summary>
    WrongBoundary,

    /// <summary>The words only overlap and the type does not agree.</summary>
    WrongTypeAndBoundary,

    /// <summary>A gold entity where nothing was predicted.</summary>
    Missed,

    /// <summary>A predicted entity where there is none.</summary>
    Invented,
}

/// <summary>A gold entity and the predicted one that stands for it; one of both may be missing.</summary>
/// <param name="Gold">The gold entity.</param>
/// <param name="Predicted">The predicted entity.</param>
internal readonly record struct SpanPair(Entity? Gold, Entity? Predicted)
{
    /// <summary>What became of it.</summary>
    public SpanOutcome Outcome => (Gold, Predicted) switch
    {
        (null, _) => SpanOutcome.Invented,
        (_, null) => SpanOutcome.Missed,
        ({ } gold, { } predicted) when gold == predicted => SpanOutcome.Correct,
        ({ } gold, { } predicted) when gold.Start == predicted.Start && gold.End == predicted.End => SpanOutcome.WrongType,
        ({ } gold, { } predicted) when gold.Type == predicted.Type => SpanOutcome.WrongBoundary,
        _ => SpanOutcome.WrongTypeAndBoundary,
    };

    /// <summary>
    /// Pairs the entities of a sentence, each with at most one other: overlapping ones, the longest overlap before shorter ones and the same type before
    /// another (one with the same words overlaps no other); what is left over is missed or invented.
    /// </summary>
    /// <param name="gold">Gold entities, none overlapping another.</param>
    /// <param name="predicted">Predicted entities, none overlapping another.</param>
    /// <returns>Pairs in reading order; every entity stands in exactly one.</returns>
    public static IReadOnlyList<SpanPair> Match(IReadOnlyList<Entity> gold, IReadOnlyList<Entity> predicted)
    {
        var candidates = from g in Enumerable.Range(0, gold.Count)
                         from p in Enumerable.Range(0, predicted.Count)
                         let overlap = OverlapOf(gold[g], predicted[p])
                         where overlap > 0
                         orderby overlap descending, gold[g].Type == predicted[p].Type descending
                         select (Gold: g, Predicted: p);
        var (partner, taken) = (new int[gold.Count], new bool[predicted.Count]);
        Array.Fill(partner, -1);
        foreach (var (g, p) in candidates)
        {
            if (partner[g] < 0 && !taken[p])
            {
                (partner[g], taken[p]) = (p, true);
            }
        }

        var pairs = gold.Select((entity, g) => new SpanPair(entity, partner[g] < 0 ? null : predicted[partner[g]]))
            .Concat(predicted.Where((_, p) => !taken[p]).Select(entity => new SpanPair(null, entity)));
        return [.. pairs.OrderBy(pair => (pair.Gold ?? pair.Predicted)!.Value.Start)];
    }

    private static int OverlapOf(Entity a, Entity b) => Math.Min(a.End, b.End) - Math.Max(a.Start, b.Start);
}
