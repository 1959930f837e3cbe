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

/// <summary>The counts behind <see cref="ErrorAnalysis"/>.</summary>
internal sealed class ErrorTally(LabelSet labels, KnownEntities? training)
{
    private readonly Dictionary<SpanOutcome, long> _outcomes = Enum.GetValues<SpanOutcome>().ToDictionary(outcome => outcome, _ => 0L);
    private readonly Dictionary<(string Gold, string Predicted), int> _confusion = [];
    private EntityCounts.Tally _known;
    private EntityCounts.Tally _unseen;

    /// <summary>Counts a sentence.</summary>
    /// <returns>The number of its entities that went wrong.</returns>
    public int Add(JudgedSentence sentence)
    {
        var errors = 0;
        foreach (var pair in sentence.Pairs(labels))
        {
            _outcomes[pair.Outcome]++;
            errors += pair.Outcome == SpanOutcome.Correct ? 0 : 1;
            var cell = (pair.Gold?.Type ?? ErrorAnalysis.Nothing, pair.Predicted?.Type ?? ErrorAnalysis.Nothing);
            _confusion[cell] = _confusion.GetValueOrDefault(cell) + 1;
            AddApart(sentence.Words, pair);
        }

        return errors;
    }

    public ErrorAnalysis Result(IReadOnlyList<JudgedSentence> worst, int sentenceCount, int faultyCount)
    {
        List<string> names = [.. labels.Types.Where(type => _confusion.Keys.Any(cell => cell.Gold == type || cell.Predicted == type)), ErrorAnalysis.Nothing];
        IReadOnlyList<IReadOnlyList<int>> confusion =
            [.. names.Select(gold => names.Select(predicted => _confusion.GetValueOrDefault((gold, predicted))).ToArray())];
        return new(
            _outcomes, names, confusion, training is null ? null : _known.ToRow("seen in training"), training is null ? null : _unseen.ToRow("never seen"),
            worst, sentenceCount, faultyCount);
    }

    // Gold and predicted entities are sorted by their own words: a prediction of unseen words counts against precision there, whatever it should have been.
    private void AddApart(IReadOnlyList<string> words, SpanPair pair)
    {
        if (training is null)
        {
            return;
        }

        if (pair.Gold is { } gold)
        {
            ref var side = ref training.Contains(words, gold) ? ref _known : ref _unseen;
            side.Gold++;
            side.Correct += pair.Outcome == SpanOutcome.Correct ? 1 : 0;
        }

        if (pair.Predicted is { } predicted)
        {
            ref var side = ref training.Contains(words, predicted) ? ref _known : ref _unseen;
            side.Predicted++;
        }
    }
}
