using System.Diagnostics;
using NotebookLib.Model;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// The training of any <see cref="ITrainingTask"/>: micro-batches, updates, logs, evaluations, checkpoints, in the order of a <see cref="TrainingPlan"/>.
/// </summary>
internal sealed class TrainingLoop : IDisposable
{
    /// <summary>Updates whose norms may wait on the device, however seldom is logged.</summary>
    private const int MostUnread = 1000;

    private readonly ITrainingTask _task;
    private readonly TrainingSettings _settings;
    private readonly TrainingPlan _plan;
    private readonly MicroBatchOrder _order;
    private readonly PrecisionPolicy _precision;
    private readonly AdamWOptimiser _optimiser;
    private readonly LossLedger _ledger;
    private readonly LossScaler? _scaler;
    private readonly Observers _observers;
    private readonly HealthCheck _health;
    private readonly GradientAccumulation _accumulation;
    private readonly CheckpointKeeper _checkpoints;
    private readonly Evaluations _evaluations;
    private readonly ICommunicator? _ranks;
    private readonly TrainingControl _control = new();
    private readonly AgreedStop _stop;
    private readonly Stopwatch _wholeRun = new();
    private readonly Stopwatch _training = new();
    private readonly HeapTrimmer _heap = new();
    private readonly Device _device;
    private readonly bool _readsLate;
    private TrainerState _position = new();
    private double _secondsBefore;
    private double _lastNorm;
    private string? _savedFolder;

    /// <summary>Prepares a run; nothing is read or written yet.</summary>
    /// <param name="task">What is trained.</param>
    /// <param name="settings">Valid settings.</param>
    /// <param name="observers">Who watches; on rank 0 only.</param>
    /// <param name="ranks">Who trains the same task together; null for a process that is alone.</param>
    /// <exception cref="ArgumentException">The settings cannot work with this task: all faults together.</exception>
    public TrainingLoop(ITrainingTask task, TrainingSettings settings, IEnumerable<ITrainingObserver> observers, ICommunicator? ranks = null)
    {
        _ranks = ranks;
        _task = task;
        _settings = settings;
        var groups = ParameterGroups.Of(task.Model);
        _device = groups.Decayed.Concat(groups.Undecayed).First().Value.device;
        _plan = new(settings, task.RowCount);
        if (ranks is not null && Ranks.FindFault(ranks.Count, settings, _plan.MicroBatchesPerEpoch) is { } fault)
        {
            throw new ArgumentException(fault);
        }

        _order = new(_plan, settings.Seed);
        _precision = new(settings.Precision, _device.type);
        _precision.EnsureAvailable();
        _optimiser = new(groups, settings, task.TrainedRows);
        _ledger = new(_device);
        _scaler = _precision.NeedsLossScale ? new() : null;
        // Whether the loss scale and the schedule move has to be known at every update; gradients that are summed over ranks come from the device anyway.
        _readsLate = task.ReadsLate && _scaler is null && ranks is null;
        _observers = new(ranks is null or { Rank: 0 } ? observers : []);
        _health = new(task, settings, _order, _observers, writes: ranks is null or { Rank: 0 });
        _checkpoints = new(task, settings, _plan, _optimiser, _ledger, _scaler, _observers, ranks);
        _evaluations = new(task, settings, _plan, _precision, _checkpoints, _observers, ranks);
        _stop = new(_control, isShared: ranks is not null);
        _accumulation = new(task, settings, _order, _precision, _optimiser, _ledger, _scaler, _observers, _stop, ranks);
        Summary = RunSummary.Of(task.Model, settings, task.RowCount, task.EvaluationRowCount);
    }

    /// <summary>What the run decided.</summary>
    public RunSummary Summary { get; }

    /// <summary>Trains until the plan is done, an observer or the token asks for a stop, or the evaluations stop getting better.</summary>
    public TrainingResult Run(CancellationToken cancellation)
    {
        try
        {
            Start();
            using var registration = cancellation.Register(() => _control.RequestStop("cancelled"));
            if (_position.IsEvaluationPending)
            {
                Evaluate(cancellation);
            }

            while (_position.Update < _plan.Updates && _stop.Reason is null && !_evaluations.IsPatienceOver(_position))
            {
                RunUpdate(cancellation);
            }

            return End();
        }
        catch (Exception error)
        {
            var told = error is LostRankException ? KeepBefore(error, "go on from there, with any number of ranks.")
                : error == _accumulation.MemoryFault ? KeepBefore(error, "go on from there with other settings of memory.") : error;
            _ranks?.Leave(told);
            _observers.Tell(observer => observer.RunFailed(told));
            if (told != error)
            {
                throw told;
            }

            throw;
        }
    }

