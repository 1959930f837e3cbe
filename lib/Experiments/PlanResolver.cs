using NotebookLib.Data;
using NotebookLib.Hub;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Results;
using NotebookLib.Tracking;
using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>Makes a plan of a profile and a notebook's parameters, gathering every fault on the way.</summary>
internal sealed class PlanResolver(ExperimentOptions options, Func<string, string?>? environment = null)
{
    private readonly Func<string, string?> _environment = environment ?? Environment.GetEnvironmentVariable;
    private readonly List<string> _faults = [];

    /// <exception cref="ArgumentException">All faults together.</exception>
    public ExperimentPlan Resolve()
    {
        var profile = Choice("profile", options.Profile, ("demo", Profile.Demo), ("small", Profile.Small), ("full", Profile.Full), ("published", Profile.Published));
        var method = Choice("method", options.Method, ("full", Method.Full), ("lora", Method.Lora), ("head", Method.Head));
        var labels = Choice("system", options.System, ("A", LabelSet.SystemA), ("B", LabelSet.SystemB));
        CheckPush();
        var started = DateTimeOffset.Now;
        var system = SystemName(method, labels);
        var runId = Invariant($"{started:yyyyMMdd-HHmmss}-{system}-{options.Profile}-s{options.Seed}");
        var output = OutputFolder(runId);
        CheckFolder(profile, output);
        CheckTracking(output);
        var data = Data(profile, labels ?? LabelSet.SystemA);
        var (model, adapter) = ProfilePresets.Model(profile, method, options.System == "B");
        var training = Training(profile, method, RunFolderRules.CheckpointsOf(output));
        var adapters = method == Method.Full ? null : Adapters(method);
        var frozenBase = FrozenBase(method);
        var classWeighting = Choice("classWeights", options.ClassWeights, ("none", ClassWeighting.None), ("sqrt", ClassWeighting.InverseSquareRoot), ("effective", ClassWeighting.EffectiveNumber));
        ThrowIfFaulty();
        return new()
        {
            System = system,
            Profile = profile,
            Method = method,
            Data = data,
            Model = options.Model is null ? model : RepositoryFiles.Find(options.Model) ?? options.Model,
            Adapter = options.Model is null ? adapter : null,
            Tokenizer = options.Tokenizer is null ? null : RepositoryFiles.Find(options.Tokenizer) ?? options.Tokenizer,
            Adapters = profile == Profile.Published ? null : adapters is null ? null : adapters with { BaseModel = Path.Exists(model) ? "" : model },
            FrozenBase = frozenBase,
            RecomputesActivations = profile == Profile.Full && method != Method.Full,
            Training = training,
            ClassWeighting = classWeighting,
            KeepsBest = options.Keep == "best",
            Compares = options.Compare ?? (profile == Profile.Demo),
            Tracking = options.Tracking,
            Push = options.Push,
            OutputFolder = output,
            RunId = runId,
            Started = started,
        };
    }

    private static string SystemName(Method method, LabelSet? labels) =>
        $"{method switch { Method.Full => "base", Method.Lora => "large-LoRA", _ => "large-head" }}-{(ReferenceEquals(labels, LabelSet.SystemB) ? "B" : "A")}";

    private string OutputFolder(string runId)
    {
        if (options.Resume && options.Output is null)
        {
            _faults.Add("resume is true, but output is null; expected the folder of the run to go on with, for instance results/runs/my-run.");
        }

        // Relative to the repository, where the command line is typed; the notebook itself runs in its own folder.
        return Path.GetFullPath(
            options.Output ?? (_environment(RunScores.FolderVariable) is { Length: > 0 } folder ? folder : Path.Combine("results", "runs", runId)),
            RepositoryFiles.Root);
    }

    private void CheckFolder(Profile profile, string output)
    {
        Refuse(string.IsNullOrWhiteSpace(options.Output ?? output), $"output is \"{options.Output}\"; expected a folder, for instance results/runs/my-run, or null to make a new one.");
        AddFault(RunFolderRules.FaultOfWriting(output));
        AddFault(options.Resume ? null : RunFolderRules.FaultOfNew(output));
        AddFault(options is { Resume: true, Output: not null } && profile != Profile.Published ? RunFolderRules.FaultOfResumed(output) : null);
    }

