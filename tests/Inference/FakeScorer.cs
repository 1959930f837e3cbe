using NotebookLib.Inference;

namespace NotebookLib.Tests.Inference;

/// <summary>A network of a few lines: probabilities by piece, and one label for all the others.</summary>
internal sealed class FakeScorer(IReadOnlyList<string> labels, Dictionary<int, float[]> probabilitiesById, int otherLabel = 0) : IPieceScorer
{
    public List<int> RowsSeen { get; } = [];

    public IReadOnlyList<string> Labels => labels;

    public IReadOnlyList<float[]> Score(IReadOnlyList<int[]> inputIds, CancellationToken cancellation = default)
    {
        RowsSeen.Add(inputIds.Count);
        return [.. inputIds.Select(ids => ids.SelectMany(LogitsOf).ToArray())];
    }

    private IEnumerable<float> LogitsOf(int id) =>
        (probabilitiesById.TryGetValue(id, out var known) ? known : Other()).Select(probability => MathF.Log(probability));

    private float[] Other() => [.. labels.Select((_, label) => label == otherLabel ? 0.9f : 0.1f / (labels.Count - 1))];
}
