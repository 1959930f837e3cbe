using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Experiments;

/// <summary>The network of an experiment, loaded, on its device, with adapters where the plan has them.</summary>
public sealed class ExperimentModel : IDisposable
{
    private ExperimentModel(ExperimentPlan plan, string folder, Loaded<DebertaV2ForTokenClassification> loaded, LoraAdapters? adapters) =>
        (Plan, Folder, Network, Report, Adapters) = (plan, folder, loaded.Model, loaded.Report, adapters);

    /// <summary>What the experiment decided.</summary>
    public ExperimentPlan Plan { get; }

    /// <summary>The folder that it was loaded from.</summary>
    public string Folder { get; }

    /// <summary>The network.</summary>
    public DebertaV2ForTokenClassification Network { get; }

    /// <summary>What loading found.</summary>
    public LoadReport Report { get; }

    /// <summary>The low-rank adapters, or null.</summary>
    public LoraAdapters? Adapters { get; }

    /// <summary>True once it was trained: training again starts from the checkpoint it came from.</summary>
    internal bool IsTrained { get; set; }

    /// <summary>What the network is made of and what of it is trained.</summary>
    public CardView Card => ModelCard.Create(Network, Report, Path.Exists(Plan.Model) ? Path.GetFileName(Path.TrimEndingDirectorySeparator(Plan.Model)) : Plan.Model);

    /// <summary>What is adapted; says so when nothing is.</summary>
    public HtmlView AdapterCard => Adapters is null
        ? new EmptyView("Low-rank adapters", Plan.Trains
            ? "None: every weight is trained. The notebook ner_deberta_large_lora_A trains adapters (method = \"lora\")."
            : "None: the model comes whole, and nothing is trained in this profile.")
        : ModelCard.Adapters(Network, Adapters.Settings);

    /// <summary>Loads the model of a plan, with a new head unless the checkpoint has one for these labels, and adapters when the plan says so.</summary>
    /// <param name="plan">What to load.</param>
    /// <param name="data">Its labels make the head.</param>
    /// <param name="cancellation">Stops a download.</param>
    /// <exception cref="IOException">A file or the network fails.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged, or does not fit vocabulary or labels.</exception>
    public static async Task<ExperimentModel> LoadAsync(ExperimentPlan plan, ExperimentData data, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        var folder = await ModelSource.FolderAsync(plan, plan.Model, cancellation).ConfigureAwait(false);
        var adapter = plan.Adapter is null ? null : await ModelSource.FolderAsync(plan, plan.Adapter, cancellation).ConfigureAwait(false);
        var loaded = LoadNetwork(plan, folder, data);
        try
        {
            loaded.Model.Deberta.Encoder.RecomputesActivations = plan.RecomputesActivations;
            var adapters = adapter is not null ? LoraAdapters.Load(adapter, loaded.Model)
                : plan.Adapters is null ? null : LoraAdapters.Attach(loaded.Model, plan.Adapters, plan.Training.Seed);
            _ = FrozenWeights.Store(loaded.Model, plan.FrozenBase);
            return new(plan, folder, loaded, adapters);
        }
        catch
        {
            loaded.Model.Dispose();
            throw;
        }
    }

    /// <summary>Puts weights that training saved back into the network: a whole model, or an adapter.</summary>
    /// <param name="folder">A checkpoint, or the best evaluation's folder.</param>
    internal void LoadWeights(string folder) => new TaggerWeights(Network).Load(folder);

    /// <summary>Makes the network what it was before training.</summary>
    internal void Restore(ExperimentData data)
    {
        using var fresh = LoadAsync(Plan, data).GetAwaiter().GetResult();
        using var quiet = no_grad();
        var source = fresh.Network.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter, StringComparer.Ordinal);
        foreach (var (name, parameter) in Network.named_parameters())
        {
            parameter.copy_(source[name]);
        }

        IsTrained = false;
    }

    /// <inheritdoc />
    public void Dispose() => Network.Dispose();

    private static Loaded<DebertaV2ForTokenClassification> LoadNetwork(ExperimentPlan plan, string folder, ExperimentData data)
    {
        var needsItsHead = !plan.Trains && plan.Adapter is null;
        var loaded = ModelFolder.Load(folder, new LoadOptions
        {
            Labels = needsItsHead ? null : data.Labels,
            HeadSeed = plan.Training.Seed,
            DropoutSeed = plan.Training.Seed,
            Device = cuda.is_available() ? CUDA : CPU,
        });
        var fault = needsItsHead && loaded.Report.Missing.Count > 0 ? $"{folder}: has no trained head ({string.Join(", ", loaded.Report.Missing)}); the published profile tests fine-tuned models only."
            : loaded.Model.Config.VocabSize < data.Tokenizer.VocabularySize && data.Lengths.Count > 0 && LargestId(data) >= loaded.Model.Config.VocabSize
                ? Invariant($"{folder}: the embedding has {loaded.Model.Config.VocabSize:N0} rows, but the tokenizer gave the piece id {LargestId(data):N0}; do model and tokenizer belong together?")
            : null;
        if (fault is not null)
        {
            loaded.Model.Dispose();
            throw new InvalidDataException(fault);
        }

        return loaded;
    }

    private static int LargestId(ExperimentData data) => data.TrainRows.Concat(data.ValidationRows).Concat(data.TestRows).Max(row => row.InputIds.Max());
}
