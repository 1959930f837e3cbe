using NotebookLib.Model;
using NotebookLib.Platform;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Lora;

/// <summary>
/// The adapters of a model: attached to the layers that the settings name, counted, merged into the weights and taken out again, saved and loaded as PEFT does. The base is
/// frozen; adapters, head and whatever else the settings name are trained.
/// </summary>
public sealed class LoraAdapters : IDisposable
{
    // Below the layer, so that parameters are called …query_proj.lora.lora_A.
    private const string ChildName = "lora";
    private const string HeadName = "classifier";
    private readonly DebertaV2ForTokenClassification _model;
    private readonly List<(AdaptedModule Module, IAdaptedLayer Place, LoraModule Layer)> _adapted;

    // What is trained beside the adapters, by the model's names, with the base's own values. PEFT counts a whole module's original too.
    private readonly List<(string Name, Parameter Parameter, Tensor Original)> _saved;
    private readonly HashSet<string> _trainedBefore;
    private readonly List<ReplacedWeight> _unmerge = [];

    private LoraAdapters(DebertaV2ForTokenClassification model, LoraSettings settings, IReadOnlyList<(string Name, IAdaptedLayer Place)> places, Generator? generator)
    {
        (_model, Settings) = (model, settings);
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        _trainedBefore = Freeze(model);
        _adapted = [.. places.Select(place => Adapt(place.Name, place.Place, generator))];
        _saved = [.. SavedParameters(model, settings, places).Select(pair => (pair.Name, pair.Parameter, pair.Parameter.detach().clone().DetachFromDisposeScope()))];
        _saved.ForEach(part => part.Parameter.requires_grad = true);
        AttachLayers();
        IsAttached = true;
        TotalParameters = model.parameters().Sum(parameter => parameter.numel()) + _saved.Where(part => IsInSavedModule(settings, part.Name)).Sum(part => part.Original.numel());
        TrainableParameters = model.parameters().Where(parameter => parameter.requires_grad).Sum(parameter => parameter.numel());
    }

    /// <summary>What the adapters look like.</summary>
    public LoraSettings Settings { get; }

    /// <summary>The adapted layers, in the model's order.</summary>
    public IReadOnlyList<AdaptedModule> Modules => [.. _adapted.Select(adapted => adapted.Module)];

    /// <summary>Parameters that are trained: adapters, head, and what else the settings name.</summary>
    public long TrainableParameters { get; }

    /// <summary>All parameters as PEFT counts them: the base, adapters, and the trained copies of the head and of other modules that are saved whole.</summary>
    public long TotalParameters { get; }

    /// <summary>True while the adapters add to their layers' outputs.</summary>
    public bool IsAttached { get; private set; }

    /// <summary>True while the weights contain the adapters; the model is then a plain one, which <see cref="ModelFolder.Save(DebertaV2ForTokenClassification, string)"/> saves whole.</summary>
    public bool IsMerged { get; private set; }

    /// <summary>What a reader should know about the files that they were loaded from; null when nothing.</summary>
    public string? Remark { get; private init; }

    /// <summary>Freezes a model and puts new adapters on it, which change nothing until they are trained.</summary>
    /// <param name="model">Keeps the adapters as its own parts.</param>
    /// <param name="settings">Where they sit and what they look like.</param>
    /// <param name="seed">Decides A; B is zero.</param>
    /// <exception cref="ArgumentException">The settings are faulty, or name layers that the model lacks: all faults together.</exception>
    /// <exception cref="InvalidOperationException">The model carries adapters already.</exception>
    public static LoraAdapters Attach(DebertaV2ForTokenClassification model, LoraSettings settings, long seed)
    {
        LoraSettings.ThrowIfFaulty(FindFaults(model, settings));
        var places = PlacesIn(model, settings);
        using var generator = new Generator((ulong)seed);
        return new(model, settings, places, generator);
    }

    /// <summary>Puts saved adapters, and what was saved with them, on a model; they can be used as they are, or trained further.</summary>
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
        using var file = AdapterFile.Open(folder);
        // PEFT 0.7.0 saves the head and does not say so.
        settings = settings with { TrainsHead = file.Has(AdapterFile.NameOf(HeadName, "weight")) };
        var places = PlacesIn(model, settings);
        if (places.Count == 0)
        {
            throw new InvalidDataException($"{folder}: its target_modules ({string.Join(", ", settings.Targets.Take(4))}) mean none of the model's layers. Is this the model that the adapter was trained on?");
        }

