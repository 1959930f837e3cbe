using NotebookLib.Data;

namespace NotebookLib.Metrics;

/// <summary>A sentence with what it is and what was predicted.</summary>
/// <param name="Words">Its words.</param>
/// <param name="Gold">Gold tags, one per word.</param>
/// <param name="Predicted">Predicted tags, one per word.</param>
/// <param name="Loss">Mean cross-entropy over its labelled pieces in nats, or null when it was not kept.</param>
public sealed record JudgedSentence(IReadOnlyList<string> Words, IReadOnlyList<int> Gold, IReadOnlyList<int> Predicted, double? Loss = null)
{
    /// <summary>Its entities, gold with predicted.</summary>
    /// <param name="labels">Names the tags.</param>
    /// <exception cref="ArgumentException">Words and tags differ in number.</exception>
    internal IReadOnlyList<SpanPair> Pairs(LabelSet labels)
    {
        if (Gold.Count != Words.Count || Predicted.Count != Words.Count)
        {
            throw new ArgumentException($"A sentence of {Words.Count} words has {Gold.Count} gold and {Predicted.Count} predicted tags; "
                + "expected one of each per word.");
        }

        return SpanPair.Match(EntitySpans.Find(Gold, labels, EntityScheme.Lenient), EntitySpans.Find(Predicted, labels, EntityScheme.Lenient));
    }
}
