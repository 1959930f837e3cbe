using System.Text.Json;
using NotebookLib.Inference;
using NotebookLib.Model;
using NotebookLib.Tokenization;

namespace NotebookLib.Verification;

/// <summary>
/// Checks the inference pipeline against <c>pipeline/</c>: a model (<c>config.json</c> and weights), JSON lines with <c>strategy</c>, <c>text</c> and
/// <c>entities</c>, and <c>spm.model</c> there or in <c>../tokenizer</c>.
/// </summary>
public sealed class PipelineChecks : IGoldenCheck
{
    private const double ScoreTolerance = 1e-4;

    /// <inheritdoc />
    public string FolderName => "pipeline";

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options)
    {
        var tokenizer = DebertaTokenizer.Load(VocabularyOf(folder));
        using var model = LoadModel(folder, options);
        var pipeline = new TokenClassificationPipeline(tokenizer, new ModelPieceScorer(model));
        var compared = 0;
        foreach (var row in GoldenLines.FilesOf(folder, ".jsonl").SelectMany(path => CompareLines(FolderName, path, pipeline, options)))
        {
            compared++;
            yield return row;
        }

        if (compared == 0)
        {
            yield return CheckResult.Failed(FolderName, "cases", "no *.jsonl, plain or gzipped");
        }
    }

    /// <summary>Compares the cases of one file.</summary>
    internal static IEnumerable<CheckResult> CompareLines(string folderName, string path, TokenClassificationPipeline pipeline, VerifyOptions options)
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
