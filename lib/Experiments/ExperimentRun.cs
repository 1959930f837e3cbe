using NotebookLib.Charts;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Results;
using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>One run of an experiment: its name, its folder, what it may be compared with, and its row in the table of all runs.</summary>
public sealed class ExperimentRun
{
    private static readonly string[] Profiles = ["demo", "small", "full", "published"];

    private readonly InputSettings _inputs;
    private readonly TrainingSettings _settings;

    private ExperimentRun(string system, string profile, InputSettings inputs, TrainingSettings settings, string folder, string id, DateTimeOffset started)
    {
        (System, Profile, _inputs, _settings, Folder, Id, Started) = (system, profile, inputs, settings, folder, id, started);
        // The published large run trained its head alone, so that is what a head of ours stands beside.
        var published = system.Replace("head", "LoRA", StringComparison.Ordinal);
        // What goes on from somebody's adapters began elsewhere.
        PublishedSystem = !(Trains && inputs.Adapter is not null) && Published.IsOf(published, inputs.Model, inputs.DataName) ? published : null;
    }

    /// <summary>What is trained, as the published table names it: <c>base-A</c>, <c>base-B</c>, <c>large-LoRA-A</c>; also for a stand-in model.</summary>
    public string System { get; }

    /// <summary>How much is computed on what: <c>demo</c>, <c>small</c>, <c>full</c>, <c>published</c>.</summary>
    public string Profile { get; }

    /// <summary>The run's own name: when it began, what, how much, which seed.</summary>
    public string Id { get; }

    /// <summary>When it began.</summary>
    public DateTimeOffset Started { get; }

    /// <summary>Folder of the run's files, a full path; made when something is written.</summary>
    public string Folder { get; }

    /// <summary>False in the <c>published</c> profile, which tests weights that are there already.</summary>
    public bool Trains => Profile != "published";

    /// <summary>The published experiment whose scores ours can stand beside: the same model on the same data; null for every other.</summary>
    public string? PublishedSystem { get; }

    /// <summary>Its scores per type, or null.</summary>
    public IReadOnlyList<TypeF1>? PublishedTypes => PublishedSystem is null ? null : Published.TypeF1(PublishedSystem);

    /// <summary>Its curves, or null.</summary>
    public PublishedCurves? PublishedCurves => PublishedSystem is null ? null : Published.Curves(PublishedSystem);

    /// <summary>Begins a run: checks all of its parameters together, before anything is loaded or written.</summary>
    /// <param name="system">What is trained: <c>base-A</c>, <c>base-B</c>, <c>large-LoRA-A</c>.</param>
    /// <param name="profile">How much is computed on what.</param>
    /// <param name="inputs">What is read.</param>
    /// <param name="settings">How it is trained.</param>
    /// <param name="outputs">Where results go.</param>
    /// <param name="adapters">The adapters; null where every weight is trained.</param>
    /// <exception cref="ArgumentException">All faults together, each with the value seen and one that would work.</exception>
    public static ExperimentRun Begin(string system, string profile, InputSettings inputs, TrainingSettings settings, RunSettings outputs,
        LoraSettings? adapters = null) =>
        Begin(system, profile, inputs, settings, outputs, adapters, Environment.GetEnvironmentVariable);

    internal static ExperimentRun Begin(
        string system, string profile, InputSettings inputs, TrainingSettings settings, RunSettings outputs, LoraSettings? adapters,
        Func<string, string?> environment)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(system);
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(outputs);
        system = adapters is { TrainsHeadOnly: true } ? system.Replace("LoRA", "head", StringComparison.Ordinal) : system;
        var started = DateTimeOffset.Now;
        var id = Invariant($"{started:yyyyMMdd-HHmmss}-{system}-{profile}-s{settings.Seed}");
        // Relative to the repository, where the command line is typed; the notebook itself runs in its own folder.
        var folder = Path.GetFullPath(
            outputs.Output ?? (environment(HostContract.OutputVariable) is { Length: > 0 } given ? given : Path.Combine("results", "runs", id)),
            RepositoryFiles.Root);
        if (!Ranks.IsFirst)
        {
            // What rank 0 writes is the run's; this is gone at the process's end.
            folder = environment(HostContract.OutputVariable) is { Length: > 0 } own ? own : Directory.CreateTempSubdirectory($"rank-{Ranks.Own}-").FullName;
        }

        var trains = profile != "published";
        List<string> faults =
        [
            .. Profiles.Contains(profile) ? Array.Empty<string>() : [$"profile is \"{profile}\"; expected {string.Join(", ", Profiles)}."],
            .. inputs.FindFaults(trains), .. settings.FindFaults(), .. inputs.FindFaultsOfAdapter(trains, adapters),
            .. trains && settings.Precision == TrainingPrecision.Float16 && !TorchSharp.torch.cuda.is_available()
                ? ["Precision is Float16, but there is no CUDA device; expected BFloat16 or Float32 on a CPU, where float16 is slower than both."]
                : Array.Empty<string>(),
            .. outputs.FindFaults(folder, environment), .. Ranks.IsFirst ? RunFolderRules.FindFaults(outputs, folder, trains) : [],
        ];
        if (faults.Count == 0)
        {
            _ = RunScores.Describe($"{profile}: {inputs.ModelName}, {inputs.DataName}");
            return new(system, profile, inputs, settings, folder, id, started);
        }

