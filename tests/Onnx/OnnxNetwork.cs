using Microsoft.ML.OnnxRuntime;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Onnx;

/// <summary>A graph in ONNX Runtime, on one thread.</summary>
internal sealed class OnnxNetwork : IDisposable
{
    private readonly InferenceSession _session;
    private readonly RunOptions _run = new();

    public OnnxNetwork(string path, GraphOptimizationLevel level = GraphOptimizationLevel.ORT_ENABLE_ALL)
    {
        using var options = new SessionOptions
        {
            IntraOpNumThreads = 1,
            GraphOptimizationLevel = level,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR
        };
        _session = new(path, options);
    }

    /// <summary>Names, types and dimensions, −1 for a free one.</summary>
    public IEnumerable<string> Inputs => _session.InputMetadata.Select(Shown);

    public IEnumerable<string> Outputs => _session.OutputMetadata.Select(Shown);

    /// <summary>Logits [B, L, K].</summary>
    public Tensor Run(Tensor ids, Tensor mask)
    {
        var values = new List<OrtValue> { Value(ids), Value(mask) };
        if (_session.InputMetadata.ContainsKey("token_type_ids"))
        {
            values.Add(Value(zeros_like(ids)));
        }

        try
        {
            using var outputs = _session.Run(_run, [.. _session.InputNames], values, ["logits"]);
            return tensor(outputs[0].GetTensorDataAsSpan<float>().ToArray(), outputs[0].GetTensorTypeAndShape().Shape);
        }
        finally
        {
            values.ForEach(value => value.Dispose());
        }
    }

    public void Dispose()
    {
        _session.Dispose();
        _run.Dispose();
    }

    private static OrtValue Value(Tensor tensor) => OrtValue.CreateTensorValueFromMemory(tensor.contiguous().data<long>().ToArray(), tensor.shape);

    private static string Shown(KeyValuePair<string, NodeMetadata> pair) =>
        $"{pair.Key} {pair.Value.ElementDataType} "
            + $"[{string.Join(", ", pair.Value.Dimensions.Zip(pair.Value.SymbolicDimensions, (size, name) => name == "" ? $"{size}" : name))}]";
}
