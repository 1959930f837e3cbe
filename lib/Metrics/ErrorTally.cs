using NotebookLib.Data;

namespace NotebookLib.Metrics;

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
