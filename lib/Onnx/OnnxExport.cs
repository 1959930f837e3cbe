using System.Text.Json.Nodes;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Tokenization;

namespace NotebookLib.Onnx;

/// <summary>What the numbers of an exported network are.</summary>
internal enum OnnxPrecision
{
    /// <summary>float32 throughout: <c>model.onnx</c>. Logits as this library's, to 1e-4.</summary>
    Float32,

    /// <summary>float16 weights and products, float32 logits: <c>model_fp16.onnx</c>. Half the bytes; for a GPU.</summary>
    Float16,

    /// <summary>Linear layers and word embeddings in eight bits, the rest float32: <c>model_quantized.onnx</c>. A quarter of the bytes; for a CPU.</summary>
    Int8,
}

/// <summary>
/// A token classifier as ONNX, in the folder that transformers.js and Optimum read: <c>onnx/model.onnx</c> beside <c>config.json</c> and the tokenizer.
/// </summary>
internal static class OnnxExport
{
    // A message of Protocol Buffers ends at 2 GiB.
    private const long MostBytes = int.MaxValue;

    /// <summary>Writes a network in one or more precisions; each file appears whole or not at all.</summary>
    /// <param name="model">Adapters that it carries are merged into the weights that are written, and it is given back with them.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="folder">Made when missing; what is there under the same names is replaced.</param>
    /// <param name="precisions">Which graphs to write.</param>
    /// <returns>The graphs' paths, in order. A graph above 2 GiB has its weights beside it, in a file of its name followed by <c>_data</c>.</returns>
    /// <exception cref="InvalidOperationException">Weights are stored in fewer bits (<see cref="FrozenWeights.Store"/>).</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static IReadOnlyList<string> Write(
        DebertaV2ForTokenClassification model, DebertaTokenizer tokenizer, string folder, params IReadOnlyList<OnnxPrecision> precisions) =>
        Write(model, tokenizer, folder, precisions, MostBytes);

    /// <inheritdoc cref="Write(DebertaV2ForTokenClassification, DebertaTokenizer, string, IReadOnlyList{OnnxPrecision})"/>
    internal static IReadOnlyList<string> Write(
        DebertaV2ForTokenClassification model, DebertaTokenizer tokenizer, string folder, IReadOnlyList<OnnxPrecision> precisions, long mostBytes)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ModelFolder.EnsureDense(model);
        var adapters = LoraAdapters.Of(model);
        adapters?.Merge();
        try
        {
            List<string> paths = [];
            JsonObject external = [];
            foreach (var precision in precisions.Distinct())
            {
                var path = Path.Combine(folder, "onnx", FileName(precision));
                if (DebertaGraph.Of(model, precision).Write(path, mostBytes))
                {
                    external[Path.GetFileName(path)] = true;
                }

                paths.Add(path);
            }

            tokenizer.Save(folder);
            AtomicFile.WriteText(Path.Combine(folder, "config.json"), ConfigWith(model.Config, external).ToJson());
            return paths;
        }
        finally
        {
            adapters?.Unmerge();
        }
    }

    /// <summary>The name under which transformers.js looks for a graph.</summary>
    internal static string FileName(OnnxPrecision precision) => precision switch
    {
        OnnxPrecision.Float32 => "model.onnx",
        OnnxPrecision.Float16 => "model_fp16.onnx",
        OnnxPrecision.Int8 => "model_quantized.onnx",
        _ => throw new ArgumentOutOfRangeException(nameof(precision), precision, "expected Float32, Float16 or Int8"),
    };

    /// <summary>transformers.js asks for a second file only where it is told of one.</summary>
    private static DebertaConfig ConfigWith(DebertaConfig config, JsonObject external)
    {
        var keys = (JsonObject)config.OtherKeys.DeepClone();
        keys.Remove("transformers.js_config");
        // Not true of a graph's weights, which their file describes.
        keys.Remove("quantization_config");
        if (external.Count > 0)
        {
            keys["transformers.js_config"] = new JsonObject { ["use_external_data_format"] = external };
        }

        keys["architectures"] = new JsonArray(nameof(DebertaV2ForTokenClassification));
        return config with { OtherKeys = keys };
    }
}