    private DataPlan Data(Profile profile, LabelSet labels)
    {
        var unknown = Choice("otherTypes", options.OtherTypes, ("error", UnknownTypes.Error), ("outside", UnknownTypes.Outside));
        var preset = ProfilePresets.Data(profile, labels) with { UnknownTypes = unknown };
        Refuse(options.ValidationRows is not null && options.TrainData is null, Invariant($"validationRows is {options.ValidationRows}, but trainData is null; validationRows belongs to data of your own."));
        if (options.TrainData is null && options.TestData is null)
        {
            Refuse(options.ValidationData is not null, "validationData is set, trainData is not; set both, or neither to read the profile's data.");
            Refuse(options.Types is not null, $"types is \"{options.Types}\", but trainData is null; types belongs to data of your own.");
            return Limited(preset with { Listing = Listing(RowListing.Distinct) });
        }

        var types = options.Types?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Refuse(profile != Profile.Published && options.TrainData is null, "testData is set, trainData is not; only the published profile needs no training data.");
        var source = types is null ? LabelSet.SystemA : LabelsOf(types);
        return Limited(preset with
        {
            Name = Path.GetFileName(options.TrainData ?? options.TestData!),
            IsOwn = true,
            Dataset = null,
            Most = null,
            Train = FileOf("trainData", options.TrainData),
            Validation = FileOf("validationData", options.ValidationData),
            Test = FileOf("testData", options.TestData),
            ValidationRows = options.ValidationRows,
            Source = source,
            Labels = types is null ? labels : source,
            Listing = Listing(RowListing.AsListed),
        });
    }

    private DataPlan Limited(DataPlan data)
    {
        Refuse(options.TrainRows < 0, $"trainRows is {options.TrainRows}; expected a number of sentences, 0 for all, or null.");
        Refuse(options.ValidationRows < 0, $"validationRows is {options.ValidationRows}; expected a number of sentences, for instance 1000.");
        var (_, validation, test) = data.Most ?? (int.MaxValue, int.MaxValue, int.MaxValue);
        return options.TrainRows is { } most ? data with { Most = (most == 0 ? int.MaxValue : most, validation, test) } : data;
    }

    private RowListing Listing(RowListing missing) => options.Listing is null
        ? missing
        : Choice("listing", options.Listing, ("distinct", RowListing.Distinct), ("listed", RowListing.AsListed), ("published", RowListing.Published));

    private LabelSet LabelsOf(string[] types)
    {
        try
        {
            return new LabelSet(types.Length > 0 ? types : throw new ArgumentException("no type is named; expected for instance PER,ORG,LOC."));
        }
        catch (ArgumentException fault)
        {
            _faults.Add($"types is \"{options.Types}\": {fault.Message}");
            return LabelSet.SystemA;
        }
    }

    private string? FileOf(string name, string? path)
    {
        if (path is null)
        {
            return null;
        }

        var found = RepositoryFiles.Find(path);
        Refuse(found is null, $"{name} is \"{path}\": there is no such file, neither from the notebook's folder ({Environment.CurrentDirectory}) nor from {RepositoryFiles.Root}.");
        return found ?? path;
    }

    private TrainingSettings Training(Profile profile, Method method, string folder)
    {
        var hasCuda = TorchSharp.torch.cuda.is_available();
        var preset = ProfilePresets.Training(profile, method, hasCuda);
        Refuse(
            profile != Profile.Published && options.Precision == "float16" && !hasCuda,
            "precision is \"float16\", but there is no CUDA device; expected bfloat16 or float32 on a CPU, where float16 is slower than both.");
        var isTwice = options.Listing == "published";
        var isWholeRecipe = options is { Updates: null, Epochs: null, TrainRows: null or 0, TrainData: null, BatchSize: null, AccumulationSteps: null };
        var settings = preset with
        {
            Seed = options.Seed,
            Epochs = options.Epochs ?? (isTwice ? preset.Epochs / 2 : preset.Epochs),
            MaximumUpdates = options.Updates,
            LearningRate = options.LearningRate ?? preset.LearningRate,
            WarmupRatio = options.WarmupRatio ?? preset.WarmupRatio,
            WarmupUpdates = options.WarmupRatio is null && isWholeRecipe ? preset.WarmupUpdates : 0,
            BatchSize = options.BatchSize ?? preset.BatchSize,
            AccumulationSteps = options.AccumulationSteps ?? preset.AccumulationSteps,
            Precision = options.Precision is null ? preset.Precision : Choice("precision", options.Precision,
                ("float32", TrainingPrecision.Float32), ("bfloat16", TrainingPrecision.BFloat16), ("float16", TrainingPrecision.Float16)),
            EvaluateEvery = options.EvaluateEvery is { } evaluate ? evaluate : preset.EvaluateEvery,
            SaveEvery = options.SaveEvery is { } save ? save : preset.SaveEvery,
            LossAverage = Choice("lossAverage", options.LossAverage, ("means", LossAverage.MeanOfMeans), ("pieces", LossAverage.LabelledPieces)),
            FocalGamma = options.FocalGamma,
            OutputFolder = folder,
            // Whoever named the folder, here or to the runner: it may hold a run that took a week. Only what this process left there itself, all cells run again, is replaced.
            ExistingRun = options.Resume ? ExistingRun.Resume : options.Output is null && OwnRuns.Contains(folder) ? ExistingRun.Replace : ExistingRun.Refuse,
        };

        // A warm-up that was given in updates for the whole recipe keeps its share of another run.
        settings = settings is { WarmupUpdates: 0, WarmupRatio: 0 } && preset.WarmupUpdates > 0 && options.WarmupRatio is null ? settings with { WarmupRatio = 0.05 } : settings;
        _ = Choice("keep", options.Keep, ("best", 0), ("last", 0));
        _faults.AddRange(ParameterRules.OfTraining(options, settings));
        return settings;
    }

