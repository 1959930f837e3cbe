using NotebookLib.Data;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Tests.Training;
using NotebookLib.Training;

namespace NotebookLib.Tests.Lora;

/// <summary>
/// A tiny run (see <see cref="TinyRun"/>) that trains adapters: a freshly loaded base and newly attached adapters each time, as a new process would have.
/// </summary>
internal sealed class LoraRun(LoraSettings lora, Action<DebertaV2ForTokenClassification>? prepare = null, string? start = null) : IDisposable
{
    private readonly TinyRun _run = new();

    public TrainingSettings Settings => _run.Settings;

    public string Output => _run.Output;

    /// <summary>Of the last run.</summary>
    public long TrainableParameters { get; private set; }

    public DebertaV2ForTokenClassification LoadBase() => _run.LoadModel();

    public (TrainingResult Result, Dictionary<string, float[]> Weights) Train(TrainingSettings? settings = null) => Run(settings ?? Settings, stopAfter: null);

    /// <summary>Trains until Ctrl-C comes in the middle of a micro-batch, counted from 1.</summary>
    public (TrainingResult Result, Dictionary<string, float[]> Weights) StopAfter(TrainingSettings settings, int microBatches) => Run(settings, microBatches);

    public void Dispose() => _run.Dispose();

    private (TrainingResult Result, Dictionary<string, float[]> Weights) Run(TrainingSettings settings, int? stopAfter)
    {
        using var model = LoadBase();
        prepare?.Invoke(model);
        using var adapters = LoraAdapters.Attach(model, lora, settings.Seed, start);
        TrainableParameters = adapters.TrainableParameters;
        using var source = new CancellationTokenSource();
        using var task = new StoppingTask(new TokenClassificationTask(model, LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, settings), source.Cancel,
            stopAfter ?? -1);
        using var loop = new TrainingLoop(task, settings, []);
        return (loop.Run(source.Token), TinyRun.WeightsOf(model));
    }
}