        throw new ArgumentException($"The parameters cannot work ({faults.Count} {(faults.Count == 1 ? "fault" : "faults")}):\n  "
            + string.Join("\n  ", faults));
    }

    /// <summary>A file or folder of the run.</summary>
    public string PathOf(string name) => Path.Combine(Folder, name);

    /// <summary>Ends a cell whose training was interrupted, so that nothing is tested which is half trained. The same cell, run again, goes on.</summary>
    /// <param name="result">How the training ended; null where nothing was trained.</param>
    /// <exception cref="OperationCanceledException">It was interrupted; the message says how to go on.</exception>
    public static void ThrowIfInterrupted(TrainingResult? result)
    {
        var token = Platform.Interruption.Token;
        if (token.IsCancellationRequested && result?.End == TrainingEnd.Stopped)
        {
            throw new OperationCanceledException(
                Invariant($"Training was interrupted after {result.Updates:N0} of {result.Summary.Updates:N0} updates. Nothing is lost: ")
                    + Invariant($"{result.LastCheckpoint} holds its state. ")
                + Platform.HostWords.GoOn, token);
        }
    }

    /// <summary>Everything about the run in one record, of which its model's card and its row in the table of all runs are made.</summary>
    /// <param name="model">Its model.</param>
    /// <param name="labels">The model's labels.</param>
    /// <param name="splits">Its sentences.</param>
    /// <param name="words">Its test.</param>
    /// <param name="trained">Its training; null where nothing was trained.</param>
    /// <param name="classWeights">How rare labels counted in the loss.</param>
    public RunRecord RecordOf(
        DebertaV2ForTokenClassification model, LabelSet labels, Splits splits, JudgedSplit words, TrainingResult? trained,
        ClassWeighting classWeights = ClassWeighting.None)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(splits);
        ArgumentNullException.ThrowIfNull(words);
        var isOnHub = !_inputs.IsOwn && _inputs.Dataset == InputSettings.MultiNerd;
        return new()
        {
            Id = Id,
            Started = Started,
            System = System,
            Profile = Profile,
            Folder = Folder,
            Model = _inputs.Model,
            BaseModel = _inputs.BaseModel is [not '.', ..] name ? name.Split('@')[0] : null,
            Adapter = Trains ? _inputs.AdapterName : null,
            Labels = labels,
            DataName = _inputs.DataName,
            Dataset = isOnHub ? _inputs.Dataset : null,
            Language = _inputs.IsOwn ? null : "en",
            // Of data of somebody's own we know no licence; the sample is ours.
            Licence = isOnHub ? "cc-by-nc-sa-4.0" : _inputs.IsOwn ? null : "mit",
            Listing = _inputs.Listing,
            Splits = splits.Statistics,
            TestIsValidation = splits.TestIsValidation,
            Settings = _settings,
            ClassWeights = classWeights,
            TotalParameters = LoraAdapters.CountParameters(model),
            Device = model.parameters().First().device_type.ToString().ToLowerInvariant(),
            FrozenBase = model.modules().OfType<Projection>().FirstOrDefault(projection => projection.Adapter is not null)?.Storage,
            Training = trained,
            Scores = words.Scores,
            Strict = words.Strict,
        };
    }

    /// <summary>
    /// Adds the run to the table of all runs and hands its scores to the program that runs the notebook. Of ranks the first does; the others have a table of
    /// their own.
    /// </summary>
    /// <param name="record">The run.</param>
    /// <param name="table">Where to; null for <c>results/</c> of this repository.</param>
    /// <returns>The table.</returns>
    /// <exception cref="IOException">The folder cannot be written; the message says where.</exception>
    public RunTable AddToTable(RunRecord record, RunTable? table = null)
    {
        ArgumentNullException.ThrowIfNull(record);
        table = Ranks.IsFirst ? table ?? new RunTable(RepositoryFiles.PathOf("results")) : new(Folder);
        var row = RunRow.Of(record);
        _ = RunScores.Publish(row);
        _ = RunScores.Describe(About(record.TotalParameters));
        table.Append(row, TypeRow.Of(record));
        // A reader of all runs wants to know which of those beside this one are no longer at work.
        if (Ranks.IsFirst)
        {
            LostRuns.MarkIn(Path.GetDirectoryName(Folder)!);
        }

        return table;
    }

    /// <summary>Profile, model and data, in one line: what the scores are scores of.</summary>
    /// <param name="parameters">Of the model.</param>
    private string About(long parameters) =>
        Invariant($"{Profile}: {_inputs.ModelName}{(_inputs.AdapterName is { } adapter ? $" with {adapter}" : "")} ({parameters / 1e6:0.0} million ")
            + Invariant($"parameters), {_inputs.DataName}");
}
