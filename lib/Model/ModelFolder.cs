using System.Text.Json.Nodes;
using NotebookLib.Data;
using NotebookLib.Platform;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>How a model folder is loaded.</summary>
public sealed record LoadOptions
{
    /// <summary>Dtype of the parameters, whatever the file holds: float32 or float64.</summary>
    public ScalarType Dtype { get; init; } = ScalarType.Float32;

    /// <summary>The first CUDA device when there is one, else the CPU.</summary>
    public static Device BestDevice
    {
        get
        {
            NativeLibraries.EnsureLoaded();
            return cuda.is_available() ? CUDA : CPU;
        }
    }

    /// <summary>Where the parameters live; null is the CPU.</summary>
    public Device? Device { get; init; }

    /// <summary>
    /// The task's labels; null takes those of the folder. When they are the folder's in another order, each row of the head goes where its label's name is;
    /// when they differ, the head is new.
    /// </summary>
    public LabelSet? Labels { get; init; }

    /// <summary>Seed of a new head; the same numbers as in Python after <c>set_seed</c>.</summary>
    public long HeadSeed { get; init; } = 42;

    /// <summary>Seed of the dropout masks.</summary>
    public long DropoutSeed { get; init; } = 42;

    /// <summary>Refuse a checkpoint that lacks a parameter or has one besides.</summary>
    public bool IsStrict { get; init; }
}

/// <summary>A loaded model with what loading found.</summary>
/// <param name="Model">The network, in evaluation mode; the caller owns it.</param>
/// <param name="Report">Names that matched, were missing, were unexpected.</param>
public sealed record Loaded<TModel>(TModel Model, LoadReport Report);

/// <summary>A folder with <c>config.json</c> and weights, as the Hub and transformers keep it ⇄ a network.</summary>
public static class ModelFolder
{
    /// <summary>Loads a token classifier: a fine-tuned one with its head, or a pre-trained encoder with a new head.</summary>
    /// <param name="folder">Holds <c>config.json</c> and <c>model.safetensors</c>, <c>pytorch_model.bin</c>, or their sharded forms.</param>
    /// <param name="options">Null for the defaults.</param>
    /// <exception cref="FileNotFoundException">A file is missing; the message names what was looked for.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or hostile, or the weights do not belong to the configuration.</exception>
    /// <exception cref="NotSupportedException">The configuration asks for what this port lacks.</exception>
    /// <exception cref="PlatformNotSupportedException">libtorch is not there; the message says what to add.</exception>
    public static Loaded<DebertaV2ForTokenClassification> Load(string folder, LoadOptions? options = null)
    {
        NativeLibraries.EnsureLoaded();
        options ??= new LoadOptions();
        var config = ReadConfig(folder);
        var keepsHead = options.Labels is null || options.Labels.Names.Order(StringComparer.Ordinal).SequenceEqual(config.Labels.Order(StringComparer.Ordinal));
        var taskConfig = options.Labels is null ? config : config with { Labels = options.Labels.Names };
        var loaded = Fill(folder, new DebertaV2ForTokenClassification(Build(taskConfig, options)), taskConfig, options, name => keepsHead || !IsHead(name));
        loaded.Model.HasNewHead = loaded.Report.Missing.Count > 0;
        var isMoved = keepsHead && !taskConfig.Labels.SequenceEqual(config.Labels) && loaded.Report.Matched.Any(IsHead);
        return isMoved ? MoveHead(loaded, config.Labels) : loaded;
    }

    /// <summary>Loads a network with another head; a checkpoint without that head gets a new one.</summary>
    internal static Loaded<TModel> Load<TModel>(string folder, LoadOptions options, Func<ModelBuild, TModel> make)
        where TModel : Module
    {
        NativeLibraries.EnsureLoaded();
        var config = ReadConfig(folder);
        return Fill(folder, make(Build(config, options)), config, options, _ => true);
    }

    /// <summary>Saves a token classifier so that the Python library loads it with equal logits; each file appears whole or not at all.</summary>
    public static void Save(DebertaV2ForTokenClassification model, string folder)
    {
        ArgumentNullException.ThrowIfNull(model);
        Save(model, model.Config, folder);
    }

    /// <summary>Saves a network with any head.</summary>
    internal static void Save(Module model, DebertaConfig config, string folder)
    {
        if (model.modules().OfType<Projection>().Any(projection => projection.Adapter is not null))
        {
            throw new InvalidOperationException("The model carries adapters; merge them into the weights or save the adapter instead.");
        }

        EnsureDense(model);
        var parameters = model.named_parameters().ToList();
        var dtype = parameters[0].parameter.dtype.ToString().ToLowerInvariant();
        var keys = (JsonObject)config.OtherKeys.DeepClone();
        // What says how the weights that were read were stored is said anew of those that are written; transformers 5 calls it dtype.
        keys.Remove("quantization_config");
        (keys["architectures"], keys["torch_dtype"]) = (new JsonArray(model.GetType().Name), dtype);
        if (keys.ContainsKey("dtype"))
        {
            keys["dtype"] = dtype;
        }

        SafetensorsFile.Write(Path.Combine(folder, "model.safetensors"), parameters.Select(pair => KeyValuePair.Create(pair.name, (Tensor)pair.parameter)));
        AtomicFile.WriteText(Path.Combine(folder, "config.json"), (config with { OtherKeys = keys }).ToJson());
    }

    /// <summary>Refuses a model whose weights are not all there in full.</summary>
    /// <exception cref="InvalidOperationException">Weights are stored in fewer bits.</exception>
    internal static void EnsureDense(Module model)
    {
        if (model.modules().OfType<Projection>().FirstOrDefault(projection => projection.Storage != WeightStorage.Dense) is { } stored)
        {
            throw new InvalidOperationException($"Weights of the model are stored as {stored.Storage}; take them back first: FrozenWeights.Store(model, "
                + "WeightStorage.Dense).");
        }
    }

