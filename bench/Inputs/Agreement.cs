using NotebookLib.Batching;
using NotebookLib.Bench.Reference;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Inputs;

/// <summary>Ours and the transcription compute the same: checked before anything is timed, dropout off.</summary>
internal static class Agreement
{
    private const double Float32Tolerance = 1e-4, FloatFloor = 1e-4, HalfFloor = 1e-2;

    /// <summary>Logits, loss and every gradient of one micro-batch.</summary>
    /// <param name="ours">Our network.</param>
    /// <param name="plain">The transcription.</param>
    /// <param name="weights">The transcription's parameters.</param>
    /// <param name="rows">The micro-batch.</param>
    /// <param name="isHalf">In bfloat16, with what a training keeps: for the eye, since two roundings differ by as much as they do.</param>
    /// <returns>The largest differences, for the report.</returns>
    /// <exception cref="InvalidOperationException">They differ by more than float32 explains.</exception>
    public static string OfTraining(
        DebertaV2ForTokenClassification ours, PlainDeberta plain, IReadOnlyDictionary<string, Tensor> weights, IReadOnlyList<EncodedSentence> rows,
        bool isHalf = false)
    {
        using var scope = NewDisposeScope();
        using var memory = isHalf ? ours.Engine.KeepTrainingMemory() : null;
        using var copies = isHalf ? ours.Engine.KeepWeightCopies() : null;
        using var half = isHalf ? Platform.Autocast.Enter(ScalarType.BFloat16, plain.Device.type) : null;
        using var batch = PaddedBatch.Pad(rows);
        Tensor ids = batch.InputIds.to(plain.Device), mask = batch.AttentionMask.to(plain.Device), labels = batch.Labels.to(plain.Device);
        ours.eval();
        plain.IsTraining = false;
        // The comparison wants the table's whole gradient.
        var table = ours.Deberta.Embeddings.WordEmbeddings;
        var trainedRows = table.TrainedRows;
        table.TrainedRows = null;
        var isReal = mask.to(ScalarType.Bool);
        var logits = (Ours: ours.call(ids, mask), Plain: plain.Run(ids, mask).Logits);
        var loss = (Ours: DebertaV2ForTokenClassification.Loss(logits.Ours, labels), Plain: PlainDeberta.Loss(logits.Plain, labels));
        BackwardPass.Run(loss.Ours);
        loss.Plain.backward();
        var gradient = LargestDifference(isHalf ? HalfFloor : FloatFloor,
            [.. ours.named_parameters().Where(pair => pair.parameter.requires_grad).Select(pair => (pair.parameter.grad!, weights[pair.name].grad!))]);
        foreach (var (name, parameter) in ours.named_parameters())
        {
            parameter.grad = null;
            weights[name].grad = null;
        }

        table.TrainedRows = trainedRows;
        ours.train();
        return Judge([("logits", Relative(logits.Ours[isReal], logits.Plain[isReal])), ("loss", Relative(loss.Ours, loss.Plain)), ("gradients", gradient)],
            isHalf ? double.PositiveInfinity : Float32Tolerance);
    }

    /// <summary>Says how far apart values are, and refuses to go on when they are not the same.</summary>
    public static string Judge(IReadOnlyList<(string What, double Difference)> differences, double tolerance = Float32Tolerance)
    {
        var text = string.Join(", ", differences.Select(pair => Invariant($"{pair.What} equal to {pair.Difference:0.0e+0}")));
        return differences.All(pair => pair.Difference <= tolerance)
            ? text
            : throw new InvalidOperationException($"The contestants do not compute the same: {text} (relative to the largest value); "
                + $"expected {tolerance:0e+0}. Nothing was timed.");
    }

    /// <summary>
    /// The largest difference of any gradient relative to its own largest value. A gradient that is orders smaller than the largest of all is held to that: the
    /// queries and keys of large's last layers get 1e-6 where the head gets 1, which is the rounding of what flows through both.
    /// </summary>
    private static double LargestDifference(double share, IReadOnlyList<(Tensor Ours, Tensor Plain)> gradients)
    {
        using var scope = NewDisposeScope();
        var floor = share * gradients.Max(pair => pair.Plain.abs().max().item<float>());
        return gradients.Max(pair => (pair.Ours - pair.Plain).abs().max().item<float>() / Math.Max(pair.Plain.abs().max().item<float>(), floor));
    }

    /// <summary>The largest difference relative to the largest value of the second.</summary>
    public static double Relative(Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        return ((actual - expected).abs().max() / expected.abs().max()).to(ScalarType.Float32).item<float>();
    }
}