    private LoraSettings Adapters(Method method)
    {
        var settings = new LoraSettings { Rank = options.LoraRank, Alpha = options.LoraAlpha, TrainsHeadOnly = method == Method.Head };
        _faults.AddRange(ParameterRules.OfAdapters(options, settings));
        return settings;
    }

    private WeightStorage FrozenBase(Method method)
    {
        var storage = Choice("frozenBase", options.FrozenBase, ("float32", WeightStorage.Dense), ("bfloat16", WeightStorage.BFloat16), ("int8", WeightStorage.Int8));
        Refuse(storage != WeightStorage.Dense && method == Method.Full, $"frozenBase is \"{options.FrozenBase}\", but method full trains every weight; set method to lora, or frozenBase to float32.");
        return storage;
    }

    /// <summary>What would fail after the training is better said before it.</summary>
    private void CheckPush()
    {
        if (options.Push is not { } push)
        {
            return;
        }

        Refuse(!push.Contains('/', StringComparison.Ordinal) || !HubNames.IsRepository(push), $"push is \"{push}\"; expected organisation/name, or null to publish nothing.");
        try
        {
            var hub = HubSettings.FromEnvironment();
            Refuse(hub.Token is null, $"push is \"{push}\", but there is no token; set HF_TOKEN to one that may write ({hub.Endpoint}/settings/tokens), or leave push null.");
            Refuse(hub.IsOffline, $"push is \"{push}\", but HF_HUB_OFFLINE allows no request; unset it, or leave push null.");
        }
        catch (ArgumentException fault)
        {
            _faults.Add(fault.Message);
        }
    }

    /// <summary>What would fail when the training cell starts the tracking.</summary>
    private void CheckTracking(string output)
    {
        if (!Choice("tracking", options.Tracking, ("auto", true), ("online", true), ("offline", true), ("disabled", true)))
        {
            return;
        }

        try
        {
            var settings = TrackingEnvironment.ForNotebook(options.Tracking, output, environment: _environment);
            if (options.Tracking == "online" && settings.Key is null)
            {
                _faults.Add("tracking is \"online\", but there is no API key; set WANDB_API_KEY (or netrc), or tracking to offline and upload later with sync.");
                return;
            }

            _faults.AddRange(settings.Validate());
        }
        catch (ArgumentException fault)
        {
            _faults.Add(fault.Message);
        }
    }

    private T? Choice<T>(string name, string found, params ReadOnlySpan<(string Name, T Value)> choices)
    {
        foreach (var (choice, value) in choices)
        {
            if (choice == found)
            {
                return value;
            }
        }

        _faults.Add($"{name} is \"{found}\"; expected {string.Join(", ", choices.ToArray().Select(choice => choice.Name))}.");
        return default;
    }

    private void Refuse(bool isWrong, string fault)
    {
        if (isWrong)
        {
            _faults.Add(fault);
        }
    }

    private void AddFault(string? fault) => Refuse(fault is not null, fault ?? "");

    private void ThrowIfFaulty()
    {
        if (_faults.Count > 0)
        {
            throw new ArgumentException($"The parameters cannot work ({_faults.Count} {(_faults.Count == 1 ? "fault" : "faults")}):\n  " + string.Join("\n  ", _faults));
        }
    }
}
