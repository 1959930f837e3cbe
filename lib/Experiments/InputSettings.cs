using NotebookLib.Data;
using NotebookLib.Display;
using NotebookLib.Hub;
using NotebookLib.Inference;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Results;

namespace NotebookLib.Experiments;

/// <summary>
/// What an experiment reads: a model to start from, and sentences. Paths are seen from the working directory, else from the repository's root.
/// </summary>
public sealed record InputSettings
{
    /// <summary>The name of MultiNERD on the Hub.</summary>
    public const string MultiNerd = ProfileData.MultiNerd;

    /// <summary>A pre-trained or fine-tuned model: a folder, or a name on the Hub such as <c>microsoft/deberta-v3-base</c>.</summary>
    public required string Model { get; init; }

    /// <summary>
    /// Trained adapters that go on the model, to be tested or trained on: a folder, also of a run, or a name on the Hub; null puts on new ones, or none.
    /// </summary>
    public string? Adapter { get; init; }

    /// <summary>Folder or file of the tokenizer (<c>spm.model</c>); null takes the model's.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>
    /// The data set when <see cref="TrainData"/> and <see cref="TestData"/> are null: a folder with files <c>train.*</c>, <c>validation.*</c>, <c>test.*</c>,
    /// or MultiNERD's name on the Hub.
    /// </summary>
    public string Dataset { get; init; } = MultiNerd;

    /// <summary>
    /// Your own training sentences: a file (CoNLL, JSON, CSV, Parquet and their kin, docs/DATA.md), or a data set's name on the Hub (<c>org/name</c>).
    /// </summary>
    public string? TrainData { get; init; }

    /// <summary>Your own validation sentences; null splits <see cref="ValidationRows"/> off the training sentences.</summary>
    public string? ValidationData { get; init; }

    /// <summary>Your own test sentences; null tests on the validation sentences, and says so.</summary>
    public string? TestData { get; init; }

    /// <summary>Training sentences to use at most, drawn evenly; null or 0 takes all.</summary>
    public int? TrainRows { get; init; }

    /// <summary>
    /// Validation sentences to use at most; where there is no validation data, sentences split off the training ones (null: a tenth, at least one).
    /// </summary>
    public int? ValidationRows { get; init; }

    /// <summary>Test sentences to use at most, drawn evenly; null or 0 takes all.</summary>
    public int? TestRows { get; init; }

    /// <summary>The entity types of your own data; empty takes the notebook's.</summary>
    public IReadOnlyList<string> Types { get; init; } = [];

    /// <summary>What becomes of entity types in the data that the label set lacks.</summary>
    public UnknownTypes OtherTypes { get; init; } = UnknownTypes.Error;

    /// <summary>How the tags of your own data mark entities; null goes by what the files show.</summary>
    public TagScheme? Scheme { get; init; }

    /// <summary>The word's column in your own CoNLL and CSV files, from 0, −1 for the last; null looks for it.</summary>
    public int? WordColumn { get; init; }

    /// <summary>The tag's column in your own CoNLL and CSV files; null looks for it.</summary>
    public int? TagColumn { get; init; }

    /// <summary>Names of the words' and the tags' fields or columns in your own data, with a comma between; null looks for the usual ones.</summary>
    public string? Fields { get; init; }

    /// <summary>Which rows of a file count.</summary>
    public RowListing Listing { get; init; } = RowListing.AsListed;

    /// <summary>True for data that a user brought: no published number belongs beside them.</summary>
    public bool IsOwn => TrainData is not null || TestData is not null || !(Dataset == MultiNerd || IsSample);

    /// <summary>True when every sentence of MultiNERD's English part is used, as the published runs did.</summary>
    public bool IsWholeMultiNerd => !IsOwn && Dataset == MultiNerd && (TrainRows ?? 0) == 0 && (TestRows ?? 0) == 0 && ValidationRows is null;

    /// <summary>What to call the data in tables.</summary>
    public string DataName => (TrainData ?? TestData) is { } file ? Path.GetFileName(file)
        : IsSample ? ProfileData.Sample
        : Dataset != MultiNerd ? Path.GetFileName(Path.TrimEndingDirectorySeparator(Dataset))
        : IsWholeMultiNerd ? ProfileData.MultiNerd : ProfileData.MultiNerdPart;

    /// <summary>What to call the model: a folder by its last name.</summary>
    public string ModelName => RepositoryFiles.Find(Model) is { } folder ? Path.GetFileName(Path.TrimEndingDirectorySeparator(folder)) : Model;

