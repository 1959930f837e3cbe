using System.Globalization;
using NotebookLib.Batching;
using NotebookLib.Bench.Reference;
using NotebookLib.Model;
using NotebookLib.Model.Packed;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Inputs;

/// <summary>Ours and the transcription compute the same: checked before anything is timed, dropout off.</summary>
internal static class Agreement
{
    private const double Float32Tolerance = 1e-4;

    /// <summary>Logits, loss and every gradient of one micro-batch.</summary>
    /// <returns>The largest differences, for the report.</returns>
    /// <exception cref="InvalidOperationException">They differ by more than float32 explains.</exception>
    public static string OfTraining(
        DebertaV2ForTokenClassification ours, PlainDeberta plain, IReadOnlyDictionary<string, Tensor> weights, IReadOnlyList<EncodedSentence> rows)
    {
        using var scope = NewDisposeScope();
        using var batch = Batch.Pad(rows);
        ours.eval();
        plain.IsTraining = false;
        // The comparison wants the table's whole gradient.
        var table = ours.Deberta.Embeddings.WordEmbeddings;
        var trainedRows = table.TrainedRows;
        table.TrainedRows = null;
        var isReal = batch.AttentionMask.to(ScalarType.Bool);
        var logits = (Ours: ours.call(batch.InputIds, batch.AttentionMask), Plain: plain.Run(batch.InputIds, batch.AttentionMask).Logits);
        var loss = (Ours: DebertaV2ForTokenClassification.Loss(logits.Ours, batch.Labels), Plain: PlainDeberta.Loss(logits.Plain, batch.Labels));
        loss.Ours.backward();
        PackedEncoderFunction.ThrowIfBackwardFailed();
        loss.Plain.backward();
        var gradient = 0.0;
        foreach (var (name, parameter) in ours.named_parameters().Where(pair => pair.parameter.requires_grad))
        {
            var weight = weights[name];
            gradient = Math.Max(gradient, Relative(parameter.grad!, weight.grad!));
            parameter.grad = null;
            weight.grad = null;
        }

        table.TrainedRows = trainedRows;
        ours.train();
        return Judge([("logits", Relative(logits.Ours[isReal], logits.Plain[isReal])), ("loss", Relative(loss.Ours, loss.Plain)), ("gradients", gradient)]);
    }

    /// <summary>Says how far apart values are, and refuses to go on when they are not the same.</summary>
    public static string Judge(IReadOnlyList<(string What, double Difference)> differences, double tolerance = Float32Tolerance)
    {
        var text = string.Join(", ", differences.Select(pair => string.Create(CultureInfo.InvariantCulture, $"{pair.What} equal to {pair.Difference:0.0e+0}")));
        return differences.All(pair => pair.Difference <= tolerance)
            ? text
            : throw new InvalidOperationException($"The contestants do not compute the same: {text} (relative to the largest value); expected {tolerance:0e+0}. Nothing was timed.");
    }

    /// <summary>The largest difference relative to the largest value of the second.</summary>
    public static double Relative(Tensor actual, Tensor expected)
    {
        using var scope = NewDisposeScope();
        return ((actual - expected).abs().max() / expected.abs().max()).item<float>();
    }
}