        file.EnsureFits(ExpectedShapes(model, settings, places));
        var adapters = new LoraAdapters(model, settings, places, generator: null) { Remark = file.Remark };
        file.ReadInto(adapters.TensorsByFileName());
        return adapters;
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
        var faults = settings.FindFaults().ToList();
        var areSound = faults.Count == 0;
        var names = Candidates(model, settings).Select(candidate => candidate.Name).ToList();
        var linear = names.Count(name => !IsTable(name));
        var unmet = (settings.Targets ?? []).Where(target => !IsAllLinear(target) && ModuleNames.FindFault(nameof(settings.Targets), target) is null
            && !names.Any(name => ModuleNames.Matches(target, name))).ToList();
        faults.AddRange(unmet.Select(target =>
            $"Targets has \"{target}\", which matches none of the model's {linear} linear layers; expected for instance {Nearest(target, names)}."));
        if (areSound && unmet.Count == 0 && !names.Any(name => IsMeant(settings, name) && !IsExcluded(settings, name)))
        {
            faults.Add("Excluded, Layers and SavedModules leave none of the layers that Targets names; expected at least one.");
        }

        return faults;
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
        _saved.ForEach(part => part.Parameter.copy_(part.Original));
        FrozenWeights.Store(_model.Deberta, WeightStorage.Dense);
        foreach (var (name, parameter) in _model.named_parameters())
        {
            parameter.requires_grad = _trainedBefore.Contains(name);
        }

