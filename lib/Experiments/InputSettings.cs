using NotebookLib.Data;
using NotebookLib.Display;
using NotebookLib.Hub;
using NotebookLib.Results;

namespace NotebookLib.Experiments;

/// <summary>What an experiment reads: a model to start from, and sentences. Paths are seen from the working directory, else from the repository's root.</summary>
public sealed record InputSettings
{
    /// <summary>The name of MultiNERD on the Hub.</summary>
    public const string MultiNerd = ProfileData.MultiNerd;

    /// <summary>A pre-trained or fine-tuned model: a folder, or a name on the Hub such as <c>microsoft/deberta-v3-base</c>.</summary>
    public required string Model { get; init; }

    /// <summary>Trained adapters to test on the model: a folder, or a name on the Hub; null puts new ones on it.</summary>
    public string? Adapter { get; init; }

    /// <summary>Folder or file of the tokenizer (<c>spm.model</c>); null takes the model's.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>The data set when <see cref="TrainData"/> and <see cref="TestData"/> are null: a folder with files <c>train.*</c>, <c>validation.*</c>, <c>test.*</c>, or MultiNERD's name on the Hub.</summary>
    public string Dataset { get; init; } = MultiNerd;

    /// <summary>Your own training sentences: a file (CoNLL, JSON, CSV, Parquet and their kin, docs/DATA.md), or a data set's name on the Hub (<c>org/name</c>).</summary>
    public string? TrainData { get; init; }

    /// <summary>Your own validation sentences; null splits <see cref="ValidationRows"/> off the training sentences.</summary>
    public string? ValidationData { get; init; }

    /// <summary>Your own test sentences; null tests on the validation sentences, and says so.</summary>
    public string? TestData { get; init; }

    /// <summary>Training sentences to use at most, drawn evenly; null or 0 takes all.</summary>
    public int? TrainRows { get; init; }

    /// <summary>Validation sentences to use at most; where there is no validation data, sentences split off the training ones (null: a tenth, at least one).</summary>
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
    /// Where an adapter says that its base comes from: the model's name on the Hub, or its folder as it was given, which begins with a dot then. Empty for a full path, which
    /// is nobody else's business.
    /// </summary>
    public string BaseModel => RepositoryFiles.Find(Model) is null ? Model : Path.IsPathRooted(Model) ? "" : Model.StartsWith('.') ? Model : "./" + Model;

    private bool IsSample => RepositoryFiles.Find(Dataset) is { } folder && Path.TrimEndingDirectorySeparator(folder) == RepositoryFiles.PathOf("data", "sample");

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
        Refuse(trains && Adapter is not null, $"Adapter is \"{Adapter}\", but this profile trains new ones; set it to null, or the profile to published.");
        if (TrainData is null && TestData is null)
        {
            Refuse(ValidationData is not null, "ValidationData is set, TrainData is not; set both, or neither to read the data set.");
            Refuse(Types.Count > 0, $"Types is {string.Join(", ", Types)}, but TrainData is null; Types belongs to data of your own.");
            Refuse(
                Dataset != MultiNerd && (string.IsNullOrWhiteSpace(Dataset) || !Directory.Exists(RepositoryFiles.Find(Dataset))),
                $"Dataset is \"{Dataset}\"; expected {MultiNerd}, or a folder with files train.*, validation.* and test.* (seen from {Environment.CurrentDirectory} or {RepositoryFiles.Root}).");
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

        Refuse(!IsOwn && (Scheme is not null || WordColumn is not null || TagColumn is not null || Fields is not null), "Scheme, WordColumn, TagColumn and Fields belong to data of your own, but TrainData is null.");
        Refuse(Fields is not null && Fields.Split(',').Length != 2, $"Fields is \"{Fields}\"; expected two names with a comma between: that of the words and that of the tags.");
        faults.AddRange(FaultOfTypes() is { } fault ? [fault] : []);
        return faults;

        void Refuse(bool isWrong, string text) => faults.AddRange(isWrong ? [text] : []);
    }

    /// <summary>A file or folder as it stands, else what the Hub has under that name, showing the transfers.</summary>
    /// <param name="source">The model, the adapter or the tokenizer: a path, or <c>org/name</c>, <c>org/name@revision</c>.</param>
    /// <param name="cancellation">Stops a download; what is there already is kept.</param>
    /// <returns>Its path.</returns>
    /// <exception cref="DirectoryNotFoundException">It looks like a path, and there is nothing.</exception>
    /// <exception cref="HubException">It cannot be had from the Hub; the message says what to do.</exception>
    public Task<string> FetchAsync(string source, CancellationToken cancellation = default) => RepositoryFiles.Find(source) is { } here
        ? Task.FromResult(here)
        : NoNetwork.ExplainAsync(this, () => HubModels.FetchAsync(source, new DownloadPanel(), cancel: cancellation));

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
