extern alias lib;

using System.Text.Json;
using lib::NotebookLib.Inference;
using lib::NotebookLib.Model;
using lib::NotebookLib.Tokenization;
using static TorchSharp.torch;

namespace NotebookRunner.Verification;

/// <summary>
/// Checks the inference pipeline against <c>pipeline/</c>: a model (<c>config.json</c> and weights), JSON lines with <c>strategy</c>, <c>text</c> and
/// <c>entities</c>, and <c>spm.model</c> there or in <c>../tokenizer</c>.
/// </summary>
internal static class PipelineChecks
{
    private const double ScoreTolerance = 1e-4;

    private const string FolderName = "pipeline";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } = new(FolderName, Compare, "no *.jsonl, plain or gzipped");

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options)
    {
        var tokenizer = DebertaTokenizer.Load(VocabularyOf(folder));
        using var model = LoadModel(folder, options);
        var pipeline = new TokenClassificationPipeline(tokenizer, new ModelPieceScorer(model));
        foreach (var row in GoldenLines.FilesOf(folder, ".jsonl").SelectMany(path => CompareLines(FolderName, path, pipeline, options)))
        {
            yield return row;
        }
    }

    /// <summary>Compares the cases of one file.</summary>
    public static IEnumerable<CheckResult> CompareLines(string folderName, string path, TokenClassificationPipeline pipeline, VerifyOptions options)
    {
        var name = $"{folderName}/{Path.GetFileName(path)}";
        var scores = new Dictionary<string, double>();
        var rows = new ExactTally(name).Rows(tally => Compare(path, pipeline, tally, scores));
        return rows.Concat(scores.Select(pair => new CheckResult(name, $"scores ({pair.Key})", pair.Value, options.Allow(ScoreTolerance))));
    }

    private static void Compare(string path, TokenClassificationPipeline pipeline, ExactTally tally, Dictionary<string, double> scores)
    {
        foreach (var (line, golden) in GoldenLines.ReadJson(path))
        {
            var strategy = golden.GetProperty("strategy").GetString()!;
            if (!Enum.TryParse<AggregationStrategy>(strategy, ignoreCase: true, out var known))
            {
                throw new InvalidDataException($"{Path.GetFileName(path)}, line {line}: there is no strategy {strategy}");
            }

            var expected = golden.GetProperty(golden.Has("entities") ? "entities" : "result").EnumerateArray().Select(Read).ToArray();
            var actual = pipeline.Classify(golden.GetProperty("text").GetString()!, known).ToArray();
            tally.Count<TokenEntity>($"entities ({strategy})", WithoutScores(expected), WithoutScores(actual), line);
            var difference = expected.Zip(actual, (one, other) => (double)MathF.Abs(one.Score - other.Score)).DefaultIfEmpty(0).Max();
            scores[strategy] = Math.Max(difference, scores.GetValueOrDefault(strategy));
        }
    }

    private static TokenEntity Read(JsonElement entity) => new(
        entity.GetProperty(entity.Has("entity") ? "entity" : "entity_group").GetString()!,
        entity.GetProperty("score").GetSingle(),
        entity.GetProperty("word").GetString()!,
        entity.GetProperty("start").GetInt32(),
        entity.GetProperty("end").GetInt32(),
        entity.Has("index") ? entity.GetProperty("index").GetInt32() : null);

    private static TokenEntity[] WithoutScores(TokenEntity[] entities) => [.. entities.Select(entity => entity with { Score = 0 })];

    private static string VocabularyOf(string folder)
    {
        var own = Path.Combine(folder, "spm.model");
        return File.Exists(own) ? own : Path.Combine(folder, "..", "tokenizer", "spm.model");
    }

    /// <summary>
    /// Loads the folder's model; weights under a name of their own (<c>model.f16.safetensors</c>) go through a folder where they have the usual one.
    /// </summary>
    private static DebertaV2ForTokenClassification LoadModel(string folder, VerifyOptions options)
    {
        string[] weights = [.. GoldenLines.FilesOf(folder, ".safetensors")];
        if (weights.Length != 1 || Path.GetFileName(weights[0]) == "model.safetensors")
        {
            return ModelFolder.Load(folder, options.Loading()).Model;
        }

        var staged = Directory.CreateTempSubdirectory("notebooklib-verify-");
        try
        {
            File.Copy(Path.Combine(folder, "config.json"), Path.Combine(staged.FullName, "config.json"));
            File.Copy(weights[0], Path.Combine(staged.FullName, "model.safetensors"));
            return ModelFolder.Load(staged.FullName, options.Loading()).Model;
        }
        finally
        {
            staged.Delete(recursive: true);
        }
    }
}

/// <summary>
/// Checks fine-tuned folders as transformers 5 leaves them against <c>transformers-5/FOLDER</c> (config.json, weights in float32, float16 or bfloat16, in one
/// file or several, tokenizer.json, expected.safetensors with input_ids, attention_mask, logits), and <c>transformers-5/pipeline.jsonl</c> against what the
/// folder <c>float32</c> gives.
/// </summary>
internal static class Transformers5Checks
{
    private const string ExpectedName = "expected.safetensors";
    private const double Tolerance = 1e-5;

    private const string FolderName = "transformers-5";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } = new(FolderName, Compare, $"no folder with {ExpectedName} in it, and no pipeline.jsonl");

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options)
    {
        var lines = Path.Combine(folder, "pipeline.jsonl");
        return Directory.EnumerateDirectories(folder).Where(model => File.Exists(Path.Combine(model, ExpectedName))).Order(StringComparer.Ordinal)
            .Select(model => (Name: $"{FolderName}/{Path.GetFileName(model)}", Folder: model))
            .SelectMany(model => GoldenFolder.Guard(model.Name, () => CheckLogits(model.Name, model.Folder, options)))
            .Concat(File.Exists(lines)
                ? GoldenFolder.Guard($"{FolderName}/pipeline.jsonl", () => CheckPipeline(lines, Path.Combine(folder, "float32"), options))
                : []);
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
            model.Engine.UsesKernels = usesKernels;
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
        return PipelineChecks.CompareLines(FolderName, lines, pipeline, options);
    }
}
