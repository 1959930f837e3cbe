using System.Runtime.InteropServices;
using System.Text.Json;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Onnx;

/// <summary>Writes the weights of a network beside its ONNX graph: <c>weights.bin</c>, laid out by <c>weights_map.json</c>.</summary>
internal static class OnnxWeights
{
    /// <summary>Copies the graph into a folder and writes the weights there.</summary>
    /// <param name="graphFolder">Holds <c>model.onnx</c> and <c>weights_map.json</c>.</param>
    /// <param name="weights">Parameters by name, float32.</param>
    /// <param name="target">An existing folder.</param>
    /// <returns>The path of the model to open.</returns>
    public static string Write(string graphFolder, IReadOnlyDictionary<string, Tensor> weights, string target)
    {
        using var map = JsonDocument.Parse(File.ReadAllText(Path.Combine(graphFolder, "weights_map.json")));
        AtomicFile.Write(Path.Combine(target, map.RootElement.GetProperty("file").GetString()!), stream =>
        {
            stream.SetLength(map.RootElement.GetProperty("bytes").GetInt64());
            foreach (var entry in map.RootElement.GetProperty("initializers").EnumerateArray())
            {
                stream.Position = entry.GetProperty("offset").GetInt64();
                WriteOne(stream, weights[entry.GetProperty("parameter").GetString()!], entry.GetProperty("transposed").GetBoolean(),
                    entry.GetProperty("length").GetInt64());
            }
        });
        var model = Path.Combine(target, "model.onnx");
        File.Copy(Path.Combine(graphFolder, "model.onnx"), model, overwrite: true);
        return model;
    }

    private static void WriteOne(Stream stream, Tensor weight, bool isTransposed, long bytes)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var laidOut = (isTransposed ? weight.t() : weight).contiguous();
        if (laidOut.numel() * sizeof(float) != bytes)
        {
            throw new InvalidDataException($"The graph wants {bytes} bytes where the parameter has {laidOut.numel() * sizeof(float)}; "
                + "is the graph of another network?");
        }

        stream.Write(MemoryMarshal.AsBytes(MemoryMarshal.Cast<byte, float>(laidOut.bytes)));
    }
}
