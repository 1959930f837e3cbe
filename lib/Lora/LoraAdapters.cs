using NotebookLib.Model;
using NotebookLib.Platform;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Lora;

/// <summary>
/// The adapters of a model: attached to the layers that the settings name, counted, merged into the weights and taken out again, saved and loaded as PEFT does.
/// The base is frozen; adapters, head and whatever else the settings name are trained.
/// </summary>
public sealed class LoraAdapters : IDisposable
{
    // Below the layer, so that parameters are called …query_proj.lora.lora_A.
    private const string ChildName = "lora";
    private readonly DebertaV2ForTokenClassification _model;
    private readonly List<(AdaptedModule Module, IAdaptedLayer Place, LoraModule Layer)> _adapted;

    // What is trained beside the adapters, by the model's names, with the base's own values. PEFT counts a whole module's original too.
    private readonly List<(string Name, Parameter Parameter, Tensor Original)> _saved;
    private readonly HashSet<string> _trainedBefore;
    private readonly List<ReplacedWeight> _unmerge = [];

    private LoraAdapters(DebertaV2ForTokenClassification model, LoraSettings settings, IReadOnlyList<(string Name, IAdaptedLayer Place)> places,
        Generator? generator)
    {
        (_model, Settings) = (model, settings);
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        _trainedBefore = Freeze(model);
        _adapted = [.. places.Select(place => Adapt(place.Name, place.Place, generator))];
        _saved = [.. LoraPlaces.SavedParameters(model, settings, places)
            .Select(pair => (pair.Name, pair.Parameter, pair.Parameter.detach().clone().DetachFromDisposeScope()))];
        _saved.ForEach(part => part.Parameter.requires_grad = true);
        AttachLayers();
        IsAttached = true;
        TotalParameters = model.parameters().Sum(parameter => parameter.numel())
            + _saved.Where(part => LoraPlaces.IsInSavedModule(settings, part.Name)).Sum(part => part.Original.numel());
        TrainableParameters = model.parameters().Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel());
    }

    /// <summary>What the adapters look like.</summary>
    public LoraSettings Settings { get; }

    /// <summary>The adapted layers, in the model's order.</summary>
    internal IReadOnlyList<AdaptedModule> Modules => [.. _adapted.Select(adapted => adapted.Module)];

    /// <summary>Parameters that are trained: adapters, head, and what else the settings name.</summary>
    public long TrainableParameters { get; }

    /// <summary>All parameters as PEFT counts them: the base, adapters, and the trained copies of the head and of other modules that are saved whole.</summary>
    public long TotalParameters { get; }

    /// <summary>True while the adapters add to their layers' outputs.</summary>
    public bool IsAttached { get; private set; }

    /// <summary>
    /// True while the weights contain the adapters; the model is then a plain one, which
    /// <see cref="ModelFolder.Save(DebertaV2ForTokenClassification, string)"/> saves whole.
    /// </summary>
    public bool IsMerged { get; private set; }

    /// <summary>The folder that they were loaded from; null for new ones.</summary>
    public string? Folder { get; private init; }

    /// <summary>
    /// What a reader should know about the files that they were loaded from, a sentence each: names, a head in another order, for other labels or none.
    /// </summary>
    public IReadOnlyList<string> Remarks { get; private init; } = [];

    /// <summary>
    /// Freezes a model and puts adapters on it to be trained: new ones, which change nothing at first, or saved ones, which go on from where they were.
    /// </summary>
    /// <param name="model">Keeps the adapters as its own parts.</param>
    /// <param name="settings">Where new ones sit and what they look like. Saved ones look as they look: there dropout and what is trained count, and the rest
    /// is null, unset or theirs.</param>
    /// <param name="seed">Decides A of new ones; B is zero.</param>
    /// <param name="start">
    /// The folder of saved ones, as <see cref="Load"/> takes it. Their head goes on too, each row where its label's name is; one for other labels is left out,
    /// and the model's trained instead. Null makes new ones.
    /// </param>
    /// <exception cref="ArgumentException">The settings are faulty, name layers that the model lacks, or contradict the saved adapters': all faults
    /// together.</exception>
    /// <exception cref="FileNotFoundException">A file of <paramref name="start"/> is missing.</exception>
    /// <exception cref="InvalidDataException">A file of <paramref name="start"/> is damaged, or does not fit the model: all faults together.</exception>
    /// <exception cref="NotSupportedException">The saved adapters are of a kind that this library does not compute.</exception>
    /// <exception cref="InvalidOperationException">The model carries adapters already.</exception>
    public static LoraAdapters Attach(DebertaV2ForTokenClassification model, LoraSettings settings, long seed, string? start = null)
    {
        if (start is not null)
        {
            return Restore(start, model, settings);
        }

        SettingRules.ThrowIfFaulty("LoRA", FindFaults(model, settings));
        var places = LoraPlaces.In(model, settings);
        using var generator = new Generator((ulong)seed);
        return new(model, settings, places, generator);
    }

    /// <summary>Puts saved adapters, and what was saved with them, on a model; they can be used as they are, or trained further.</summary>
    /// <param name="folder">Holds <c>adapter_config.json</c> and <c>adapter_model.safetensors</c> or <c>adapter_model.bin</c>, as PEFT and <see cref="Save"/>
    /// write them.</param>
    /// <param name="model">The base that they were trained on, with their labels; where the folder names these in another order, each row of the head goes
    /// where its label's name is.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, the adapters do not fit the model, or neither of them has a trained head: all faults
    /// together.</exception>
    /// <exception cref="NotSupportedException">The adapters are of a kind that this library does not compute.</exception>
    /// <exception cref="InvalidOperationException">The model carries adapters already.</exception>
    public static LoraAdapters Load(string folder, DebertaV2ForTokenClassification model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return Restore(folder, model, asked: null);
    }

    /// <summary>The adapters that a model carries now.</summary>
    /// <returns>Null for a plain model, and while they are merged.</returns>
    public static LoraAdapters? Of(DebertaV2ForTokenClassification model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.modules().OfType<LoraModule>().FirstOrDefault()?.Owner;
    }

    /// <summary>Parameters of a model: with adapters as PEFT counts them (<see cref="TotalParameters"/>).</summary>
    /// <param name="model">With or without adapters.</param>
    internal static long CountParameters(nn.Module model) =>
        (model is DebertaV2ForTokenClassification tagger ? Of(tagger)?.TotalParameters : null) ?? model.parameters().Sum(parameter => parameter.numel());

    /// <summary>What is wrong with settings for a model, the layers they name included.</summary>
    /// <returns>One line per fault, each with the value seen and one that would work; empty when all is well.</returns>
    public static IReadOnlyList<string> FindFaults(DebertaV2ForTokenClassification model, LoraSettings settings)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(settings);
        return LoraPlaces.FindFaults(model, settings);
    }

    /// <summary>Puts the adapters into the weights and takes them off, so that the model is as fast as the base. Merging twice changes nothing more.</summary>
    public void Merge()
    {
        if (IsMerged)
        {
            return;
        }

        EnsureAttached();
        using var quiet = no_grad();
        foreach (var (_, place, layer) in _adapted)
        {
            using var scope = NewDisposeScope();
            var biasChange = layer.BiasChange();
            _unmerge.Add(place.ReplaceWeight(layer.Merged));
            if (biasChange is not null && place is Projection { Bias: { } bias })
            {
                _unmerge.Add(ReplacedWeight.InPlace(bias, bias + biasChange));
            }
        }

        DetachLayers();
        (IsMerged, IsAttached) = (true, false);
    }

    /// <summary>
    /// Leaves the adapters in the weights for good and lets everything train again that did before them: the model is a plain one then, and goes on from what
    /// they learned.
    /// </summary>
    internal void Keep()
    {
        Merge();
        foreach (var (name, parameter) in _model.named_parameters())
        {
            parameter.requires_grad = _trainedBefore.Contains(name);
        }

        Dispose();
    }

    /// <summary>Puts the base's weights back, bit for bit, and the adapters beside them.</summary>
    public void Unmerge()
    {
        if (!IsMerged)
        {
            return;
        }

        _unmerge.ForEach(weight => weight.Restore());
        _unmerge.Clear();
        AttachLayers();
        (IsMerged, IsAttached) = (false, true);
    }

    /// <summary>
    /// Gives the model back as it was: without adapters, with its own head and what of it was trained. Where <see cref="FrozenWeights.Store"/> rounded its
    /// weights, they stay rounded.
    /// </summary>
    public void Detach()
    {
        Unmerge();
        EnsureAttached();
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        DetachLayers();
        _saved.ForEach(part => part.Parameter.copy_(part.Original));
        FrozenWeights.Store(_model.Deberta, WeightStorage.Dense);
        foreach (var (name, parameter) in _model.named_parameters())
        {
            parameter.requires_grad = _trainedBefore.Contains(name);
        }

        IsAttached = false;
    }

    /// <summary>Saves adapters and head for PEFT and <see cref="Load"/>; each file appears whole or not at all.</summary>
    /// <param name="folder">Receives <c>adapter_config.json</c>, <c>adapter_model.safetensors</c>, and the model's <c>config.json</c> with the labels'
    /// names.</param>
    public void Save(string folder)
    {
        var adapted = _adapted.Where(part => part.Place is Projection).Select(part => AdapterFile.NameOf(part.Module.Name, "bias"))
            .ToHashSet(StringComparer.Ordinal);
        SafetensorsFile.Write(Path.Combine(folder, AdapterFile.SafetensorsName),
            TensorsByFileName().Select(pair => KeyValuePair.Create(adapted.Contains(pair.Key) ? AdapterFile.OnDisk(pair.Key) : pair.Key, pair.Value)));
        AdapterConfig.Write(folder, Settings);
        // PEFT has no place for the labels' names; its loaders take the base's configuration and leave this one alone.
        AtomicFile.WriteText(Path.Combine(folder, "config.json"), _model.Config.ToJson());
    }

    /// <summary>
    /// Frees what <see cref="Unmerge"/> and <see cref="Detach"/> need, and adapters that are not attached; attached ones belong to the model.
    /// </summary>
    public void Dispose()
    {
        _unmerge.ForEach(weight => weight.Dispose());
        _unmerge.Clear();
        _saved.ForEach(part => part.Original.Dispose());
        if (!IsAttached)
        {
            _adapted.ForEach(adapted => adapted.Layer.Dispose());
        }
    }

    /// <summary>For example <c>24 adapted layers, 171,295 trainable of 184,026,686 parameters (0.093 %)</c>.</summary>
    public override string ToString() =>
        Invariant($"{_adapted.Count} adapted layers, {TrainableParameters:N0} trainable of {TotalParameters:N0} parameters ")
            + Invariant($"({TrainableParameters / (double)TotalParameters:0.000 %})");

    /// <summary>Fills adapters and head from what <see cref="Save"/> wrote of them: goes back to a checkpoint without loading the base again.</summary>
    /// <exception cref="FileNotFoundException">The folder has no adapter.</exception>
    /// <exception cref="InvalidDataException">The file does not fit.</exception>
    public void ReadWeights(string folder)
    {
        using var file = AdapterFile.Open(folder);
        var tensors = TensorsByFileName();
        file.EnsureFits(tensors.ToDictionary(pair => pair.Key, pair => pair.Value.shape, StringComparer.Ordinal));
        file.ReadInto(tensors);
    }

    /// <summary>Adapters and what is saved with them by our names of a file's tensors; the model's own tensors.</summary>
    internal Dictionary<string, Tensor> TensorsByFileName()
    {
        var tensors = _saved.ToDictionary(part => AdapterFile.NameOfParameter(part.Name), part => (Tensor)part.Parameter, StringComparer.Ordinal);
        foreach (var (module, _, layer) in _adapted)
        {
            foreach (var (part, parameter) in layer.Parts)
            {
                tensors[AdapterFile.NameOf(module.Name, part)] = parameter;
            }
        }

        return tensors;
    }

    /// <summary>Puts saved adapters on a model: as they are, or to be trained further as it was asked.</summary>
    private static LoraAdapters Restore(string folder, DebertaV2ForTokenClassification model, LoraSettings? asked)
    {
        ArgumentNullException.ThrowIfNull(model);
        var there = AdapterConfig.Read(folder);
        using var file = AdapterFile.Open(folder);
        var head = SavedHead.Of(folder, file, model, isTrained: asked is not null);
        var settings = (asked?.StartingFrom(there) ?? there) with { TrainsHead = head.IsTrained };
        SettingRules.ThrowIfFaulty("LoRA", asked?.FindConflicts(settings, folder) ?? []);
        var places = LoraPlaces.In(model, settings);
        if (places.Count == 0)
        {
            throw new InvalidDataException($"{folder}: its target_modules ({string.Join(", ", (settings.Targets ?? []).Take(4))}) "
                + "mean none of the model's layers. Is this the model that the adapter was trained on?");
        }

        bool IsLeft(string name) => head.IsTrained && !head.IsTaken && name.StartsWith(AdapterFile.NameOf(LoraPlaces.HeadName, ""), StringComparison.Ordinal);
        file.EnsureFits(LoraPlaces.ExpectedShapes(model, settings, places), IsLeft);
        string[] remarks = [.. file.Remark is { } spelled ? [spelled] : Array.Empty<string>(), .. head.Remark is { } said ? [said] : Array.Empty<string>()];
        var adapters = new LoraAdapters(model, settings, places, generator: null) { Folder = folder, Remarks = remarks };
        file.ReadInto(adapters.TensorsByFileName().Where(pair => !IsLeft(pair.Key)).ToDictionary(StringComparer.Ordinal));
        if (head.Order is { } stored)
        {
            model.ReorderHead(stored);
        }

        model.HasNewHead &= !head.IsTaken;
        return adapters;
    }

    private static HashSet<string> Freeze(DebertaV2ForTokenClassification model)
    {
        var trained = model.named_parameters().Where(pair => pair.parameter.requires_grad).ToList();
        trained.ForEach(pair => pair.parameter.requires_grad = false);
        return trained.Select(pair => pair.name).ToHashSet(StringComparer.Ordinal);
    }

    private (AdaptedModule, IAdaptedLayer, LoraModule) Adapt(string name, IAdaptedLayer place, Generator? generator)
    {
        var (rank, scale) = (Settings.RankOf(name), Settings.ScaleOf(name));
        LoraModule layer = place is Projection projection
            ? new LoraLayer(projection, Settings, rank, _model.Random, generator) { Scale = scale, Owner = this }
            : new LoraEmbedding(place.Weight, rank, !Settings.TrainsHeadOnly, generator) { Scale = scale, Owner = this };
        var (output, input) = (place.Weight.shape[0], place.Weight.shape[1]);
        var (width, height) = place is Projection ? (input, output) : (output, input);
        return (new(name, width, height, rank) { Parameters = layer.Parts.Sum(part => part.Parameter.numel()), Scale = scale }, place, layer);
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
        adapted.Place.AttachAdapter(ChildName, adapted.Layer);
        adapted.Layer.train(_model.training);
    });

    private void DetachLayers() => _adapted.ForEach(adapted => adapted.Place.DetachAdapter());
}
