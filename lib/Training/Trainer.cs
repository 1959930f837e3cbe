using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Platform;
using TorchSharp;

namespace NotebookLib.Training;

/// <summary>
/// Fine-tunes a tagger as transformers 4.35.2's Trainer does, and keeps what that loses: the best model at every evaluation, and a state from which the run
/// goes on to the bit. Ranks that mpirun started train one model together: each makes the same calls, rank 0 writes and is watched.
/// </summary>
public sealed class Trainer
{
    private readonly DebertaV2ForTokenClassification _model;
    private readonly LabelSet _labels;
    private readonly IReadOnlyList<EncodedSentence> _training;
    private readonly IReadOnlyList<EncodedSentence> _evaluation;
    private readonly TrainingSettings _settings;
    private readonly IReadOnlyList<ITrainingObserver> _observers;
    private readonly Lock _turn = new();

    /// <summary>Prepares a run and checks everything that can be checked before it.</summary>
    /// <param name="model">Trained in place; its parameters that require a gradient change.</param>
    /// <param name="labels">Names the label ids; as many as the model's head has.</param>
    /// <param name="training">Rows to train on.</param>
    /// <param name="evaluation">Rows to evaluate on; may be empty.</param>
    /// <param name="settings">What the run decides.</param>
    /// <param name="observers">Who watches.</param>
    /// <exception cref="ArgumentException">The settings are contradictory or do not fit the data or the machine: all faults together.</exception>
    public Trainer(
        DebertaV2ForTokenClassification model, LabelSet labels, IReadOnlyList<EncodedSentence> training, IReadOnlyList<EncodedSentence> evaluation,
        TrainingSettings settings, params IReadOnlyList<ITrainingObserver> observers)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(evaluation);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(observers);
        (_model, _labels, _training, _evaluation, _settings, _observers) = (model, labels, training, evaluation, settings, observers);
        var isCuda = model.parameters().First().device_type == DeviceType.CUDA;
        SettingRules.ThrowIfFaulty("training", TrainingSettingsRules.FindFaults(settings, training.Count, evaluation.Count, labels.Count, isCuda));
        RefuseForeignLabels(model.Config.Labels.Count);
        Summary = RunSummary.Of(model, settings, training.Count, evaluation.Count);
    }

    /// <summary>What the run decides: known before it starts.</summary>
    public RunSummary Summary { get; }

    /// <summary>Trains, or goes on with a run that was stopped or killed when <see cref="TrainingSettings.ExistingRun"/> says so.</summary>
    /// <param name="cancellation">Ends the run at the next micro-batch, with a checkpoint; not an error.</param>
    /// <returns>How it ended, its history and where its checkpoints are. The model, in evaluation mode, holds the last weights, or the best ones
    /// (<see cref="TrainingSettings.LoadBestAtEnd"/>) unless the run was stopped.</returns>
    /// <exception cref="InvalidOperationException">The output folder holds a run that may not be continued.</exception>
    /// <exception cref="NonFiniteLossException">A loss or norm was not finite and the settings say stop.</exception>
    /// <exception cref="IOException">The last checkpoint could not be written.</exception>
    /// <exception cref="OperationCanceledException">Cancelled while an earlier call had not come to its end.</exception>
    public TrainingResult Train(CancellationToken cancellation = default)
    {
        // An editor runs a stopped cell again at once, while its last micro-batch may still be at work on the same model.
        while (!_turn.TryEnter(TimeSpan.FromMilliseconds(50)))
        {
            cancellation.ThrowIfCancellationRequested();
        }

        try
        {
            return TrainAlone(cancellation);
        }
        finally
        {
            _turn.Exit();
        }
    }

    private TrainingResult TrainAlone(CancellationToken cancellation)
    {
        _ = ResidentMemory.TryResetPeak();
        var result = Run(cancellation) with { PeakMemoryBytes = ResidentMemory.PeakBytes };
        if (_settings.LoadBestAtEnd && result is { End: not TrainingEnd.Stopped, BestFolder: { } best })
        {
            if (Ranks.IsFirst)
            {
                new TaggerWeights(_model).Load(best);
            }

            Ranks.Communicator?.ShareNow(_model.parameters().Where(parameter => parameter.requires_grad));
        }

        _model.eval();
        return result;
    }

    private TrainingResult Run(CancellationToken cancellation)
    {
        using var task = new TokenClassificationTask(_model, _labels, _training, _evaluation, _settings, ranks: Ranks.Communicator);
        using var loop = new TrainingLoop(task, _settings, _observers, Ranks.Communicator);
        return loop.Run(cancellation);
    }

    private void RefuseForeignLabels(int headWidth)
    {
        if (headWidth != _labels.Count)
        {
            throw new ArgumentException($"The model's head has {headWidth} labels, the label set {_labels.Count}; load the model with this label set.");
        }

        TokenEvaluation.RefuseForeignPieces(_model, "training", _training);
        TokenEvaluation.RefuseForeignPieces(_model, "evaluation", _evaluation);
        foreach (var (name, rows) in (ReadOnlySpan<(string, IReadOnlyList<EncodedSentence>)>)[("training", _training), ("evaluation", _evaluation)])
        {
            for (var row = 0; row < rows.Count; row++)
            {
                if (rows[row].Labels.FirstOrDefault(label => label != Batch.IgnoredLabel && (label < 0 || label >= headWidth), Batch.IgnoredLabel) is var label
                    and not Batch.IgnoredLabel)
                {
                    throw new ArgumentException($"{name} row {row} has label {label}; expected 0 to {headWidth - 1}, "
                        + $"or {Batch.IgnoredLabel} where nothing is to be predicted.");
                }
            }
        }
    }
}
