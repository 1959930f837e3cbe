using System.Text.Json;
using NotebookLib.Model;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>Brings the parts of a run to disk and back: weights, optimiser, random states, position.</summary>
internal sealed class CheckpointKeeper(
    ITrainingTask task, TrainingSettings settings, TrainingPlan plan, AdamWOptimiser optimiser, LossLedger ledger, LossScaler? scaler, Observers observers,
    ICommunicator? ranks = null)
        : IDisposable
{
    private const string OptimiserFile = "optimizer.safetensors";
    private readonly CheckpointStore _store = new(settings.OutputFolder);
    private IDisposable? _lock;

    // What the others would write is what rank 0 writes.
    private bool Writes => ranks is null or { Rank: 0 };

    /// <summary>The checkpoint from which the run went on; null for a new run.</summary>
    public string? RestoredFrom { get; private set; }

    /// <summary>The folder of the best weights.</summary>
    public string BestFolder => _store.BestFolder;

    /// <summary>
    /// Decides whether the run starts afresh or goes on, and in the latter case restores everything. Of ranks the first does, and tells the others.
    /// </summary>
    /// <returns>Where the run stands, and the checkpoint that it goes on from.</returns>
    /// <exception cref="InvalidOperationException">The folder holds a run and the settings refuse that, it holds another run than the settings describe, or
    /// another run writes there now.</exception>
    public (TrainerState Position, ResumePoint? Resumed) Start()
    {
        if (ranks is null)
        {
            return Begin();
        }

        var (position, resumed) = Writes ? Begin() : (new(), null);
        var state = ranks.GatherNow(Writes ? JsonSerializer.SerializeToUtf8Bytes(Capture(position, summary: null), StateJson.Options) : [])[0];
        if (!Writes)
        {
            // A program may expect the folder that it named.
            Directory.CreateDirectory(_store.Folder);
            // Gradients of an update that was cut off stay rank 0's: each counts once.
            position = StrictJson.Deserialize<TrainerState>(state, StateJson.Options);
            RestoreRandom(position);
            optimiser.SetCount(position.OptimiserUpdates);
        }

        ranks.ShareNow(optimiser.Slots.Select(slot => slot.Parameter));
        if (position.Update > 0)
        {
            ranks.ShareNow(optimiser.Slots.SelectMany(slot => new[] { slot.FirstMoment, slot.SecondMoment }));
        }

        return (position, resumed);
    }

    private (TrainerState Position, ResumePoint? Resumed) Begin()
    {
        var hadBegun = _store.HasBegun;
        _lock ??= _store.Lock();
        _store.CleanUp();
        if (settings.ExistingRun == ExistingRun.Replace)
        {
            _store.Clear();
        }

        if (settings.ExistingRun == ExistingRun.Refuse && _store.FindRun() is { } found)
        {
            throw new InvalidOperationException($"{_store.Folder} holds a run already ({found}). "
                + $"Choose another folder, or go on with it: resume=true in a notebook, {nameof(ExistingRun)}.{nameof(ExistingRun.Resume)} in a program, "
                    + $"where {nameof(ExistingRun)}.{nameof(ExistingRun.Replace)} removes it.");
        }

        if (settings.ExistingRun is ExistingRun.Resume or ExistingRun.ReplaceFinished && _store.FindNewestWhole(observers.Notice) is { } folder)
        {
            var state = TrainerState.Load(folder);
            if (settings.ExistingRun == ExistingRun.Resume || !IsFinished(state))
            {
                Restore(folder, state);
                return (state, new(Path.GetFileName(folder), state.Update, state.History));
            }

            RefuseTrainedModel();
            observers.Notice(Invariant($"The finished run in {_store.Folder} ({state.Update} updates) is replaced."));
            _store.Clear();
        }
        else if (settings.ExistingRun == ExistingRun.Resume && hadBegun)
        {
            observers.Notice($"{_store.Folder} holds no whole checkpoint to go on from: the run starts at its beginning.");
        }

        RefuseTrainedModel();
        OwnRuns.Add(_store.Folder);
        return (new TrainerState(), null);
    }

    /// <summary>A run that may be one of several of the same model begins with the weights that were loaded, not with those that an earlier run left.</summary>
    /// <exception cref="InvalidOperationException">The model was trained already.</exception>
    private void RefuseTrainedModel()
    {
        if (settings.ExistingRun is ExistingRun.Resume or ExistingRun.ReplaceFinished && OwnRuns.HasTrained(task.Model))
        {
            throw new InvalidOperationException("The model was trained already, and a run that begins anew needs it as it was loaded. Load it once more first: "
                + "in a notebook, run its cell again, and those after it.");
        }
    }

    private bool IsFinished(TrainerState state) => (state.Update >= plan.Updates && !state.IsEvaluationPending)
        || (settings.EarlyStoppingPatience is { } patience && state.EvaluationsSinceBest >= patience);

    /// <summary>Gives the folder back.</summary>
    public void Dispose() => _lock?.Dispose();

    /// <summary>Writes a checkpoint from which the run can go on, then removes the oldest.</summary>
    /// <returns>Its folder.</returns>
    /// <exception cref="IOException">It could not be written; the older ones are whole.</exception>
    public string Save(TrainerState position, RunSummary summary)
    {
        if (!Writes)
        {
            return Path.Combine(_store.Folder, position.Name.ToString());
        }

        var folder = _store.Write(position.Name.ToString(), temporary =>
        {
            using var scope = NewDisposeScope();
            task.SaveWeights(temporary);
            SafetensorsFile.Write(Path.Combine(temporary, OptimiserFile), optimiser.StateTensors(withGradients: position.Accumulated > 0));
            Capture(position, summary).Save(temporary);
        });
        _store.Rotate(settings.KeepCheckpoints);
        observers.Tell(observer => observer.CheckpointSaved(folder, CheckpointKind.Resumable));
        return folder;
    }

    /// <summary>Writes the weights of the best evaluation so far.</summary>
    /// <exception cref="IOException">They could not be written; the former best is whole.</exception>
    public void SaveBest(LoggedEvaluation evaluation)
    {
        if (!Writes)
        {
            return;
        }

        var folder = _store.Write(CheckpointStore.BestName, temporary =>
        {
            task.SaveWeights(temporary);
            File.WriteAllText(Path.Combine(temporary, "evaluation.json"), System.Text.Json.JsonSerializer.Serialize(evaluation, StateJson.Options));
        });
        observers.Tell(observer => observer.CheckpointSaved(folder, CheckpointKind.Best));
    }

    private TrainerState Capture(TrainerState position, RunSummary? summary)
    {
        var (sinceLog, update) = ledger.Read();
        var random = task.RandomStates.Append(new(RandomState.LibtorchName, RandomState.OfLibtorch()));
        return position with
        {
            Epoch = plan.EpochAt(position.MicroBatches),
            OptimiserUpdates = optimiser.UpdateCount,
            UpdateLoss = update,
            LossSinceLog = sinceLog,
            RandomStates = random.ToDictionary(pair => pair.Key, pair => Convert.ToBase64String(pair.Value), StringComparer.Ordinal),
            LossScale = scaler?.Scale,
            GoodUpdates = scaler?.GoodUpdates ?? 0,
            DataFingerprint = task.DataFingerprint,
            Settings = settings,
            Summary = summary,
        };
    }

    private void Restore(string folder, TrainerState state)
    {
        RefuseContradictions(folder, state);
        try
        {
            task.LoadWeights(folder);
            RestoreOptimiser(folder, state);
            RestoreRandom(state);
        }
        catch (InvalidDataException damage) when (!damage.Message.Contains(folder, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{folder}: {damage.Message}", damage);
        }

        ledger.Restore(state.LossSinceLog, state.UpdateLoss);
        observers.Notice(IsFinished(state)
            ? Invariant($"The run is finished: {Path.GetFileName(folder)} holds its {state.Update} updates; nothing is trained again.")
            : Invariant($"The run goes on from {Path.GetFileName(folder)}: update {state.Update} of {plan.Updates}, epoch {state.Epoch:0.00}."));
        RestoredFrom = folder;
    }

    private void RestoreRandom(TrainerState state)
    {
        var random = state.DecodeRandomStates();
        RandomState.SetLibtorch(random[RandomState.LibtorchName]);
        task.RestoreRandomStates(random);
        if (state.LossScale is { } scale)
        {
            scaler?.Restore(scale, state.GoodUpdates);
        }
    }

    private void RestoreOptimiser(string folder, TrainerState state)
    {
        using var scope = NewDisposeScope();
        optimiser.Restore(SafetensorsFile.ReadAll(Path.Combine(folder, OptimiserFile)), state.OptimiserUpdates);
    }

    private void RefuseContradictions(string folder, TrainerState state)
    {
        var contradictions = state.FindContradictions(settings).ToList();
        if (state.DataFingerprint != task.DataFingerprint)
        {
            contradictions.Add($"the training rows are others ({task.RowCount} rows, fingerprint {task.DataFingerprint}; "
                + $"the checkpoint was made with {state.DataFingerprint})");
        }

        contradictions.AddRange(task.FindContradictions(folder));
        if (contradictions.Count > 0)
        {
            throw new InvalidOperationException($"{folder} cannot be continued with these settings:\n"
                + string.Join('\n', contradictions.Select(line => "  " + line)) + "\nGive the checkpoint's values, or start another run in another folder.");
        }
    }
}
