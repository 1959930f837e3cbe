using Microsoft.ML.OnnxRuntime;
using NotebookLib.Batching;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Onnx;

/// <summary>A graph in ONNX Runtime on as many threads as libtorch has, all optimisations on.</summary>
internal sealed class OnnxNetwork : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _run = new();

    /// <summary>Opens a graph.</summary>
    public OnnxNetwork(string path)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = get_num_threads(),
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        _session = new(path, options);
    }

    /// <summary>Logits of a batch, [B, L, K].</summary>
    public Tensor Run(IReadOnlyList<EncodedSentence> rows)
    {
        var width = rows.Max(row => row.Length);
        long[] ids = new long[rows.Count * width], mask = new long[rows.Count * width], shape = [rows.Count, width];
        for (var r = 0; r < rows.Count; r++)
        {
            for (var i = 0; i < rows[r].Length; i++)
            {
                ids[(r * width) + i] = rows[r].InputIds[i];
                mask[(r * width) + i] = 1;
            }
        }

        using OrtValue idsValue = OrtValue.CreateTensorValueFromMemory(ids, shape), maskValue = OrtValue.CreateTensorValueFromMemory(mask, shape);
        using var outputs = _session.Run(_run, ["input_ids", "attention_mask"], [idsValue, maskValue], ["logits"]);
        return tensor(outputs[0].GetTensorDataAsSpan<float>().ToArray(), outputs[0].GetTensorTypeAndShape().Shape);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _session.Dispose();
        _run.Dispose();
    }
}