    /// <inheritdoc />
    public void Dispose()
    {
        _optimiser.ClearGradients();
        _accumulation.Dispose();
        _optimiser.Dispose();
        _health.Dispose();
        _ledger.Dispose();
        _checkpoints.Dispose();
    }

    private void Start()
    {
        manual_seed(_settings.Seed);
        _task.Seed(_settings.Seed);
        if (_ranks is not null)
        {
            RankAgreement.Require(_ranks, _task, _settings);
        }

        (_position, var resumed) = _checkpoints.Start();
        _savedFolder = _checkpoints.RestoredFrom;
        _secondsBefore = _position.ElapsedSeconds;
        _wholeRun.Start();
        _task.Model.train();
        _observers.Tell(observer => observer.RunStarted(Summary with { ResumedFrom = resumed }, _control));
        _accumulation.Foresee(ResidentMemory.Available());
    }

    private void RunUpdate(CancellationToken cancellation)
    {
        _training.Restart();
        var microBatches = _order.MicroBatchesOfUpdate(_position.MicroBatches - _position.Accumulated).ToList();
        _savedFolder = null;
        var isComplete = _accumulation.Run(_position, microBatches);
        if (isComplete)
        {
            MakeUpdate(microBatches);
        }

        _position.SecondsSinceLog += _training.Elapsed.TotalSeconds;
        if (isComplete)
        {
            _ = _heap.AfterUpdate();
            Follow(cancellation);
        }
    }

    /// <summary>Memory is at its end, or a rank is gone: what was trained so far becomes a checkpoint, and the run ends with a word.</summary>
    private Exception KeepBefore(Exception end, string advice)
    {
        if (_ranks is { Rank: > 0 })
        {
            return end;
        }

        if (_savedFolder is null && (_position.Update, _position.Accumulated) != (0, 0))
        {
            try
            {
                _observers.TryWrite($"The checkpoint of update {_position.Update}", Save);
            }
            catch (Exception error) when (PassMemory.IsShort(error))
            {
                // Not even that: the checkpoints before it are whole.
            }
        }

        return _savedFolder is null ? end
            : new InvalidOperationException($"{end.Message} The {_position.Update} updates before it are kept in {_savedFolder}: {advice}", end);
    }

    /// <summary>Clips the gathered gradients and moves the weights, unless something is not finite.</summary>
    private void MakeUpdate(IReadOnlyList<long> microBatches)
    {
        using var scope = NewDisposeScope();
        if (_readsLate)
        {
            MakeUpdateUnread(microBatches);
        }
        else
        {
            MakeUpdateByNorm(microBatches);
        }

        _ledger.ClearUpdate();
        _optimiser.ClearGradients();
        _position.Update++;
        _position.Accumulated = 0;
    }

    private void MakeUpdateByNorm(IReadOnlyList<long> microBatches)
    {
        if (_scaler is not null)
        {
            _optimiser.ScaleGradients(1 / _scaler.Scale);
        }

        var norm = _optimiser.GradientNorm();
        _lastNorm = DeviceRead.Scalar(norm);
        var isFinite = double.IsFinite(_lastNorm);
        if (isFinite)
        {
            Clip(norm);
            OwnRuns.AddTrained(_task.Model);
            _optimiser.Step(_plan.RateAt(ScheduleSteps));
            _ledger.CommitUpdate();
            _position.UpdatesSinceLog++;
        }
        else
        {
            var losses = _ledger.TakePasses();
            if (_scaler is null || losses.Any(pass => pass.Read().Any(pair => !float.IsFinite(pair.Loss))))
            {
                _health.Report(_position.Update + 1, _lastNorm, microBatches, losses);
            }

            losses.ForEach(pass => pass.Dispose());
        }

        _scaler?.Update(overflowed: !isFinite);
    }

    // Nothing is read from the device: it is told to leave the update out if its norm is not finite.
    private void MakeUpdateUnread(IReadOnlyList<long> microBatches)
    {
        var norm = _optimiser.GradientNorm();
        var skip = _health.Note(_position.Update + 1, norm, microBatches, _ledger.TakePasses());
        Clip(norm);
        OwnRuns.AddTrained(_task.Model);
        _optimiser.Step(_plan.RateAt(ScheduleSteps), skip);
        _ledger.CommitUpdate(skip);
    }

