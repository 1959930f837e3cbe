namespace NotebookLib.Metrics;

/// <summary>Gold, predicted and correct entities per type, under one scheme: all that the scores need, a few numbers however long the data.</summary>
internal sealed class EntityCounts(EntityScheme scheme)
{
    private readonly List<TypedSpan> _gold = [];
    private readonly List<TypedSpan> _predicted = [];
    private Tally[] _tallies = new Tally[16];

    public Tally this[int type] => type < _tallies.Length ? _tallies[type] : default;

    public void Add(ReadOnlySpan<int> gold, ReadOnlySpan<int> predicted)
    {
        EntitySpans.Find(gold, scheme, _gold);
        EntitySpans.Find(predicted, scheme, _predicted);
        foreach (var span in _gold)
        {
            TallyOf(span.Type).Gold++;
        }

        foreach (var span in _predicted)
        {
            TallyOf(span.Type).Predicted++;
        }

        // Both lists are in reading order and free of overlaps, so one walk finds all pairs.
        for (int g = 0, p = 0; g < _gold.Count && p < _predicted.Count;)
        {
            if (_gold[g] == _predicted[p])
            {
                TallyOf(_gold[g].Type).Correct++;
            }

            var ahead = _gold[g].Start - _predicted[p].Start;
            g += ahead <= 0 ? 1 : 0;
            p += ahead >= 0 ? 1 : 0;
        }
    }

    private ref Tally TallyOf(int type)
    {
        if (type >= _tallies.Length)
        {
            Array.Resize(ref _tallies, Math.Max(type + 1, 2 * _tallies.Length));
        }

        return ref _tallies[type];
    }

    internal struct Tally
    {
        public long Gold;
        public long Predicted;
        public long Correct;

        /// <summary>The scores of what was counted (seqeval 1.2.2, seqeval/metrics/v1.py, _prf_divide).</summary>
        public readonly ScoreRow ToRow(string name, int zeroDivision = 0)
        {
            var precision = Predicted == 0 ? zeroDivision : (double)Correct / Predicted;
            var recall = Gold == 0 ? zeroDivision : (double)Correct / Gold;
            var f1 = precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall);
            return new(name, precision, recall, f1, Gold, Predicted, Correct);
        }
    }
}
