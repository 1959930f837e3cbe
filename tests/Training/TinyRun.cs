using System.Text.Json;
using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>A tiny model (2 layers, hidden 32, every switch on, dropout 0.1) and 72 + 20 rows in a folder of its own: a training in milliseconds.</summary>
internal sealed class TinyRun : IDisposable
{
    private static readonly string Golden = Repository.PathOf("tests", "goldens", "training", "full-linear");
    private static readonly Lazy<(List<EncodedSentence> Training, List<EncodedSentence> Evaluation)> Rows = new(ReadRows);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("tiny-run-");

    public TinyRun()
    {
        var start = Directory.CreateDirectory(Path.Combine(_folder.FullName, "start")).FullName;
        File.Copy(Path.Combine(Golden, "start", "model.safetensors"), Path.Combine(start, "model.safetensors"));
        var config = File.ReadAllText(Path.Combine(Golden, "start", "config.json"))
            .Replace("\"attention_probs_dropout_prob\": 0.0", "\"attention_probs_dropout_prob\": 0.1", StringComparison.Ordinal)
            .Replace("\"hidden_dropout_prob\": 0.0", "\"hidden_dropout_prob\": 0.1", StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(start, "config.json"), config);
    }

    public static List<EncodedSentence> Training => Rows.Value.Training;

    public static List<EncodedSentence> Evaluation => Rows.Value.Evaluation;

    /// <summary>72 rows / 5 = 15 micro-batches an epoch, 4 to an update: epochs end in the middle of an accumulation.</summary>
    public TrainingSettings Settings => new()
    {
        BatchSize = 5,
        AccumulationSteps = 4,
        EvaluationBatchSize = 8,
        MaximumUpdates = 10,
        LearningRate = 1e-3,
        WarmupUpdates = 2,
        LogEvery = 3,
        EvaluateEvery = 4,
        SaveEvery = 5,
        BestMetric = "loss",
        OutputFolder = Output,
    };

    public string Output => Path.Combine(_folder.FullName, "output");

    /// <summary>Trains a freshly loaded model.</summary>
    /// <returns>The result and the final weights by name.</returns>
    public (TrainingResult Result, Dictionary<string, float[]> Weights) Train(TrainingSettings settings, params ITrainingObserver[] observers) =>
        Train(settings, CancellationToken.None, observers);

    public (TrainingResult Result, Dictionary<string, float[]> Weights) Train(TrainingSettings settings, CancellationToken cancellation,
        params ITrainingObserver[] observers)
    {
        using var model = LoadModel();
        var result = new Trainer(model, LabelSet.SystemA, Training, Evaluation, settings, observers).Train(cancellation);
        return (result, WeightsOf(model));
    }

    public DebertaV2ForTokenClassification LoadModel() => ModelFolder.Load(Path.Combine(_folder.FullName, "start")).Model;

    public static Dictionary<string, float[]> WeightsOf(nn.Module model) =>
        model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.detach().data<float>().ToArray(), StringComparer.Ordinal);

    public static void AssertEqualBits(Dictionary<string, float[]> expected, Dictionary<string, float[]> actual)
    {
        Assert.Equal(expected.Keys, actual.Keys);
        Assert.All(expected, pair => Assert.True(pair.Value.AsSpan().SequenceEqual(actual[pair.Key]), $"{pair.Key} differs"));
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static (List<EncodedSentence>, List<EncodedSentence>) ReadRows()
    {
        using var data = JsonDocument.Parse(File.ReadAllText(Path.Combine(Golden, "data.json")));
        List<EncodedSentence> Split(string name) => [.. data.RootElement.GetProperty(name).EnumerateArray()
            .Select(row => new EncodedSentence(Integers(row, "input_ids"), Integers(row, "labels"), Integers(row, "labels")))];
        return (Split("train"), Split("eval"));
    }

    private static int[] Integers(JsonElement row, string name) => [.. row.GetProperty(name).EnumerateArray().Select(value => value.GetInt32())];
}
