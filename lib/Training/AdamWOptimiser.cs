using NotebookLib.Model;
using NotebookLib.Platform;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>
/// AdamW over a model's trainable parameters in two groups, with and without decay, one fused call each. It owns its moments (float32, like the parameters)
/// and gives them by name for a checkpoint.
/// </summary>
internal sealed class AdamWOptimiser : IDisposable
{
    private readonly TrainingSettings _settings;
    private readonly Slot[] _decayed;
    private readonly Slot[] _undecayed;
    private readonly Tensor _made;

    /// <summary>An optimiser that has made no update yet.</summary>
    /// <param name="groups">What to train.</param>
    /// <param name="settings">Betas, decay, epsilon.</param>
    /// <param name="trainedRows">Rows of one of the parameters that alone are to be kept moments for; the caller owns it.</param>
    internal AdamWOptimiser(ParameterGroups groups, TrainingSettings settings, TrainedRows? trainedRows = null)
    {
        _settings = settings;
        _decayed = [.. groups.Decayed.Select(pair => new Slot(pair.Name, pair.Value, trainedRows))];
        _undecayed = [.. groups.Undecayed.Select(pair => new Slot(pair.Name, pair.Value, trainedRows))];
        Slots = [.. _decayed, .. _undecayed];
        _made = zeros([], device: Slots is [var first, ..] ? first.Parameter.device : CPU).DetachFromDisposeScope();
    }

    /// <summary>Updates made; those that were left out on the device are among them until <see cref="Discount"/>.</summary>
    public int UpdateCount { get; private set; }

    /// <summary>The 2-norm over all gradients there are; the value stays on the device.</summary>
    /// <returns>Scalar, float32; 0 when there is no gradient.</returns>
    public Tensor GradientNorm()
    {
        using var scope = NewDisposeScope();
        using var part = StepClock.Part("norm and clipping");
        var norm = Gradients() is { Length: > 0 } gradients ? TorchScriptOps.TotalNorm(gradients) : zeros([], device: _made.device);
        return norm.MoveToOuterDisposeScope();
    }

    /// <summary>Scales all gradients down to a total norm, as <c>torch.nn.utils.clip_grad_norm_</c> does.</summary>
    /// <param name="totalNorm">Their norm now, scalar.</param>
    /// <param name="maximumNorm">The largest norm allowed, above 0.</param>
    public void ClipGradients(Tensor totalNorm, double maximumNorm)
    {
        using var scope = NewDisposeScope();
        using var part = StepClock.Part("norm and clipping");
        TorchScriptOps.ScaleInPlace(Gradients(), (maximumNorm / (totalNorm + 1e-6)).clamp_max(1));
    }

    /// <summary>Multiplies all gradients.</summary>
    /// <param name="factor">For instance one over the loss scale.</param>
    public void ScaleGradients(double factor)
    {
        using var scope = NewDisposeScope();
        TorchScriptOps.ScaleInPlace(Gradients(), full([], factor, ScalarType.Float32, _made.device));
    }

    /// <summary>Makes one update from the gradients there are; parameters without one stay as they are, as in torch.</summary>
    /// <param name="learningRate">Its rate.</param>
    /// <param name="skip">1 leaves everything as it is: a float32 scalar on the parameters' device, so that nobody waits to learn it. Null makes the update; so
    /// it must be with trained rows.</param>
    public void Step(double learningRate, Tensor? skip = null)
    {
        using var scope = NewDisposeScope();
        using var part = StepClock.Part("AdamW");
        UpdateCount++;
        var step = _made + 1;
        Step(_decayed, new(learningRate, _settings.WeightDecay, _settings.Beta1, _settings.Beta2, _settings.Epsilon), step, skip);
        Step(_undecayed, new(learningRate, 0, _settings.Beta1, _settings.Beta2, _settings.Epsilon), step, skip);
        _made.copy_(skip is null ? step : step - skip);
    }

    /// <summary>Takes updates that were left out on the device out of the count.</summary>
    public void Discount(int updates) => UpdateCount -= updates;

    /// <summary>Copies of the gradients there are, by name, for <see cref="PutBack"/>; they belong to the caller's dispose scope.</summary>
    internal Dictionary<string, Tensor> CopyGradients() =>
        Slots.Where(slot => slot.Gradient is not null).ToDictionary(slot => slot.Name, slot => slot.Gradient!.clone(), StringComparer.Ordinal);