    /// <summary>
    /// Where an adapter says that its base comes from: the model's name on the Hub, or its folder as it was given, which begins with a dot then. Empty for a
    /// full path, which is nobody else's business.
    /// </summary>
    public string BaseModel => RepositoryFiles.Find(Model) is null ? Model : Path.IsPathRooted(Model) ? "" : Model.StartsWith('.') ? Model : "./" + Model;

    /// <summary>What to call the adapters in tables and in a model's card: as they were given, a full path by its end; null where there are none.</summary>
    public string? AdapterName => Adapter is null || !Path.IsPathRooted(Adapter) ? Adapter
        : string.Join(
            '/', Adapter.Split('/', StringSplitOptions.RemoveEmptyEntries)[
            (Path.GetFileName(Path.TrimEndingDirectorySeparator(Adapter)) == "model" ? ^2 : ^1)..]);

    private bool IsSample =>
        RepositoryFiles.Find(Dataset) is { } folder && Path.TrimEndingDirectorySeparator(folder) == RepositoryFiles.PathOf("data", "sample");

    /// <summary>The label set of <see cref="Types"/>, or the notebook's where none are named.</summary>
    /// <param name="notebooks">The notebook's.</param>
    public LabelSet LabelsOr(LabelSet notebooks) => Types.Count > 0 ? new LabelSet(Types) : notebooks;

    /// <summary>Finds what is wrong before anything is read.</summary>
    /// <param name="trains">Whether sentences to train on are needed.</param>
    /// <returns>One line per fault, each with the value seen and one that would work.</returns>
    public IReadOnlyList<string> FindFaults(bool trains)
    {
        var faults = new List<string>();
        Refuse(string.IsNullOrWhiteSpace(Model), $"Model is \"{Model}\"; expected a folder, or a name on the Hub such as microsoft/deberta-v3-base.");
        Refuse(Adapter is not null && string.IsNullOrWhiteSpace(Adapter),
            $"Adapter is \"{Adapter}\"; expected a folder with adapter_config.json, a name on the Hub such as alexeyak/deberta-v3-large-ner-lora, or null.");
        if (TrainData is null && TestData is null)
        {
            Refuse(ValidationData is not null, "ValidationData is set, TrainData is not; set both, or neither to read the data set.");
            Refuse(Types.Count > 0, $"Types is {string.Join(", ", Types)}, but TrainData is null; Types belongs to data of your own.");
            Refuse(
                Dataset != MultiNerd && (string.IsNullOrWhiteSpace(Dataset) || !Directory.Exists(RepositoryFiles.Find(Dataset))),
                $"Dataset is \"{Dataset}\"; expected {MultiNerd}, or a folder with files train.*, validation.* and test.* (seen from "
                    + $"{Environment.CurrentDirectory} or {RepositoryFiles.Root}).");
        }

        Refuse(trains && TrainData is null && TestData is not null, "TestData is set, TrainData is not; only the published profile needs no training data.");
        foreach (var (name, path) in (ReadOnlySpan<(string, string?)>)[("TrainData", TrainData), ("ValidationData", ValidationData), ("TestData", TestData)])
        {
            Refuse(
                path is not null && RepositoryFiles.Find(path) is null && !(name == nameof(TrainData) && HubDatasets.IsName(path)),
                $"{name} is \"{path}\": there is no such file, neither from {Environment.CurrentDirectory} nor from {RepositoryFiles.Root}.");
        }

        foreach (var (name, rows) in (ReadOnlySpan<(string, int?)>)[("TrainRows", TrainRows), ("ValidationRows", ValidationRows), ("TestRows", TestRows)])
        {
            Refuse(rows < 0, Invariant($"{name} is {rows}; expected a number of sentences, for instance 1000, or null."));
        }

        Refuse(!IsOwn && (Scheme is not null || WordColumn is not null || TagColumn is not null || Fields is not null),
            "Scheme, WordColumn, TagColumn and Fields belong to data of your own, but TrainData is null.");
        Refuse(Fields is not null && Fields.Split(',').Length != 2,
            $"Fields is \"{Fields}\"; expected two names with a comma between: that of the words and that of the tags.");
        faults.AddRange(FaultOfTypes() is { } fault ? [fault] : []);
        return faults;

        void Refuse(bool isWrong, string text) => faults.AddRange(isWrong ? [text] : []);
    }

