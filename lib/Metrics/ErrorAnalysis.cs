using NotebookLib.Data;

namespace NotebookLib.Metrics;

/// <summary>What went wrong on a split, counted by entity, and where to look.</summary>
/// <param name="Outcomes">How many entities met which fate.</param>
/// <param name="Names">Row and column names of <paramref name="Confusion"/>: the types that occur, then <c>nothing</c>.</param>
/// <param name="Confusion">[gold][predicted]: how many; entities are paired by their words (<see cref="SpanPair.Match"/>).</param>
/// <param name="Known">Scores over entities that training saw, or null when it was not asked for.</param>
/// <param name="Unseen">Scores over entities that training never saw, or null.</param>
/// <param name="Worst">The sentences with the highest loss among those with an error; without losses, those with most errors.</param>
/// <param name="SentenceCount">Sentences judged.</param>
/// <param name="FaultySentenceCount">Sentences with at least one error.</param>
public sealed record ErrorAnalysis(
    IReadOnlyDictionary<SpanOutcome, long> Outcomes, IReadOnlyList<string> Names, IReadOnlyList<IReadOnlyList<int>> Confusion, ScoreRow? Known,
    ScoreRow? Unseen,
    IReadOnlyList<JudgedSentence> Worst, int SentenceCount, int FaultySentenceCount)
{
    /// <summary>The last row and column of <see cref="Confusion"/>.</summary>
    public const string Nothing = "nothing";

    /// <summary>Judges a split in one pass.</summary>
    /// <param name="sentences">The split with its predictions.</param>
    /// <param name="labels">Names the tags.</param>
    /// <param name="training">What training saw, to score the rest apart; null to leave that out.</param>
    /// <param name="worstCount">How many of the worst sentences to keep.</param>
    /// <exception cref="ArgumentException">A sentence's words and tags differ in number.</exception>
    public static ErrorAnalysis Of(IEnumerable<JudgedSentence> sentences, LabelSet labels, KnownEntities? training = null, int worstCount = 10)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentOutOfRangeException.ThrowIfNegative(worstCount);
        var tally = new ErrorTally(labels, training);
        var worst = new PriorityQueue<JudgedSentence, (double, int)>();
        var (count, faulty) = (0, 0);
        foreach (var sentence in sentences)
        {
            count++;
            var errors = tally.Add(sentence);
            faulty += errors > 0 ? 1 : 0;
            if (errors > 0 && worstCount > 0)
            {
                // Earlier sentences win ties, so that two runs show the same ones.
                worst.Enqueue(sentence, (sentence.Loss ?? errors, -count));
                if (worst.Count > worstCount)
                {
                    worst.Dequeue();
                }
            }
        }

        var kept = new List<JudgedSentence>();
        while (worst.TryDequeue(out var sentence, out _))
        {
            kept.Insert(0, sentence);
        }

        return tally.Result(kept, count, faulty);
    }
}
