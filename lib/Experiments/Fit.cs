using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Platform;
using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>A training, done: how it ended, and the history from which every curve is drawn.</summary>
public sealed class Fit
{
    private Fit(TrainingResult? result, long peakMemoryBytes) => (Result, PeakMemoryBytes) = (result, peakMemoryBytes);

    /// <summary>How it ended; null where nothing was trained.</summary>
    public TrainingResult? Result { get; }

    /// <summary>All that was logged; empty where nothing was trained.</summary>
    public TrainingHistory History => Result?.History ?? TrainingHistory.Empty;

    /// <summary>Largest resident memory of the process while it trained.</summary>
    public long PeakMemoryBytes { get; }

    /// <summary>How it ended, as a card; says so where nothing was trained.</summary>
    public HtmlView Card => Result is null ? new EmptyView("Training", "Nothing is trained in this profile: the published weights are tested as they are.") : RunCard.Result(Result);

    /// <summary>What the training will do: device, parameters, effective batch, updates, seed; says so where nothing is trained.</summary>
    /// <param name="plan">How.</param>
    /// <param name="data">On what.</param>
    /// <param name="model">The model.</param>
    public static HtmlView Announce(ExperimentPlan plan, ExperimentData data, ExperimentModel model)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        return plan.Trains
            ? RunCard.Plan(new Trainer(model.Network, data.Labels, data.TrainRows, data.ValidationRows, plan.TrainingOn(data)).Summary)
            : new EmptyView("Training", "Nothing is trained in this profile.");
    }

    /// <summary>Trains the model of an experiment, or goes on with a run that was stopped. The model then holds the best evaluation's weights, or the last.</summary>
    /// <param name="plan">How.</param>
    /// <param name="data">On what.</param>
    /// <param name="model">
    /// Trained in place. When it was trained before, it starts again from its checkpoint: running the cell twice is running it once. Only checkpoints of a run that this process
    /// began are replaced for that; a run that was gone on with is gone on with again.
    /// </param>
    /// <param name="observers">Who watches: a live panel, a tracker.</param>
    /// <exception cref="InvalidOperationException">The folder holds a run that the plan may not replace, or that is not the plan's.</exception>
    /// <exception cref="NonFiniteLossException">A loss or norm was not finite.</exception>
    /// <exception cref="IOException">The last checkpoint could not be written.</exception>
    /// <exception cref="OperationCanceledException">It was interrupted; the checkpoint from which it can go on is named.</exception>
    public static Fit Run(ExperimentPlan plan, ExperimentData data, ExperimentModel model, params IReadOnlyList<ITrainingObserver> observers)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        if (!plan.Trains)
        {
            return new(null, 0);
        }

        var isAgain = model.IsTrained && plan.Training.ExistingRun == ExistingRun.Refuse && OwnRuns.Contains(plan.Training.OutputFolder);
        var settings = plan.TrainingOn(data) with { ExistingRun = isAgain ? ExistingRun.Replace : plan.Training.ExistingRun };
        if (model.IsTrained)
        {
            model.Restore(data);
        }

        model.IsTrained = true;
        _ = ResidentMemory.TryResetPeak();
        var result = new Trainer(model.Network, data.Labels, data.TrainRows, data.ValidationRows, settings, observers).Train(Interruption.Token);
        Interruption.Token.ThrowIfCancelled(result);
        if (plan.KeepsBest && result.BestFolder is { } best)
        {
            model.LoadWeights(best);
        }

        model.Network.eval();
        return new(result, ResidentMemory.PeakBytes);
    }
}

/// <summary>Turns a wish to stop into the end of a cell.</summary>
internal static class InterruptionWords
{
    /// <exception cref="OperationCanceledException">Somebody asked to stop.</exception>
    public static void ThrowIfCancelled(this CancellationToken token, TrainingResult result)
    {
        if (token.IsCancellationRequested && result.End == TrainingEnd.Stopped)
        {
            throw new OperationCanceledException(
                Invariant($"Training was interrupted after {result.Updates:N0} of {result.Summary.Updates:N0} updates. Nothing is lost: {result.LastCheckpoint} holds its state. ")
                + HostWords.GoOn, token);
        }
    }
}