        IsAttached = false;
    }

    /// <summary>Saves adapters and head for PEFT and <see cref="Load"/>; each file appears whole or not at all.</summary>
    /// <param name="folder">Receives <c>adapter_config.json</c>, <c>adapter_model.safetensors</c>, and the model's <c>config.json</c> with the labels' names.</param>
    public void Save(string folder)
    {
        var adapted = _adapted.Where(part => part.Place is Projection).Select(part => AdapterFile.NameOf(part.Module.Name, "bias")).ToHashSet(StringComparer.Ordinal);
        SafetensorsFile.Write(Path.Combine(folder, AdapterFile.SafetensorsName),
            TensorsByFileName().Select(pair => KeyValuePair.Create(adapted.Contains(pair.Key) ? AdapterFile.OnDisk(pair.Key) : pair.Key, pair.Value)));
        AdapterConfig.Write(folder, Settings);
        // PEFT has no place for the labels' names; its loaders take the base's configuration and leave this one alone.
        AtomicFile.WriteText(Path.Combine(folder, "config.json"), _model.Config.ToJson());
    }

    /// <summary>Frees what <see cref="Unmerge"/> and <see cref="Detach"/> need, and adapters that are not attached; attached ones belong to the model.</summary>
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
    public override string ToString() => Invariant(
        $"{_adapted.Count} adapted layers, {TrainableParameters:N0} trainable of {TotalParameters:N0} parameters ({TrainableParameters / (double)TotalParameters:0.000 %})");

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
        var tensors = _saved.ToDictionary(part => FileNameOf(part.Name), part => (Tensor)part.Parameter, StringComparer.Ordinal);
        foreach (var (module, _, layer) in _adapted)
        {
            foreach (var (part, parameter) in layer.Parts)
            {
                tensors[AdapterFile.NameOf(module.Name, part)] = parameter;
            }
        }

        return tensors;
    }

    private static List<(string Name, IAdaptedLayer Place)> PlacesIn(DebertaV2ForTokenClassification model, LoraSettings settings)
    {
        var candidates = Candidates(model, settings).ToList();
        if (candidates.FirstOrDefault(candidate => candidate.Place.Adapter is not null) is { Name: { } taken })
        {
            throw new InvalidOperationException($"{taken} carries an adapter already. Load the model anew, or go on with LoraAdapters.Of(model).");
        }

        List<(string Name, IAdaptedLayer Place)> places = [.. candidates.Where(candidate => IsMeant(settings, candidate.Name) && !IsExcluded(settings, candidate.Name))];
        return places.Exists(place => place.Place is EmbeddingTable) && (settings.UsesMagnitudes || settings.HasBias)
            ? throw new NotSupportedException($"word_embeddings is adapted with {(settings.UsesMagnitudes ? "magnitudes (use_dora)" : "a bias (lora_bias)")}, which is not computed here.") : places;
    }

    /// <summary>Every layer that can carry an adapter: linear layers, the head where it is not saved whole, and the table of word vectors.</summary>
    private static IEnumerable<(string Name, IAdaptedLayer Place)> Candidates(DebertaV2ForTokenClassification model, LoraSettings settings) => model.named_modules()
        .Where(pair => (pair.module is Projection && (!settings.TrainsHead || !ReferenceEquals(pair.module, model.Classifier))) || ReferenceEquals(pair.module, model.Deberta.Embeddings.WordEmbeddings))
        .Select(pair => (pair.name, (IAdaptedLayer)pair.module));

    private static bool IsTable(string name) => name.EndsWith("word_embeddings", StringComparison.Ordinal);

    private static bool IsAllLinear(string target) => string.Equals(target, ModuleNames.AllLinear, StringComparison.OrdinalIgnoreCase);

    private static bool IsMeant(LoraSettings settings, string name) => (settings.Targets.Any(IsAllLinear) && !IsTable(name)) || ModuleNames.IsTarget(settings, name);

    private static bool IsExcluded(LoraSettings settings, string name) =>
        (settings.Excluded ?? []).Any(entry => ModuleNames.Matches(entry, name)) || (settings.SavedModules ?? []).Any(saved => ModuleNames.IsWithin(saved, name));

    private static bool IsInSavedModule(LoraSettings settings, string parameter)
    {
        var module = parameter[..parameter.LastIndexOf('.')];
        return (settings.TrainsHead && module == HeadName) || (settings.SavedModules ?? []).Any(saved => ModuleNames.IsWithin(saved, module));
    }

    /// <summary>What is trained and saved beside the adapters.</summary>
    private static IEnumerable<(string Name, Parameter Parameter)> SavedParameters(
        DebertaV2ForTokenClassification model, LoraSettings settings, IReadOnlyList<(string Name, IAdaptedLayer Place)> places)
    {
        var biases = settings.Biases == TrainedBiases.Adapted ? places.Select(place => place.Name + ".bias").ToHashSet(StringComparer.Ordinal) : null;
        return model.named_parameters().Where(pair => !pair.name.Contains(".lora_", StringComparison.Ordinal)
            && (IsInSavedModule(settings, pair.name)
                || (settings.Biases == TrainedBiases.All ? pair.name.EndsWith(".bias", StringComparison.Ordinal) : biases?.Contains(pair.name) ?? false)))
            .Select(pair => (pair.name, pair.parameter));
    }

    private static Dictionary<string, long[]> ExpectedShapes(DebertaV2ForTokenClassification model, LoraSettings settings, IReadOnlyList<(string Name, IAdaptedLayer Place)> places)
    {
        var shapes = SavedParameters(model, settings, places).ToDictionary(pair => FileNameOf(pair.Name), pair => pair.Parameter.shape, StringComparer.Ordinal);
        foreach (var (name, place) in places)
        {
            var (output, input, rank) = (place.Weight.shape[0], place.Weight.shape[1], settings.RankOf(name));
            (string, long[])[] parts = place is EmbeddingTable
                ? [("lora_embedding_A", [rank, output]), ("lora_embedding_B", [input, rank])]
                :
                [
                    ("lora_A.weight", [rank, input]), ("lora_B.weight", [output, rank]),
                    .. settings.HasBias ? [("lora_B.bias", [output])] : Array.Empty<(string, long[])>(),
                    .. settings.UsesMagnitudes ? [("lora_magnitude_vector", [output])] : Array.Empty<(string, long[])>(),
                ];
            foreach (var (part, shape) in parts)
            {
                shapes[AdapterFile.NameOf(name, part)] = shape;
            }
        }

        return shapes;
    }

    private static string FileNameOf(string parameter)
    {
        var dot = parameter.LastIndexOf('.');
        return AdapterFile.NameOf(parameter[..dot], parameter[(dot + 1)..]);
    }

    private static string Nearest(string target, IEnumerable<string> names)
    {
        // Names of one layer are enough: deberta.encoder.layer.N.attention.self.query_proj → attention.self.query_proj.
        var ends = names.Select(name => string.Join('.', name.Split('.').SkipWhile(part => !int.TryParse(part, out _)).Skip(1).DefaultIfEmpty(name))).Distinct();
        return string.Join(", ", ModuleNames.ByLikeness(target, ends).Take(4));
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
