using NotebookLib.Experiments;
using NotebookLib.Lora;
using NotebookLib.Results;
using NotebookLib.Tests.Data;
using NotebookLib.Training;

namespace NotebookLib.Tests.Experiments;

public sealed class ExperimentRunTests
{
    private static readonly InputSettings Inputs = new() { Model = "data/tiny-deberta-v3", Dataset = "data/sample" };

    [Fact]
    public void All_faults_are_reported_together_each_with_what_was_found_and_what_would_work()
    {
        var error = Assert.Throws<ArgumentException>(() => ExperimentRun.Begin(
            "large-LoRA-A", "tiny", Inputs with { TrainData = "no-such-file.conll", Types = ["PER", "PER"], TrainRows = -1 },
            new() { BatchSize = 0, EarlyStoppingPatience = 0 },
            new() { Resume = true, Push = "nobody", Tracking = "on" }, new() { Rank = 0, Targets = [] }));

        foreach (var part in (string[])
            [
                "profile is \"tiny\"; expected demo, small, full, published", "TrainData is \"no-such-file.conll\"", "Types is PER, PER", "TrainRows is -1",
                "BatchSize is 0; expected a number of sentences from 1 on",
                "EarlyStoppingPatience is 0", "Rank is 0; expected a width from 1 to 4096", "Targets is empty", "Resume is true, but Output is null",
                "Push is \"nobody\"; expected organisation/name", "Tracking is \"on\"",
            ])
        {
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void What_is_read_is_checked_before_it_is_read()
    {
        string[] Faults(InputSettings inputs, bool trains = true) => [.. inputs.FindFaults(trains)];

        Assert.Empty(Faults(Inputs));
        Assert.Contains("ValidationData is set, TrainData is not", Faults(Inputs with { ValidationData = "data/sample/validation.parquet" })[0],
            StringComparison.Ordinal);
        Assert.Contains("Types is PER, but TrainData is null; Types belongs to data of your own.", Faults(Inputs with { Types = ["PER"] })[0],
            StringComparison.Ordinal);
        Assert.Contains("only the published profile needs no training data", Faults(Inputs with { TestData = "data/sample/test.parquet" })[0],
            StringComparison.Ordinal);
        Assert.Empty(Faults(Inputs with { TestData = "data/sample/test.parquet" }, trains: false));
        Assert.Contains("Dataset is \"nowhere\"; expected Babelscape/multinerd, or a folder", Faults(Inputs with { Dataset = "nowhere" })[0],
            StringComparison.Ordinal);
    }

    [Fact]
    public void Adapters_that_cannot_be_gone_on_with_are_told_before_anything_is_loaded()
    {
        string[] Faults(string? adapter, bool trains, LoraSettings? asked) => [.. (Inputs with { Adapter = adapter }).FindFaultsOfAdapter(trains, asked)];
        var golden = Repository.PathOf("tests", "goldens", "peft");
        var asSaved = new LoraSettings { Rank = null, Alpha = null, Dropout = null, Targets = null };

        Assert.Empty(Faults(Path.Combine(golden, "patterns-rslora"), true, asSaved));
        Assert.Empty(Faults(Path.Combine(golden, "patterns-rslora"), true, asSaved with { Dropout = 0.3, TrainsHeadOnly = true }));
        Assert.Empty(Faults(Path.Combine(golden, "patterns-rslora"), false, new()));
        Assert.Empty(Faults("org/name@main", true, asSaved));
        Assert.Contains("Rank is 16, but the adapters to start from (",
            Faults(Path.Combine(golden, "patterns-rslora"), true, asSaved with { Rank = 16 }).Single(), StringComparison.Ordinal);
        Assert.Contains("UsesMagnitudes is True, but", Faults(Path.Combine(golden, "patterns-rslora"), true, asSaved with { UsesMagnitudes = true }).Single(),
            StringComparison.Ordinal);
        Assert.Contains("init_lora_weights is \"pissa\"", Faults(Path.Combine(golden, "refuse", "pissa"), true, null).Single(), StringComparison.Ordinal);
        Assert.Contains("there is no such folder, neither from", Faults("results/runs/nothing/model", true, asSaved).Single(), StringComparison.Ordinal);
        Assert.Contains("adapter_config.json", Faults("data/tiny-deberta-v3", true, asSaved).Single(), StringComparison.Ordinal);
        Assert.Contains("Rank is null; expected a width", Faults(null, true, asSaved)[0], StringComparison.Ordinal);
        Assert.Contains("Adapter is null, but this profile trains nothing", Faults(null, false, new()).Single(), StringComparison.Ordinal);
    }

    [Fact]
    public void Float16_without_a_GPU_is_refused_with_the_value_that_works()
    {
        Assert.SkipWhen(TorchSharp.torch.cuda.is_available(), "there is a GPU");

        var error = Assert.Throws<ArgumentException>(() => Begin(settings: new() { Precision = TrainingPrecision.Float16 }));

        Assert.Contains("Precision is Float16, but there is no CUDA device; expected BFloat16", error.Message, StringComparison.Ordinal);
        Assert.Equal(TrainingPrecision.BFloat16, PrecisionPolicy.Half);
    }

    [Fact]
    public void Tracking_that_could_not_start_is_refused_with_the_parameters()
    {
        string Fault(string tracking, params (string Name, string Value)[] variables) => Assert.Throws<ArgumentException>(
            () => Begin(new() { Tracking = tracking }, environment: name => Array.Find(variables, variable => variable.Name == name).Value)).Message;

        Assert.Contains("Tracking is \"online\", but there is no API key; set WANDB_API_KEY", Fault("online"), StringComparison.Ordinal);
        Assert.Contains("mode online: no API key found", Fault("auto", ("WANDB_MODE", "online")), StringComparison.Ordinal);
        Assert.Contains("WANDB_LOG_MODEL: expected false, end or checkpoint, found \"all\"", Fault("offline", ("WANDB_LOG_MODEL", "all")),
            StringComparison.Ordinal);
        _ = Begin(new() { Tracking = "online" }, environment: name => name == "WANDB_API_KEY" ? "0123456789" : null);
    }

    [Theory]
    [InlineData("base-A", "microsoft/deberta-v3-base", null, "base-A")]
    [InlineData("base-A", "alexeyak/deberta-v3-base-ner-A@main", null, "base-A")]
    [InlineData("base-B", "alexeyak/deberta-v3-base-ner-A", null, null)]
    [InlineData("large-LoRA-A", "microsoft/deberta-v3-large", null, "large-LoRA-A")]
    [InlineData("large-LoRA-A", "microsoft/deberta-v3-xsmall", null, null)]
    [InlineData("base-A", "microsoft/deberta-v3-base", 8000, null)]
    public void Only_the_published_model_on_the_published_data_stands_beside_the_published_scores(string system, string model, int? rows, string? published)
    {
        var inputs = new InputSettings { Model = model, TrainRows = rows };
        var run = ExperimentRun.Begin(system, "full", inputs, new(), new());

        Assert.Equal((published, published is null), (run.PublishedSystem, run.PublishedCurves is null));
        Assert.Null(ExperimentRun.Begin(system, "demo", inputs with { Dataset = "data/sample", TrainRows = null }, new(), new()).PublishedSystem);
        Assert.Equal(published is null ? null : Published.TypeF1(published), run.PublishedTypes);
    }

    [Fact]
    public void A_head_alone_has_a_name_of_its_own_and_stands_beside_the_published_large_run()
    {
        var run = ExperimentRun.Begin("large-LoRA-A", "full", new() { Model = "microsoft/deberta-v3-large" }, new(), new(),
            new LoraSettings { TrainsHeadOnly = true });

        Assert.Equal(("large-head-A", "large-LoRA-A"), (run.System, run.PublishedSystem));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_folder_that_holds_a_run_is_refused_whether_the_notebook_or_the_runner_names_it(bool byRunner)
    {
        using var folder = new TemporaryFolder();
        var output = folder.PathOf("run");
        var outputs = new RunSettings { Output = byRunner ? null : output };
        ExperimentRun Again() => Begin(outputs, environment: name => byRunner && name == "NOTEBOOK_OUTPUT" ? output : null);
        Assert.Equal((output, Path.Combine(output, "model")), (Again().Folder, Again().PathOf("model")));

        Directory.CreateDirectory(Path.Combine(output, "checkpoints", "checkpoint-243"));
        var error = Assert.Throws<ArgumentException>(Again);

        Assert.Contains($"{output} holds a run already (checkpoint-243). Go on with it by -p resume=true -p output={output}, or choose another folder.",
            error.Message, StringComparison.Ordinal);
        _ = Begin(new() { Output = output, Resume = true });
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_refused_before_anything_is_loaded()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("file", "");
        string Fault(string output) => Assert.Throws<ArgumentException>(() => Begin(new() { Output = output })).Message;

        Assert.Contains($"{Path.Combine(file, "run")} cannot be a run's folder: {file} is a file.", Fault(Path.Combine(file, "run")), StringComparison.Ordinal);
        Assert.Contains("Output is \"\"; expected a folder", Fault(""), StringComparison.Ordinal);
        _ = Begin(new() { Output = folder.PathOf("a/b") });
        Assert.Equal([file], Directory.EnumerateFileSystemEntries(folder.Root));

        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs /proc, in which nobody makes a folder");
        Assert.Contains("/proc/foo cannot be written: no folder can be made in /proc. Choose another folder.", Fault("/proc/foo"), StringComparison.Ordinal);
    }

    [Fact]
    public void There_is_a_run_to_go_on_with_or_the_parameters_are_refused()
    {
        using var folder = new TemporaryFolder();
        var run = folder.PathOf("run");
        var checkpoints = Directory.CreateDirectory(Path.Combine(run, "checkpoints")).FullName;
        string Fault(string output) => Assert.Throws<ArgumentException>(() => Begin(new() { Output = output, Resume = true })).Message;

        Assert.Contains($"Resume is true, but there is no run to go on with in {folder.PathOf("missing")}; expected the folder of a run",
            Fault(folder.PathOf("missing")), StringComparison.Ordinal);
        Assert.Contains($"no run to go on with in {run};", Fault(run), StringComparison.Ordinal);

        // The lock of a run that was killed before its first checkpoint: that run can only begin again.
        File.WriteAllText(Path.Combine(checkpoints, ".training.lock"), "");
        _ = Begin(new() { Output = run, Resume = true });
        Assert.Contains($"no run to go on with in {checkpoints}; expected the folder of a run, for instance {run}.", Fault(checkpoints),
            StringComparison.Ordinal);
    }

    private static ExperimentRun Begin(RunSettings? outputs = null, TrainingSettings? settings = null, Func<string, string?>? environment = null) =>
        ExperimentRun.Begin("base-A", "demo", Inputs, settings ?? new(), outputs ?? new(), null, environment ?? Environment.GetEnvironmentVariable);
}