    private static DebertaConfig ReadConfig(string folder)
    {
        var path = Path.Combine(folder, "config.json");
        return File.Exists(path)
            ? DebertaConfig.Read(path)
            : throw new FileNotFoundException($"{folder}: no config.json; expected a model folder with config.json and weights.", path);
    }

    private static ModelBuild Build(DebertaConfig config, LoadOptions options) =>
        new(config, options.Dtype, options.Device ?? CPU, new DropoutRandom(options.DropoutSeed));

    private static bool IsHead(string name) => name.StartsWith("classifier.", StringComparison.Ordinal) || name.StartsWith("cls.", StringComparison.Ordinal);

    /// <summary>Puts the head's rows where their labels are.</summary>
    private static Loaded<DebertaV2ForTokenClassification> MoveHead(Loaded<DebertaV2ForTokenClassification> loaded, IReadOnlyList<string> stored)
    {
        loaded.Model.ReorderHead(stored);
        string[] remarks = [.. loaded.Report.Remarks,
            $"The head's {stored.Count} labels stand in another order in the checkpoint; each row went where its label's name is."];
        return loaded with { Report = loaded.Report with { Remarks = remarks } };
    }

    private static Loaded<TModel> Fill<TModel>(string folder, TModel model, DebertaConfig config, LoadOptions options, Func<string, bool> isWanted)
        where TModel : Module
    {
        try
        {
            using var source = WeightFiles.OpenFolder(folder);
            var parameters = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter, StringComparer.Ordinal);
            var report = Match(source, [.. parameters.Keys], isWanted, out var places);
            Refuse(source, config, parameters, places, report, options.IsStrict);
            foreach (var (name, stored) in places)
            {
                source.ReadInto(stored, parameters[name]);
            }

            InitializeHead(model, config, report, options.HeadSeed);
            model.eval();
            return new Loaded<TModel>(model, report);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static LoadReport Match(ITensorSource source, HashSet<string> wanted, Func<string, bool> isWanted, out Dictionary<string, string> places)
    {
        places = new Dictionary<string, string>(StringComparer.Ordinal);
        List<string> unexpected = [], ignored = [];
        foreach (var stored in source.Tensors.Keys.Order(StringComparer.Ordinal))
        {
            var name = TensorNames.Canonical(stored);
            if (wanted.Contains(name) && isWanted(name))
            {
                if (!places.TryAdd(name, stored))
                {
                    throw new InvalidDataException($"{source.Path}: {stored} and {places[name]} are both {name}.");
                }
            }
            else
            {
                (TensorNames.IsIgnorable(name) ? ignored : unexpected).Add(stored);
            }
        }

        var found = places;
        var wrapped = places.Values.Where(stored => TensorNames.WithoutWrappers(stored) != stored).ToList();
        return new LoadReport(source.Path, [.. places.Keys], [.. wanted.Where(name => !found.ContainsKey(name)).Order(StringComparer.Ordinal)], unexpected,
            ignored)
        {
            Remarks = wrapped.Count == 0
                ? [] : [Invariant($"{wrapped.Count} names begin as a wrapper around the model calls them ({wrapped[0]}); they were recognised.")],
        };
    }

    private static void Refuse(
        ITensorSource source, DebertaConfig config, Dictionary<string, Parameter> parameters, Dictionary<string, string> places, LoadReport report,
        bool isStrict)
    {
        var wrong = places.Where(place => !source.Tensors[place.Value].Shape.SequenceEqual(parameters[place.Key].shape))
            .Select(place => $"{place.Value}: expected [{string.Join(", ", parameters[place.Key].shape)}], file has {source.Tensors[place.Value].ShapeText}")
            .ToList();
        var quantised = places.Where(place =>
            source.Tensors[place.Value].Dtype is not (ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float64))
            .Select(place => $"{place.Value}: stored as {source.Tensors[place.Value].Dtype}, quantised weights, which are not read here").ToList();
        var adapter = source.Tensors.Keys.FirstOrDefault(TensorNames.IsAdapter) is { } name
            ? (string[])[$"{name}: weights of an adapter among the model's; merge them in Python (merge_and_unload), "
                + "or save the adapter alone (save_pretrained)"] : [];
        var absent = report.Missing.Where(name => !IsHead(name)).Select(name => $"{name}: missing").ToList();
        var besides = isStrict
            ? report.Missing.Where(IsHead).Select(name => $"{name}: missing").Concat(report.Unexpected.Select(name => $"{name}: unexpected")) : [];
        List<string> faults = [.. adapter, .. wrong, .. quantised, .. absent, .. besides];
        if (faults.Count > 0)
        {
            throw new InvalidDataException($"{source.Path} does not fit config.json:\n  {string.Join("\n  ", faults.Take(8))}"
                + (faults.Count > 8 ? $"\n  … and {faults.Count - 8} more" : "") + $"\n{KnownModels.Compare(source.Tensors, config)}");
        }
    }

    private static void InitializeHead(Module model, DebertaConfig config, LoadReport report, long seed)
    {
        foreach (var (name, head) in model.named_children()
            .Where(child => report.Missing.Any(missing => missing.StartsWith(child.name + ".", StringComparison.Ordinal))))
        {
            if (report.Matched.Any(matched => matched.StartsWith(name + ".", StringComparison.Ordinal)))
            {
                throw new InvalidDataException($"{report.Source}: the head {name} is there only in part; missing: {string.Join(", ", report.Missing)}.");
            }

            WeightInitializer.Initialize(head, config, seed);
        }
    }
}
