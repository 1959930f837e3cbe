using System.Diagnostics;
using System.Runtime.InteropServices;
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
    private readonly PassPlanner _passes;
    private readonly CheckpointKeeper _checkpoints;
    private readonly Evaluations _evaluations;
    private readonly ICommunicator? _ranks;
    private readonly GradientExchange? _exchange;
    private readonly TrainingControl _control = new();
    private readonly Stopwatch _wholeRun = new();
    private readonly Stopwatch _training = new();
    private readonly HeapTrimmer _heap = new();
    private readonly Device _device;
    private readonly bool _readsLate;
    private TrainerState _position = new();
    private double _secondsBefore;
    private double _lastNorm;
    private string? _savedFolder;
    private string? _agreedStop;

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
        _passes = new(task, settings, _order, _precision, _observers);
        _checkpoints = new(task, settings, _plan, _optimiser, _ledger, _scaler, _observers, ranks);
        _evaluations = new(task, settings, _plan, _precision, _checkpoints, _observers, ranks);
        _exchange = ranks is null ? null : new(ranks, task, _optimiser.Slots);
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

            while (_position.Update < _plan.Updates && StopReason is null && !_evaluations.IsPatienceOver(_position))
            {
                RunUpdate(cancellation);
            }

            return End();
        }
        catch (Exception error)
        {
            var told = error is LostRankException ? KeepBefore(error, "go on from there, with any number of ranks.") : error;
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
        _exchange?.Dispose();
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
        _passes.Foresee(ResidentMemory.Available());
    }

    private void RunUpdate(CancellationToken cancellation)
    {
        _training.Restart();
        var microBatches = _order.MicroBatchesOfUpdate(_position.MicroBatches - _position.Accumulated).ToList();
        double? divisor = _settings.LossAverage == LossAverage.LabelledPieces ? DivisorOf(microBatches) : null;
        var isComplete = RunMicroBatches(microBatches, divisor);
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

    /// <summary>Gathers the gradients of an update, in as few passes as memory allows; where it was short, again in smaller ones.</summary>
    /// <returns>False when somebody asked for a stop before the last micro-batch.</returns>
    private bool RunMicroBatches(List<long> microBatches, double? divisor)
    {
        using var scope = NewDisposeScope();
        using var held = _task.HoldWeights();
        var start = new UpdateStart(_position.MicroBatches, _position.Accumulated, _position.TokensSinceLog, _task.RandomStates, _optimiser.CopyGradients());
        _ledger.Keep();
        _savedFolder = null;
        _exchange?.Begin(microBatches.Select(_order.RowsOf));
        var own = TakeShare(microBatches);
        while (_position.Accumulated < microBatches.Count)
        {
            var pass = _passes.Next(own, own.Count - (microBatches.Count - _position.Accumulated));
            try
            {
                RunPass(pass, divisor, isLast: pass[^1] == own[^1]);
            }
            catch (Exception error) when (PassMemory.IsShort(error))
            {
                try
                {
                    _passes.Shrink(_position.Update + 1, pass, error);
                }
                catch (InvalidOperationException end)
                {
                    StartAgain(start);
                    throw KeepBefore(end, "go on from there with other settings of memory.");
                }

                StartAgain(start);
                own = TakeShare(microBatches);
            }

            if (StopReason is not null && _position.Accumulated < microBatches.Count)
            {
                return false;
            }
        }

        try
        {
            AddShares(microBatches, start.Accumulated);
        }
        catch (LostRankException)
        {
            StartAgain(start);
            throw;
        }

        return true;
    }

    /// <summary>Takes this rank's micro-batches of what is left of an update; those of the others count as done. Alone it takes all.</summary>
    private List<long> TakeShare(List<long> microBatches)
    {
        var left = microBatches[_position.Accumulated..];
        if (_ranks is null)
        {
            return left;
        }

        var (first, count) = _ranks.PartOf(left.Count);
        Advance([.. left[..first], .. left[(first + count)..]]);
        _task.SkipRandom(first);
        return left.GetRange(first, count);
    }

    /// <summary>Makes the gradients and losses of this rank's share those of the whole update.</summary>
    private void AddShares(List<long> microBatches, int done)
    {
        if (_exchange is null)
        {
            return;
        }

        var (first, count) = _ranks!.PartOf(microBatches.Count - done);
        _task.SkipRandom(microBatches.Count - done - first - count);
        var shares = new float[microBatches.Count - done];
        foreach (var (microBatch, loss) in _ledger.Shares)
        {
            shares[microBatch - microBatches[done]] = loss;
        }

        if (_exchange.Finish(shares, wishesStop: _control.StopReason is not null))
        {
            _agreedStop = _control.StopReason ?? "another rank was asked to stop";
        }

        foreach (var (from, to) in new[] { (0, first), (first + count, shares.Length) }.Where(others => others.Item1 < others.Item2))
        {
            using var others = tensor(shares[from..to], device: _device);
            _ledger.Add(microBatches[done] + from, others);
        }
    }

    // Ranks stop together: where all of them know of the wish.
    private string? StopReason => _ranks is null ? _control.StopReason : _agreedStop;

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

    /// <summary>Forward and backward of some micro-batches; their gradients add to those of the update.</summary>
    private void RunPass(IReadOnlyList<long> microBatches, double? divisor, bool isLast)
    {
        using var scope = NewDisposeScope();
        ReadOnlyMemory<int>[] rows = [.. microBatches.Select(_order.RowsOf)];
        Tensor losses;
        using (_precision.Enter())
        {
            losses = _task.ComputeLosses(rows, microBatches[0], divisor);
        }

        // The reference divides by the accumulation steps even where an epoch's end makes the update smaller.
        var shares = divisor is null ? losses / _settings.AccumulationSteps : losses;
        var share = shares.sum();
        using (isLast && _exchange is not null ? _task.WatchLayers(_exchange.LayerDone) : null)
        {
            BackwardPass.Run(_scaler is null ? share : share * _scaler.Scale);
        }

        _ledger.Add(microBatches[0], shares);
        Advance(microBatches);
    }

    private void Advance(IReadOnlyList<long> microBatches)
    {
        foreach (var row in microBatches.SelectMany(microBatch => MemoryMarshal.ToEnumerable(_order.RowsOf(microBatch))))
        {
            _position.TokensSinceLog += _task.TokensOf(row);
        }

        _position.MicroBatches += microBatches.Count;
        _position.Accumulated += microBatches.Count;
    }

    /// <summary>Goes back to where the update stood when this process began with it: a pass that failed may have left some gradients.</summary>
    private void StartAgain(UpdateStart start)
    {
        (_position.MicroBatches, _position.Accumulated, _position.TokensSinceLog) = (start.MicroBatches, start.Accumulated, start.Tokens);
        _task.RestoreRandomStates(start.RandomStates);
        _optimiser.PutBack(start.Gradients);
        _ledger.StartAgain();
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
            _agreedStop ??= _control.StopReason ?? "another rank was asked to stop";
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
            : (TrainingEnd.Stopped, StopReason ?? "stopped");
        if (_exchange is { Bytes: > 0 })
        {
            _observers.Notice($"{_ranks!.Count} ranks: each gave {NumberText.Size(_exchange.Bytes)} of gradients to be summed and waited "
                + Invariant($"{_exchange.Waited.TotalSeconds:0.0} of {_wholeRun.Elapsed.TotalSeconds:0.0} s for sums."));
        }

        var (sinceLog, _) = _ledger.Read();
        var result = new TrainingResult(end, reason, _position.Update, _position.History, _savedFolder!,
            _position.BestValue is null ? null : _checkpoints.BestFolder,
            Summary, ElapsedSeconds, (_position.LossBeforeLog + sinceLog) / Math.Max(1, _optimiser.UpdateCount), _observers.Notices);
        _observers.Tell(observer => observer.RunEnded(result));
        return result;
    }

    private double ElapsedSeconds => _secondsBefore + _wholeRun.Elapsed.TotalSeconds;

    private double DivisorOf(IEnumerable<long> microBatches)
    {
        var weight = 0.0;
        foreach (var microBatch in microBatches)
        {
            foreach (var row in _order.RowsOf(microBatch).Span)
            {
                weight += _task.LossWeightOf(row);
            }
        }

        return weight > 0 ? weight : 1; // An update without a labelled piece has no gradient, not a NaN.
    }

    /// <summary>Where an update stood when this process began with it.</summary>
    /// <param name="MicroBatches">Micro-batches done since the start of the run.</param>
    /// <param name="Accumulated">Those of the update among them; some only after a resume in the middle of it.</param>
    /// <param name="Tokens">Pieces since the last log.</param>
    /// <param name="RandomStates">The task's generators.</param>
    /// <param name="Gradients">What the update had gathered.</param>
    private sealed record UpdateStart(
        long MicroBatches, int Accumulated, long Tokens, IReadOnlyDictionary<string, byte[]> RandomStates, IReadOnlyDictionary<string, Tensor> Gradients);
}
