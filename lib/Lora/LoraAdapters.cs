using NotebookLib.Model;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Lora;

/// <summary>
/// The adapters of a model: attached to the linear layers that the settings name, counted, merged into the weights and taken out again, saved and loaded as
/// PEFT 0.7.0 does. The base is frozen; adapters and head are trained.
/// </summary>
public sealed class LoraAdapters : IDisposable
{
    // Below the projection, so that parameters are called …query_proj.lora.lora_A.
    private const string ChildName = "lora";
    private readonly DebertaV2ForTokenClassification _model;
    private readonly List<(AdaptedModule Module, Projection Projection, LoraLayer Layer)> _adapted;
    // PEFT trains a copy of the head and keeps the original, which counts too.
    private readonly List<(Parameter Parameter, Tensor Original)> _head;
    private readonly HashSet<string> _trainedBefore;
    private readonly List<StoredWeight> _originalWeights = [];

    private LoraAdapters(DebertaV2ForTokenClassification model, LoraSettings settings, IReadOnlyList<(string Name, Projection Projection)> places, Generator? generator)
    {
        (_model, Settings) = (model, settings);
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        _trainedBefore = Freeze(model);
        _adapted = [.. places.Select(place => (ModuleOf(place.Name, place.Projection, settings.Rank), place.Projection,
            new LoraLayer(place.Projection, settings, model.Random, generator) { Owner = this }))];
        _head = [.. model.Classifier.parameters().Select(parameter => (parameter, parameter.detach().clone().DetachFromDisposeScope()))];
        _head.ForEach(part => part.Parameter.requires_grad = true);
        AttachLayers();
        IsAttached = true;
        TotalParameters = model.parameters().Sum(parameter => parameter.numel()) + _head.Sum(part => part.Original.numel());
        TrainableParameters = model.parameters().Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel());
    }

    /// <summary>What the adapters look like.</summary>
    public LoraSettings Settings { get; }

    /// <summary>The adapted layers, in the model's order.</summary>
    public IReadOnlyList<AdaptedModule> Modules => [.. _adapted.Select(adapted => adapted.Module)];

    /// <summary>Parameters that are trained: adapters and head.</summary>
    public long TrainableParameters { get; }

    /// <summary>All parameters as PEFT counts them: the base with its original head, adapters, and the trained copy of the head.</summary>
    public long TotalParameters { get; }

    /// <summary>True while the adapters add to their layers' outputs.</summary>
    public bool IsAttached { get; private set; }

    /// <summary>True while the weights contain the adapters; the model is then a plain one, which <see cref="ModelFolder.Save(DebertaV2ForTokenClassification, string)"/> saves whole.</summary>
    public bool IsMerged { get; private set; }

    /// <summary>Freezes a model and puts new adapters on it, which change nothing until they are trained.</summary>
    /// <param name="model">Keeps the adapters as its own parts.</param>
    /// <param name="settings">Where they sit and what they look like.</param>
    /// <param name="seed">Decides A; B is zero.</param>
    /// <exception cref="ArgumentException">The settings are faulty, or name layers that the model lacks: all faults together.</exception>
    /// <exception cref="InvalidOperationException">The model carries adapters already.</exception>
    public static LoraAdapters Attach(DebertaV2ForTokenClassification model, LoraSettings settings, long seed)
    {
        var places = Prepare(model, settings);
        using var generator = new Generator((ulong)seed);
        return new(model, settings, places, generator);
    }

    /// <summary>Puts saved adapters and their head on a model; they can be used as they are, or trained further.</summary>
    /// <param name="folder">Holds <c>adapter_config.json</c> and <c>adapter_model.safetensors</c> or <c>adapter_model.bin</c>, as PEFT and <see cref="Save"/> write them.</param>
    /// <param name="model">The base that they were trained on, with as many labels.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the adapters do not fit the model: all faults together.</exception>
    /// <exception cref="NotSupportedException">The adapters are of a kind that this library does not compute.</exception>
    /// <exception cref="InvalidOperationException">The model carries adapters already.</exception>
    public static LoraAdapters Load(string folder, DebertaV2ForTokenClassification model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var settings = AdapterConfig.Read(folder);
        var places = Prepare(model, settings);
        using var file = AdapterFile.Open(folder);
        file.EnsureFits([.. places.Select(place => ModuleOf(place.Name, place.Projection, settings.Rank))], model.Classifier.Weight.shape);
        var adapters = new LoraAdapters(model, settings, places, generator: null);
        file.ReadInto(adapters.TensorsByFileName());
        return adapters;
    }

    /// <summary>The adapters that a model carries now.</summary>
    /// <returns>Null for a plain model, and while they are merged.</returns>
    public static LoraAdapters? Of(DebertaV2ForTokenClassification model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.modules().OfType<LoraLayer>().FirstOrDefault()?.Owner;
    }

    /// <summary>What is wrong with settings for a model, the layers they name included.</summary>
    /// <returns>One line per fault, each with the value seen and one that would work; empty when all is well.</returns>
    public static IReadOnlyList<string> FindFaults(DebertaV2ForTokenClassification model, LoraSettings settings)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(settings);
        var names = Candidates(model).Select(candidate => candidate.Name).ToList();
        return [.. settings.FindFaults(), .. (settings.Targets ?? []).Where(target => LoraTarget.FindFault(target) is null && !names.Any(new LoraTarget(target).Matches))
            .Select(target => $"Targets has \"{target}\", which matches none of the model's {names.Count} linear layers; expected for instance {Nearest(target, names)}.")];
    }

    /// <summary>Adds the adapters to the weights (W + scale · B·A) and takes them off, so that the model is as fast as the base. Merging twice changes nothing more.</summary>
    public void Merge()
    {
        if (IsMerged)
        {
            return;
        }

        EnsureAttached();
        using var quiet = no_grad();
        foreach (var (_, projection, layer) in _adapted)
        {
            using var scope = NewDisposeScope();
            var merged = projection.DenseWeight() + layer.WeightChange();
            _originalWeights.Add(projection.Exchange(new(new Parameter(merged, requires_grad: false), null)));
        }

        DetachLayers();
        (IsMerged, IsAttached) = (true, false);
    }

    /// <summary>Puts the base's weights back, bit for bit, and the adapters beside them.</summary>
    public void Unmerge()
    {
        if (!IsMerged)
        {
            return;
        }

        foreach (var (adapted, original) in _adapted.Zip(_originalWeights))
        {
            adapted.Projection.Exchange(original).Dispose();
        }

        _originalWeights.Clear();
        AttachLayers();
        (IsMerged, IsAttached) = (false, true);
    }

    /// <summary>
    /// Gives the model back as it was: without adapters, with its own head and what of it was trained. Where <see cref="FrozenWeights.Store"/> rounded its weights,
    /// they stay rounded.
    /// </summary>
    public void Detach()
    {
        Unmerge();
        EnsureAttached();
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        DetachLayers();
        _head.ForEach(part => part.Parameter.copy_(part.Original));
        FrozenWeights.Store(_model.Deberta, WeightStorage.Dense);
        foreach (var (name, parameter) in _model.named_parameters())
        {
            parameter.requires_grad = _trainedBefore.Contains(name);
        }

        IsAttached = false;
    }

    /// <summary>Saves adapters and head for PEFT and <see cref="Load"/>; each file appears whole or not at all.</summary>
    /// <param name="folder">Receives <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>.</param>
    public void Save(string folder)
    {
        SafetensorsFile.Write(Path.Combine(folder, AdapterFile.SafetensorsName), TensorsByFileName());
        AdapterConfig.Write(folder, Settings);
    }

    /// <summary>Frees what <see cref="Unmerge"/> and <see cref="Detach"/> need, and adapters that are not attached; attached ones belong to the model.</summary>
    public void Dispose()
    {
        ForgetOriginalWeights();
        _head.ForEach(part => part.Original.Dispose());
        if (!IsAttached)
        {
            _adapted.ForEach(adapted => adapted.Layer.Dispose());
        }
    }

    /// <summary>For example <c>24 adapted layers, 171,295 trainable of 184,026,686 parameters (0.093 %)</c>.</summary>
    public override string ToString() => Invariant(
        $"{_adapted.Count} adapted layers, {TrainableParameters:N0} trainable of {TotalParameters:N0} parameters ({TrainableParameters / (double)TotalParameters:0.000 %})");

    /// <summary>Fills adapters and head from what <see cref="Save"/> wrote of them: goes back to a checkpoint without loading the base again.</summary>
    /// <exception cref="FileNotFoundException">The folder has no adapter.</exception>
    /// <exception cref="InvalidDataException">The file does not fit.</exception>
    public void ReadWeights(string folder)
    {
        using var file = AdapterFile.Open(folder);
        file.EnsureFits(Modules, _model.Classifier.Weight.shape);
        file.ReadInto(TensorsByFileName());
    }

    private static List<(string Name, Projection Projection)> Prepare(DebertaV2ForTokenClassification model, LoraSettings settings)
    {
        LoraSettings.ThrowIfFaulty(FindFaults(model, settings));
        if (Candidates(model).FirstOrDefault(candidate => candidate.Projection.Adapter is not null) is { Name: { } taken })
        {
            throw new InvalidOperationException($"{taken} carries an adapter already. Load the model anew, or go on with LoraAdapters.Of(model).");
        }

        var targets = settings.Targets.Select(target => new LoraTarget(target)).ToList();
        return [.. Candidates(model).Where(candidate => targets.Any(target => target.Matches(candidate.Name)))];
    }

    /// <summary>Every linear layer below the head.</summary>
    private static IEnumerable<(string Name, Projection Projection)> Candidates(DebertaV2ForTokenClassification model) => model.named_modules()
        .Where(pair => pair.module is Projection && !ReferenceEquals(pair.module, model.Classifier))
        .Select(pair => (pair.name, (Projection)pair.module));

    private static string Nearest(string target, IEnumerable<string> names)
    {
        // Names of one layer are enough: deberta.encoder.layer.N.attention.self.query_proj → attention.self.query_proj.
        var ends = names.Select(name => string.Join('.', name.Split('.').SkipWhile(part => !int.TryParse(part, out _)).Skip(1).DefaultIfEmpty(name))).Distinct();
        return string.Join(", ", LoraTarget.ByLikeness(target, ends).Take(4));
    }

    private static AdaptedModule ModuleOf(string name, Projection projection, int rank) =>
        new(name, projection.Weight.shape[1], projection.Weight.shape[0], rank);

    private static HashSet<string> Freeze(DebertaV2ForTokenClassification model)
    {
        var trained = model.named_parameters().Where(pair => pair.parameter.requires_grad).ToList();
        trained.ForEach(pair => pair.parameter.requires_grad = false);
        return trained.Select(pair => pair.name).ToHashSet(StringComparer.Ordinal);
    }

    private void EnsureAttached()
    {
        if (!IsAttached)
        {
            throw new InvalidOperationException("These adapters were taken off the model; attach new ones, or load them again.");
        }
    }

    private void AttachLayers() => _adapted.ForEach(adapted =>
    {
        adapted.Projection.AttachAdapter(ChildName, adapted.Layer);
        adapted.Layer.train(_model.training);
    });

    private void DetachLayers() => _adapted.ForEach(adapted => adapted.Projection.DetachAdapter());

    private void ForgetOriginalWeights()
    {
        _originalWeights.ForEach(original => original.Dispose());
        _originalWeights.Clear();
    }

    /// <summary>Adapters and head by their names in a file; the model's own tensors.</summary>
    internal Dictionary<string, Tensor> TensorsByFileName()
    {
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal)
        {
            [AdapterFile.HeadWeight] = _model.Classifier.Weight,
            [AdapterFile.HeadBias] = _model.Classifier.Bias!,
        };
        foreach (var (module, _, layer) in _adapted)
        {
            (tensors[AdapterFile.DownOf(module.Name)], tensors[AdapterFile.UpOf(module.Name)]) = (layer.Down, layer.Up);
        }

        return tensors;
    }
}