    /// <summary>Makes the gradients what <see cref="CopyGradients"/> gave, and no others.</summary>
    internal void PutBack(IReadOnlyDictionary<string, Tensor> gradients)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        ClearGradients();
        foreach (var slot in Slots.Where(slot => gradients.ContainsKey(slot.Name)))
        {
            slot.SetGradient(gradients[slot.Name]);
        }
    }

    /// <summary>Forgets the gradients: the next backward pass then leaves its own instead of adding to zeros.</summary>
    public void ClearGradients()
    {
        foreach (var slot in Slots)
        {
            slot.ClearGradient();
        }
    }

    /// <summary>Moments, and gradients when an accumulation is under way, by name: <c>exp_avg.NAME</c>, <c>exp_avg_sq.NAME</c>, <c>grad.NAME</c>.</summary>
    /// <param name="withGradients">True in the middle of an accumulation.</param>
    /// <returns>The optimiser's own moments (read them, don't dispose them) and views of the gradients, which belong to the caller's dispose scope.</returns>
    public Dictionary<string, Tensor> StateTensors(bool withGradients)
    {
        var state = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (var slot in Slots)
        {
            if (slot.Rows is { } rows)
            {
                state["rows." + slot.Name] = rows.Rows;
            }

            state["exp_avg." + slot.Name] = slot.FirstMoment;
            state["exp_avg_sq." + slot.Name] = slot.SecondMoment;
            if (withGradients && slot.Gradient is { } gradient)
            {
                state["grad." + slot.Name] = gradient;
            }
        }

        return state;
    }

    /// <summary>Goes on where a checkpoint left off.</summary>
    /// <param name="state">What <see cref="StateTensors"/> gave.</param>
    /// <param name="updates">Updates made so far.</param>
    /// <exception cref="InvalidDataException">A tensor is missing or has another shape.</exception>
    public void Restore(IReadOnlyDictionary<string, Tensor> state, int updates)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        foreach (var slot in Slots)
        {
            slot.FirstMoment.copy_(Find(state, "exp_avg.", slot));
            slot.SecondMoment.copy_(Find(state, "exp_avg_sq.", slot));
            if (state.ContainsKey("grad." + slot.Name))
            {
                slot.SetGradient(Find(state, "grad.", slot));
            }
        }

        SetCount(updates);
    }

    /// <summary>Goes on with moments that are there already.</summary>
    public void SetCount(int updates)
    {
        using var scope = NewDisposeScope();
        UpdateCount = updates;
        _made.fill_(updates);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        foreach (var slot in Slots)
        {
            slot.FirstMoment.Dispose();
            slot.SecondMoment.Dispose();
        }

        _made.Dispose();
    }

    /// <summary>All that is trained, always in the same order.</summary>
    internal IReadOnlyList<Slot> Slots { get; }

    private Tensor[] Gradients() => [.. Slots.Select(slot => slot.Gradient).OfType<Tensor>()];

    private static void Step(Slot[] slots, AdamWRates rates, Tensor step, Tensor? skip)
    {
        var pairs = slots.Select(slot => (slot, gradient: slot.Gradient)).Where(pair => pair.gradient is not null).ToArray();
        Tensor[] values = [.. pairs.Select(pair => pair.slot.Values())];
        TorchScriptOps.AdamWStep(
            values, [.. pairs.Select(pair => pair.gradient!)], [.. pairs.Select(pair => pair.slot.FirstMoment)],
            [.. pairs.Select(pair => pair.slot.SecondMoment)], step, rates, skip);
        for (var i = 0; i < pairs.Length; i++)
        {
            pairs[i].slot.Rows?.Write(values[i], (float)(1 - (rates.LearningRate * rates.WeightDecay)));
        }
    }

    // A state may hold a table whole or the trained rows only, whatever this optimiser does.
    private static Tensor Find(IReadOnlyDictionary<string, Tensor> state, string kind, Slot slot)
    {
        var (name, shape) = (kind + slot.Name, slot.Parameter.shape);
        if (!state.TryGetValue(name, out var found))
        {
            throw new InvalidDataException($"The optimiser state lacks {name}; was it saved for another model?");
        }

        if (state.TryGetValue("rows." + slot.Name, out var rows))
        {
            found = Whole(found, rows, name, shape);
        }

        return !found.shape.SequenceEqual(shape)
            ? throw new InvalidDataException($"{name}: expected shape [{string.Join(", ", shape)}], the checkpoint has [{string.Join(", ", found.shape)}].")
            : slot.Rows is null ? found : found.index_select(0, slot.Rows.Rows);
    }

    private static Tensor Whole(Tensor found, Tensor rows, string name, long[] shape) =>
        rows.dtype == ScalarType.Int64 && rows.dim() == 1 && found.dim() == 2 && found.shape[0] == rows.shape[0] && found.shape[1] == shape[^1]
            && (rows.numel() == 0 || (rows.min().item<long>() >= 0 && rows.max().item<long>() < shape[0]))
            ? zeros(shape, found.dtype).index_copy_(0, rows, found)
            : throw new InvalidDataException($"{name}: shape [{string.Join(", ", found.shape)}] does not fit the {rows.numel()} rows that the checkpoint "
                + "names; is the file damaged?");

    /// <summary>A parameter, its gradient and its moments.</summary>
    internal sealed class Slot
    {
        private readonly Parameter _parameter;

        public Slot(string name, Parameter parameter, TrainedRows? rows)
        {
            (Name, _parameter, Rows) = (name, parameter, ReferenceEquals(rows?.Table, parameter) ? rows : null);
            long[] shape = Rows is null ? parameter.shape : [Rows.Rows.shape[0], parameter.shape[1]];
            FirstMoment = zeros(shape, parameter.dtype, parameter.device).DetachFromDisposeScope();
            SecondMoment = zeros(shape, parameter.dtype, parameter.device).DetachFromDisposeScope();
        }

        public string Name { get; }

        public Parameter Parameter => _parameter;

        public TrainedRows? Rows { get; }

        public Tensor? Gradient => Rows is null ? _parameter.grad : Rows.Gradient;

        public Tensor FirstMoment { get; }

        public Tensor SecondMoment { get; }

        /// <summary>What an update changes: the parameter itself, or a copy of its trained rows.</summary>
        public Tensor Values() => Rows is null ? _parameter : Rows.Read();

        public void SetGradient(Tensor gradient)
        {
            if (Rows is null)
            {
                _parameter.grad = gradient.to(_parameter.device).clone();
            }
            else
            {
                Rows.SetGradient(gradient);
            }
        }

        public void ClearGradient()
        {
            _parameter.grad = null;
            Rows?.ClearGradient();
        }
    }
}
