using NotebookLib.Inference;
using NotebookLib.Model;
using NotebookLib.Tokenization;
using static TorchSharp.torch;

namespace NotebookLib.Verification;

/// <summary>
/// Checks fine-tuned folders as transformers 5 leaves them against <c>transformers-5/FOLDER</c> (config.json, weights in float32, float16 or bfloat16, in one
/// file or several, tokenizer.json, expected.safetensors with input_ids, attention_mask, logits), and <c>transformers-5/pipeline.jsonl</c> against what the
/// folder <c>float32</c> gives.
/// </summary>
public sealed class Transformers5Checks : IGoldenCheck
{
    private const string ExpectedName = "expected.safetensors";
    private const double Tolerance = 1e-5;

    /// <inheritdoc />
    public string FolderName => "transformers-5";

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options)
    {
        var compared = 0;
        foreach (var model in Directory.EnumerateDirectories(folder).Where(model => File.Exists(Path.Combine(model, ExpectedName)))
            .Order(StringComparer.Ordinal))
        {
            var name = $"{FolderName}/{Path.GetFileName(model)}";
            foreach (var row in GoldenFolder.Guard(name, () => CheckLogits(name, model, options)))
            {
                compared++;
                yield return row;
            }
        }

        var lines = Path.Combine(folder, "pipeline.jsonl");
        if (File.Exists(lines))
        {
            compared++;
            foreach (var row in GoldenFolder.Guard($"{FolderName}/pipeline.jsonl", () => CheckPipeline(lines, Path.Combine(folder, "float32"), options)))
            {
                yield return row;
            }
        }

        if (compared == 0)
        {
            yield return CheckResult.Failed(FolderName, "cases", $"no folder with {ExpectedName} in it, and no pipeline.jsonl");
        }
    }

    private static List<CheckResult> CheckLogits(string name, string folder, VerifyOptions options)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = ModelFolder.Load(folder, options.Loading(isStrict: true)).Model;
        var golden = GoldenFolder.Read(Path.Combine(folder, ExpectedName), options);
        var places = golden["attention_mask"].to(ScalarType.Bool);
        // The last digits of float32 are in proportion to the numbers.
        var scale = Math.Max(1, golden["logits"].abs().max().item<float>());
        List<CheckResult> rows = [];
        foreach (var usesKernels in (bool[])[true, false])
        {
            model.Deberta.Encoder.UsesPackedKernels = usesKernels;
            var logits = model.call(golden["input_ids"], golden["attention_mask"]);
            rows.Add(new(name, usesKernels ? "logits (kernels)" : "logits", GoldenFolder.Difference(logits[places], golden["logits"][places]),
                options.Allow(Tolerance) * scale));
        }

        return rows;
    }

    private static IEnumerable<CheckResult> CheckPipeline(string lines, string folder, VerifyOptions options)
    {
        using var model = ModelFolder.Load(folder, options.Loading(isStrict: true)).Model;
        var pipeline = new TokenClassificationPipeline(DebertaTokenizer.Load(folder), new ModelPieceScorer(model));
        return PipelineChecks.CompareLines("transformers-5", lines, pipeline, options);
    }
}