    /// <summary>A file or folder as it stands, else what the Hub has under that name, showing the transfers.</summary>
    /// <param name="source">The model, the adapter or the tokenizer: a path, or <c>org/name</c>, <c>org/name@revision</c>.</param>
    /// <param name="cancellation">Stops a download; what is there already is kept.</param>
    /// <returns>Its path; of a run's folder that of the model in it.</returns>
    /// <exception cref="DirectoryNotFoundException">It looks like a path, and there is nothing.</exception>
    /// <exception cref="HubException">It cannot be had from the Hub; the message says what to do.</exception>
    public Task<string> FetchAsync(string source, CancellationToken cancellation = default) => Find(source) is { } here
        ? Task.FromResult(here)
        : NoNetwork.ExplainAsync(this, () => HubModels.FetchAsync(source, new DownloadPanel(), cancel: cancellation));

    /// <summary>
    /// Puts the adapters of <see cref="Adapter"/> into a model's weights for good, their head too, so that all of it trains on from what they learned; the
    /// model as it is where there are none.
    /// </summary>
    /// <param name="loaded">The base that they were trained on.</param>
    /// <param name="trains">Whether it is trained then: only then may the model's labels be others than the adapters'.</param>
    /// <exception cref="ArgumentException">The base has no head, nor have the adapters.</exception>
    /// <inheritdoc cref="LoraAdapters.Load" path="/exception"/>
    public async Task<Loaded<DebertaV2ForTokenClassification>> MergeAdapterAsync(Loaded<DebertaV2ForTokenClassification> loaded, bool trains)
    {
        ArgumentNullException.ThrowIfNull(loaded);
        if (Adapter is null)
        {
            return loaded;
        }

        var folder = await FetchAsync(Adapter).ConfigureAwait(false);
        var adapters = trains ? LoraAdapters.Attach(loaded.Model, LoraSettings.AsSaved, seed: 0, folder) : LoraAdapters.Load(folder, loaded.Model);
        adapters.Keep();
        var missing = loaded.Model.HasNewHead ? loaded.Report.Missing : [];
        string[] remarks = [.. loaded.Report.Remarks,
            $"The {adapters.Modules.Count} adapters of {folder} are part of the weights "
            + $"now{(missing.Count == 0 && loaded.Report.Missing.Count > 0 ? ", and the head is theirs" : "")}.", .. adapters.Remarks];
        return loaded with { Report = loaded.Report with { Missing = missing, Remarks = remarks } };
    }

    /// <summary>What is wrong with <see cref="Adapter"/>, as far as that shows without the network and the model.</summary>
    /// <param name="trains">False where trained ones are tested.</param>
    /// <param name="asked">What adapters should look like; null where they are merged.</param>
    internal IReadOnlyList<string> FindFaultsOfAdapter(bool trains, LoraSettings? asked)
    {
        if (string.IsNullOrWhiteSpace(Adapter))
        {
            return asked is null
                ? [] : trains
                ? asked.FindFaults()
                : ["Adapter is null, but this profile trains nothing; set Adapter to trained ones. A model that was trained whole is tested by "
                + "ner_deberta_base_A or _B."];
        }

        if (Find(Adapter) is not { } folder)
        {
            // Of a name on the Hub it shows when they are there.
            return !HubNames.IsRepository(Adapter.Split('@')[0])
                ? [$"Adapter is \"{Adapter}\": there is no such folder, neither from {Environment.CurrentDirectory} nor from {RepositoryFiles.Root}, "
                    + "and a name on the Hub looks like org/name."]
                : asked?.StartingFrom(new()).FindFaults() ?? [];
        }

        try
        {
            var there = AdapterConfig.Read(folder);
            return trains && asked is not null ? [.. asked.FindConflicts(there, Adapter), .. asked.StartingFrom(there).FindFaults()] : [];
        }
        catch (Exception error) when (error is IOException or InvalidDataException or NotSupportedException)
        {
            return [$"Adapter is \"{Adapter}\": {error.Message}"];
        }
    }

    // A folder of a run holds its model in one called model.
    private static string? Find(string source) => RepositoryFiles.Find(source) is { } here ? TaggerFolder.FindIn(here) ?? here : null;

    private string? FaultOfTypes()
    {
        try
        {
            _ = new LabelSet(Types);
            return null;
        }
        catch (ArgumentException fault)
        {
            return $"Types is {string.Join(", ", Types)}: {fault.Message}";
        }
    }
}
