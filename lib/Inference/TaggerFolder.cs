using NotebookLib.Data;
using NotebookLib.Hub;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Tokenization;
using NotebookLib.Training;

namespace NotebookLib.Inference;

/// <summary>Finds out what a folder or a name holds, a model or adapters, and makes a tagger of it.</summary>
/// <param name="source">The folder, or the name.</param>
/// <param name="options">Device and labels.</param>
/// <param name="precision">In which type products run.</param>
/// <param name="observer">Follows transfers.</param>
/// <param name="cancellation">Gives up.</param>
internal sealed class TaggerFolder(string source, LoadOptions options, TrainingPrecision precision, IHubObserver? observer, CancellationToken cancellation)
{
    private const string ModelConfig = "config.json";

    /// <summary>Loads what a source holds.</summary>
    public async Task<EntityTagger> LoadAsync(string? baseModel)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(source);
        NativeLibraries.EnsureLoaded();
        var folder = FolderOf(await FetchAsync(source).ConfigureAwait(false));
        return AdapterConfig.IsIn(folder) ? await LoadAdaptersAsync(folder, baseModel).ConfigureAwait(false)
            : baseModel is not null ? throw new ArgumentException($"{source} is a whole model, not adapters; leave {baseModel} out.", nameof(baseModel))
            : LoadModel(folder);
    }

    private Task<string> FetchAsync(string name) => HubModels.FetchAsync(name, observer, cancel: cancellation);

    /// <summary>The folder of a model or of adapters, where it or its folder model, in which a run keeps them, holds any; null where neither does.</summary>
    public static string? FindIn(string folder) => Array.Find([folder, Path.Combine(folder, "model")], HoldsModel);

    private static string FolderOf(string folder) => FindIn(folder) ?? throw new FileNotFoundException(
        $"{folder}: holds no trained model; expected {ModelConfig} with weights, adapter_config.json with weights, or the folder of a run that has finished, "
            + "in which model/ holds them.");

    private static bool HoldsModel(string folder) => File.Exists(Path.Combine(folder, ModelConfig)) || AdapterConfig.IsIn(folder);

    private EntityTagger LoadModel(string folder)
    {
        var tokenizer = DebertaTokenizer.Load(folder);
        var loaded = ModelFolder.Load(folder, options);
        return Own(loaded.Model, () =>
        {
            EnsureTrained(folder, loaded);
            return Tagger(tokenizer, loaded, loaded.Model, loaded.Report.Remarks, folder);
        });
    }

    private async Task<EntityTagger> LoadAdaptersAsync(string folder, string? baseModel)
    {
        var named = baseModel ?? AdapterConfig.Read(folder).BaseModel;
        if (string.IsNullOrWhiteSpace(named))
        {
            throw new ArgumentException($"{folder}: its adapter_config.json does not say which model the adapters belong to (base_model_name_or_path is "
                + "empty); name that model's folder, or its name on the Hub, as the base.", nameof(baseModel));
        }

        string start;
        try
        {
            start = await FetchAsync(baseModel is null ? FromAdapters(folder, named) : named).ConfigureAwait(false);
        }
        catch (DirectoryNotFoundException missing) when (baseModel is null)
        {
            throw new DirectoryNotFoundException($"{folder}: its adapter_config.json says that the adapters belong to {named}, which is not here; "
                + "name that model's folder, or its name on the Hub, as the base.", missing);
        }

        var hasOwnTokenizer = File.Exists(Path.Combine(folder, "tokenizer.json")) || File.Exists(Path.Combine(folder, "spm.model"));
        var tokenizer = DebertaTokenizer.Load(hasOwnTokenizer ? folder : start);
        var loaded = ModelFolder.Load(start, options with { Labels = options.Labels ?? LabelsOf(folder, start) });
        return Own(loaded.Model, () =>
        {
            var adapters = LoraAdapters.Load(folder, loaded.Model);
            adapters.Merge();
            return Tagger(tokenizer, loaded, new Both(adapters, loaded.Model), [.. loaded.Report.Remarks, .. adapters.Remarks], folder, start);
        });
    }

    /// <summary>
    /// A base's folder may be meant as seen from the working directory, or from any folder above the adapters: then the whole repository may be moved.
    /// </summary>
    private static string FromAdapters(string folder, string named)
    {
        for (var above = Path.GetFullPath(folder); !Directory.Exists(named) && !Path.IsPathRooted(named) && above is not null;
        above = Path.GetDirectoryName(above))
        {
            if (File.Exists(Path.Combine(above, named, ModelConfig)))
            {
                return Path.GetFullPath(Path.Combine(above, named));
            }
        }

        return named;
    }

    /// <summary>The labels' names: beside the adapters, or the base's own. Null where the base has them in its own order.</summary>
    private static LabelSet? LabelsOf(string folder, string start)
    {
        var own = DebertaConfig.Read(Path.Combine(start, ModelConfig)).Labels;
        var beside = File.Exists(Path.Combine(folder, ModelConfig)) ? DebertaConfig.Read(Path.Combine(folder, ModelConfig)).Labels : own;
        if (beside.All(name => name.StartsWith("LABEL_", StringComparison.Ordinal)))
        {
            throw new ArgumentException($"{folder}: no file says what its labels are called; name their entity types, in their order.");
        }

        if (beside.SequenceEqual(own))
        {
            return null;
        }

        var labels = LabelIds.Of(beside).Labels;
        return labels.Names.SequenceEqual(beside) ? labels
            : throw new NotSupportedException($"{folder}: its labels are {string.Join(", ", beside.Take(6))}, …; adapters are read with labels in the order O, "
                + "B-type, I-type, B-type, …");
    }

    private static void EnsureTrained(string folder, Loaded<DebertaV2ForTokenClassification> loaded)
    {
        if (loaded.Report.Missing.Count > 0)
        {
            throw new InvalidDataException($"{folder}: has weights, but none for tagging ({loaded.Report.Missing[0]} is missing): "
                + "it is a model to start a training from. Name one that was fine-tuned, for instance the folder of a run.");
        }
    }

    private EntityTagger Tagger(DebertaTokenizer tokenizer, Loaded<DebertaV2ForTokenClassification> loaded, IDisposable owned, IReadOnlyList<string> remarks,
        params string[] folders) =>
        // No weight changes any more: the copies that products take are made with the first text, not with each.
        new(tokenizer, new ModelPieceScorer(loaded.Model, precision: precision), new Both(loaded.Model.Engine.KeepWeightCopies(), owned))
        {
            Name = Path.GetFileName(Path.TrimEndingDirectorySeparator(source)),
            Remarks = tokenizer.Remark is { } remark ? [.. remarks, remark] : remarks,
            Fingerprint = string.Join(' ',
                [.. folders.SelectMany(Directory.EnumerateFiles).Where(path => !path.EndsWith(".md", StringComparison.Ordinal)).Order(StringComparer.Ordinal)
                .Select(Describe), .. precision == TrainingPrecision.Float32 ? Array.Empty<string>() : [precision.ToString()]]),
        };

    private static string Describe(string path)
    {
        // The Hub's cache holds links.
        var file = (FileInfo?)File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path);
        return Invariant($"{Path.GetFileName(path)}:{file.Length}:{file.LastWriteTimeUtc.Ticks}");
    }

    private static EntityTagger Own(IDisposable model, Func<EntityTagger> make)
    {
        try
        {
            return make();
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private sealed class Both(IDisposable first, IDisposable second) : IDisposable
    {
        public void Dispose()
        {
            first.Dispose();
            second.Dispose();
        }
    }
}