    private void Clip(Tensor norm)
    {
        if (_settings.MaximumGradientNorm > 0)
        {
            _optimiser.ClipGradients(norm, _settings.MaximumGradientNorm);
        }
    }

    // transformers 4.35.2, trainer.py: lr_scheduler.step() only where the optimiser stepped, which a loss scale alone can prevent.
    private int ScheduleSteps => _scaler is null ? _position.Update : _optimiser.UpdateCount;

    /// <summary>Reads what the updates since the last time came to, where that was not done at once.</summary>
    private void Settle()
    {
        if (_health.Settle() is var (made, skipped, norm))
        {
            _lastNorm = norm;
            _optimiser.Discount(skipped);
            _position.UpdatesSinceLog += made;
        }
    }

    /// <summary>What follows an update: log, evaluation, checkpoint, in the reference's order.</summary>
    private void Follow(CancellationToken cancellation)
    {
        if (_health.UnreadCount >= MostUnread)
        {
            Settle();
        }

        if (TrainingPlan.IsDue(_position.Update, _plan.LogEvery))
        {
            Log();
        }

        if (_evaluations.AreDue(_position.Update))
        {
            Evaluate(cancellation);
        }

        if (TrainingPlan.IsDue(_position.Update, _plan.SaveEvery) && _position.Update < _plan.Updates)
        {
            _observers.TryWrite($"The checkpoint of update {_position.Update}", Save);
        }
    }

    private void Evaluate(CancellationToken cancellation)
    {
        Settle();
        _task.TrainedRows?.CatchUp();
        _evaluations.Run(_position, cancellation);
        if (_position.IsEvaluationPending)
        {
            _stop.Agree();
        }
    }

    private void Log()
    {
        Settle();
        // Whoever watches may look at the weights.
        _task.TrainedRows?.CatchUp();
        var loss = _ledger.TakeSinceLog();
        var device = DeviceUsage.Of(_device);
        var step = new LoggedStep(
            _position.Update, _plan.EpochAt(_position.MicroBatches), _position.UpdatesSinceLog == 0 ? double.NaN : (double)loss / _position.UpdatesSinceLog,
            _plan.RateAt(ScheduleSteps), _lastNorm, _position.TokensSinceLog / Math.Max(_position.SecondsSinceLog, 1e-9), ElapsedSeconds)
        {
            MemoryBytes = ResidentMemory.CurrentBytes,
            DeviceMemoryBytes = device?.UsedBytes ?? 0,
            DeviceMemoryTotalBytes = device?.TotalBytes ?? 0,
            DeviceUtilisation = device?.Utilisation,
        };
        _position.LossBeforeLog += loss;
        _position.UpdatesSinceLog = 0;
        _position.TokensSinceLog = 0;
        _position.SecondsSinceLog = 0;
        _position.Steps.Add(step);
        _observers.Tell(observer => observer.StepLogged(step));
    }

    private void Save()
    {
        Settle();
        _task.TrainedRows?.CatchUp();
        _position.ElapsedSeconds = ElapsedSeconds;
        _savedFolder = _checkpoints.Save(_position, Summary);
    }

    private TrainingResult End()
    {
        Settle();
        if (_savedFolder is null)
        {
            Save();
        }

        var (end, reason) = _position.Update >= _plan.Updates ? (TrainingEnd.Finished, $"all {_plan.Updates} updates are made")
            : _evaluations.IsPatienceOver(_position)
            ? (TrainingEnd.StoppedEarly, $"{_settings.BestMetric} did not get better in {_settings.EarlyStoppingPatience} evaluations")
            : (TrainingEnd.Stopped, _stop.Reason ?? "stopped");
        if (_accumulation.Summed is { Bytes: > 0 } summed)
        {
            _observers.Notice($"{_ranks!.Count} ranks: each gave {NumberText.Size(summed.Bytes)} of gradients to be summed and waited "
                + Invariant($"{summed.Waited.TotalSeconds:0.0} of {_wholeRun.Elapsed.TotalSeconds:0.0} s for sums."));
        }

        var (sinceLog, _) = _ledger.Read();
        var result = new TrainingResult(end, reason, _position.Update, _position.History, _savedFolder!,
            _position.BestValue is null ? null : _checkpoints.BestFolder,
            Summary, ElapsedSeconds, (_position.LossBeforeLog + sinceLog) / Math.Max(1, _optimiser.UpdateCount), _observers.Notices);
        _observers.Tell(observer => observer.RunEnded(result));
        return result;
    }

    private double ElapsedSeconds => _secondsBefore + _wholeRun.Elapsed.TotalSeconds;
}
