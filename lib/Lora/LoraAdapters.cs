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
    private const string HeadName = "classifier";
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
        _saved = [.. SavedParameters(model, settings, places)
            .Select(pair => (pair.Name, pair.Parameter, pair.Parameter.detach().clone().DetachFromDisposeScope()))];
        _saved.ForEach(part => part.Parameter.requires_grad = true);
        AttachLayers();
        IsAttached = true;
        TotalParameters = model.parameters().Sum(parameter => parameter.numel())
            + _saved.Where(part => IsInSavedModule(settings, part.Name)).Sum(part => part.Original.numel());
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
        var places = PlacesIn(model, settings);
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

    /// <summary>Puts saved adapters on a model: as they are, or to be trained further as it was asked.</summary>
    private static LoraAdapters Restore(string folder, DebertaV2ForTokenClassification model, LoraSettings? asked)
    {
        ArgumentNullException.ThrowIfNull(model);
        var there = AdapterConfig.Read(folder);
        using var file = AdapterFile.Open(folder);
        var head = SavedHead.Of(folder, file, model, isTrained: asked is not null);
        var settings = (asked?.StartingFrom(there) ?? there) with { TrainsHead = head.IsTrained };
        SettingRules.ThrowIfFaulty("LoRA", asked?.FindConflicts(settings, folder) ?? []);
        var places = PlacesIn(model, settings);
        if (places.Count == 0)
        {
            throw new InvalidDataException($"{folder}: its target_modules ({string.Join(", ", (settings.Targets ?? []).Take(4))}) "
                + "mean none of the model's layers. Is this the model that the adapter was trained on?");
        }

        bool IsLeft(string name) => head.IsTrained && !head.IsTaken && name.StartsWith(AdapterFile.NameOf(HeadName, ""), StringComparison.Ordinal);
        file.EnsureFits(ExpectedShapes(model, settings, places), IsLeft);
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

    /// <summary>What becomes of a head that was saved with adapters.</summary>
    /// <param name="IsTaken">Its numbers are read.</param>
    /// <param name="IsTrained">The model's head is trained and saved with the adapters.</param>
    private sealed record SavedHead(bool IsTaken, bool IsTrained)
    {
        /// <summary>The labels of its rows, where the model has them in another order.</summary>
        public IReadOnlyList<string>? Order { get; private init; }

        /// <summary>What a reader should know of it; null when nothing.</summary>
        public string? Remark { get; private init; }

        /// <exception cref="InvalidDataException">Nothing is trained, and there is no head for the model's labels.</exception>
        public static SavedHead Of(string folder, AdapterFile file, DebertaV2ForTokenClassification model, bool isTrained)
        {
            var (now, config) = (model.Config.Labels, Path.Combine(folder, "config.json"));
            // PEFT 0.7.0 saves the head and does not say so.
            if (file.RowsOf(AdapterFile.NameOf(HeadName, "weight")) is not { } rows)
            {
                return !model.HasNewHead ? new(IsTaken: false, IsTrained: false)
                    : !isTrained
                    ? throw new InvalidDataException($"{folder}: the adapters were saved without a head, and the model has none for its {now.Count} labels "
                    + "either: nothing here was trained to tag. Load the model that they were trained on, with its own labels.")
                    : new(IsTaken: false, IsTrained: true)
                    {
                        Remark =
                        $"{folder} holds adapters without a head, and the model has none for these labels: a new one is trained."
                    };
            }

            // A folder of Python's has no labels' names, or its base's: then they are taken to be the model's.
            var stored = File.Exists(config) && DebertaConfig.Read(config).Labels is var names && names.Count == rows && !AreUnnamed(names) ? names : null;
            if ((rows == now.Count || !isTrained) && (stored is null || AreUnnamed(now) || stored.SequenceEqual(now)))
            {
                return new(IsTaken: true, IsTrained: true);
            }

            if (stored is not null && stored.Order(StringComparer.Ordinal).SequenceEqual(now.Order(StringComparer.Ordinal)))
            {
                return new(IsTaken: true, IsTrained: true)
                {
                    Order = stored,
                    Remark = $"The head's {rows} labels stand in another order in {folder}; each row went where its label's name is."
                };
            }

            var other = $"{folder}: its head has {rows} labels{(stored is null ? "" : $" ({Shown(stored)})")}, the model has {now.Count} ({Shown(now)})";
            return isTrained
                ? new(IsTaken: false, IsTrained: true)
                {
                    Remark =
                $"{other}: {(model.HasNewHead ? "a new head is trained" : "the model's own is trained on")}."
                }
                : throw new InvalidDataException($"{other}. Load the model with the adapters' labels.");
        }

        private static bool AreUnnamed(IReadOnlyList<string> labels) => labels.All(label => label.StartsWith("LABEL_", StringComparison.Ordinal));

        private static string Shown(IReadOnlyList<string> labels) => string.Join(", ", labels.Take(4)) + (labels.Count > 4 ? ", …" : "");
    }

    private static List<(string Name, IAdaptedLayer Place)> PlacesIn(DebertaV2ForTokenClassification model, LoraSettings settings)
    {
        var candidates = Candidates(model, settings).ToList();
        if (candidates.FirstOrDefault(candidate => candidate.Place.Adapter is not null) is { Name: { } taken })
        {
            throw new InvalidOperationException($"{taken} carries an adapter already. Load the model anew, or go on with LoraAdapters.Of(model).");
        }

        List<(string Name, IAdaptedLayer Place)> places =
            [.. candidates.Where(candidate => IsMeant(settings, candidate.Name) && !IsExcluded(settings, candidate.Name))];
        return places.Exists(place => place.Place is EmbeddingTable) && (settings.UsesMagnitudes || settings.HasBias)
            ? throw new NotSupportedException($"word_embeddings is adapted with {(settings.UsesMagnitudes ? "magnitudes (use_dora)" : "a bias (lora_bias)")}, "
                + "which is not computed here.") : places;
    }

    /// <summary>Every layer that can carry an adapter: linear layers, the head where it is not saved whole, and the table of word vectors.</summary>
    private static IEnumerable<(string Name, IAdaptedLayer Place)> Candidates(DebertaV2ForTokenClassification model, LoraSettings settings) =>
        model.named_modules()
        .Where(pair => (pair.module is Projection && (!settings.TrainsHead || !ReferenceEquals(pair.module, model.Classifier)))
            || ReferenceEquals(pair.module, model.Deberta.Embeddings.WordEmbeddings))
        .Select(pair => (pair.name, (IAdaptedLayer)pair.module));

    private static bool IsTable(string name) => name.EndsWith("word_embeddings", StringComparison.Ordinal);

    private static bool IsAllLinear(string target) => string.Equals(target, ModuleNames.AllLinear, StringComparison.OrdinalIgnoreCase);

    private static bool IsMeant(LoraSettings settings, string name) =>
        ((settings.Targets ?? []).Any(IsAllLinear) && !IsTable(name)) || ModuleNames.IsTarget(settings, name);

    private static bool IsExcluded(LoraSettings settings, string name) =>
        (settings.Excluded ?? []).Any(entry => ModuleNames.Matches(entry, name))
            || (settings.SavedModules ?? []).Any(saved => ModuleNames.IsWithin(saved, name));

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

    private static Dictionary<string, long[]> ExpectedShapes(
        DebertaV2ForTokenClassification model, LoraSettings settings, IReadOnlyList<(string Name, IAdaptedLayer Place)> places)
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
        var ends = names.Select(name => string.Join('.', name.Split('.').SkipWhile(part => !int.TryParse(part, out _)).Skip(1).DefaultIfEmpty(name)))
            .Distinct();
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
