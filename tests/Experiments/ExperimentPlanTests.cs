using NotebookLib.Data;
using NotebookLib.Experiments;
using NotebookLib.Model;
using NotebookLib.Tests.Data;
using NotebookLib.Training;

namespace NotebookLib.Tests.Experiments;

public sealed class ExperimentPlanTests
{
    [Fact]
    public void All_faults_are_reported_together_each_with_what_was_found_and_what_would_work()
    {
        var error = Assert.Throws<ArgumentException>(() => ExperimentPlan.Of(new ExperimentOptions
        {
            Profile = "tiny",
            System = "C",
            OtherTypes = "ignore",
            Precision = "int4",
            BatchSize = 0,
            TrainData = "no-such-file.conll",
            Types = "PER,PER",
            Resume = true,
            Keep = "first",
            ClassWeights = "cubic",
            FrozenBase = "int4",
            LoraRank = 0,
            Method = "lora",
            Push = "nobody",
        }));

        foreach (var part in (string[])
            [
                "profile is \"tiny\"; expected demo, small, full, published", "system is \"C\"; expected A, B", "otherTypes is \"ignore\"; expected error, outside",
                "precision is \"int4\"; expected float32, bfloat16, float16", "batchSize is 0; expected a number of sentences from 1 on", "trainData is \"no-such-file.conll\"", "types is \"PER,PER\"", "resume is true, but output is null",
                "keep is \"first\"; expected best, last", "classWeights is \"cubic\"; expected none, sqrt, effective", "frozenBase is \"int4\"; expected float32, bfloat16, int8", "loraRank is 0; expected a width from 1 to 4096", "push is \"nobody\"; expected organisation/name",
            ])
        {
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_base_that_is_trained_is_not_stored_in_fewer_bits()
    {
        var error = Assert.Throws<ArgumentException>(() => ExperimentPlan.Of(new ExperimentOptions { FrozenBase = "int8" }));

        Assert.Contains("frozenBase is \"int8\", but method full trains every weight; set method to lora", error.Message, StringComparison.Ordinal);
        Assert.Equal(WeightStorage.Int8, ExperimentPlan.Of(new ExperimentOptions { FrozenBase = "int8", Method = "lora" }).FrozenBase);
    }

    [Fact]
    public void Float16_without_a_GPU_is_refused_with_the_parameter_that_works()
    {
        Assert.SkipWhen(TorchSharp.torch.cuda.is_available(), "there is a GPU");

        var error = Assert.Throws<ArgumentException>(() => ExperimentPlan.Of(new ExperimentOptions { Precision = "float16" }));

        Assert.Contains("precision is \"float16\", but there is no CUDA device; expected bfloat16", error.Message, StringComparison.Ordinal);
        Assert.Equal(TrainingPrecision.BFloat16, ExperimentPlan.Of(new ExperimentOptions { Precision = "bfloat16" }).Training.Precision);
    }

    [Fact]
    public void Parameters_of_ones_own_data_are_refused_without_them()
    {
        var error = Assert.Throws<ArgumentException>(() => ExperimentPlan.Of(new ExperimentOptions { ValidationRows = 100, Types = "PER" }));

        Assert.Contains("validationRows is 100, but trainData is null; validationRows belongs to data of your own.", error.Message, StringComparison.Ordinal);
        Assert.Contains("types is \"PER\", but trainData is null; types belongs to data of your own.", error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<ExperimentOptions, string> WrongNumbers => new()
    {
        { new() { Updates = 0 }, "updates is 0; expected a number of updates from 1 on, or null to let epochs decide." },
        { new() { Epochs = -0.5 }, "epochs is -0.5; expected" },
        { new() { LearningRate = 0 }, "learningRate is 0; expected" },
        { new() { WarmupRatio = 1.5 }, "warmupRatio is 1.5; expected" },
        { new() { AccumulationSteps = 0 }, "accumulationSteps is 0; expected" },
        { new() { BatchSize = 1 << 25 }, "batchSize × accumulationSteps is 33554432 × 1; expected" },
        { new() { EvaluateEvery = 1.5 }, "evaluateEvery is 1.5; expected" },
        { new() { SaveEvery = -1 }, "saveEvery is -1; expected" },
        { new() { FocalGamma = -2 }, "focalGamma is -2; expected" },
        { new() { Method = "lora", LoraAlpha = 0 }, "loraAlpha is 0; expected" },
    };

    [Theory]
    [MemberData(nameof(WrongNumbers), DisableDiscoveryEnumeration = true)]
    public void A_number_that_cannot_work_is_named_as_the_parameter_cell_names_it(ExperimentOptions options, string fault)
    {
        var error = Assert.Throws<ArgumentException>(() => ExperimentPlan.Of(options));

        Assert.StartsWith("The parameters cannot work (1 fault):\n  " + fault, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tracking_that_could_not_start_is_refused_with_the_parameters()
    {
        string Fault(string tracking, params (string Name, string Value)[] variables) => Assert.Throws<ArgumentException>(
            () => new PlanResolver(new() { Tracking = tracking }, name => Array.Find(variables, variable => variable.Name == name).Value).Resolve()).Message;

        Assert.Contains("tracking is \"online\", but there is no API key; set WANDB_API_KEY", Fault("online"), StringComparison.Ordinal);
        Assert.Contains("mode online: no API key found", Fault("auto", ("WANDB_MODE", "online")), StringComparison.Ordinal);
        Assert.Contains("WANDB_LOG_MODEL: expected false, end or checkpoint, found \"all\"", Fault("offline", ("WANDB_LOG_MODEL", "all")), StringComparison.Ordinal);
        Assert.Contains("tracking is \"on\"; expected auto, online, offline, disabled", Fault("on"), StringComparison.Ordinal);
        Assert.Equal("online", new PlanResolver(new() { Tracking = "online" }, name => name == "WANDB_API_KEY" ? "0123456789" : null).Resolve().Tracking);
    }

    [Fact]
    public void System_B_is_system_A_with_other_labels()
    {
        var (a, b) = (ExperimentPlan.Of(new ExperimentOptions()), ExperimentPlan.Of(new ExperimentOptions { System = "B" }));

        Assert.Equal((LabelSet.SystemA, LabelSet.SystemB), (a.Data.Labels, b.Data.Labels));
        Assert.Equal(("base-A", "base-B"), (a.System, b.System));
        Assert.Equal(a.Training with { OutputFolder = "" }, b.Training with { OutputFolder = "" });
    }

    [Theory]
    [InlineData("full", 16, 8, 6.0, 5e-5, ScheduleShape.Linear)]
    [InlineData("lora", 8, 16, 10.0, 1e-4, ScheduleShape.Cosine)]
    public void The_full_profile_is_the_recipe_with_each_sentence_once_and_twice_the_epochs(string method, int batch, int accumulation, double epochs, double rate, ScheduleShape schedule)
    {
        var plan = ExperimentPlan.Of(new ExperimentOptions { Profile = "full", Method = method });

        Assert.Equal((batch, accumulation, epochs, rate, schedule, 128), (
            plan.Training.BatchSize, plan.Training.AccumulationSteps, plan.Training.Epochs, plan.Training.LearningRate, plan.Training.Schedule, plan.Training.EffectiveBatchSize));
        Assert.Equal(RowListing.Distinct, plan.Data.Listing);
        Assert.Equal(method == "lora", plan.RecomputesActivations);
        Assert.Equal(method == "lora" ? 513 : 0, plan.Training.WarmupUpdates);
    }

    [Fact]
    public void The_recipes_warm_up_in_updates_keeps_its_share_of_a_shorter_run()
    {
        var whole = new ExperimentOptions { Profile = "full", Method = "lora" };
        foreach (var shorter in (ExperimentOptions[])[whole with { TrainRows = 1000 }, whole with { Updates = 100 }, whole with { Epochs = 1 }, whole with { BatchSize = 64 }])
        {
            Assert.Equal((0, 0.05), (ExperimentPlan.Of(shorter).Training.WarmupUpdates, ExperimentPlan.Of(shorter).Training.WarmupRatio));
        }

        Assert.Equal((513, 0.0), (ExperimentPlan.Of(whole with { TrainRows = 0 }).Training.WarmupUpdates, ExperimentPlan.Of(whole).Training.WarmupRatio));
    }

    [Fact]
    public void The_published_listing_halves_the_epochs()
    {
        var plan = ExperimentPlan.Of(new ExperimentOptions { Profile = "full", Listing = "published" });

        Assert.Equal((RowListing.Published, 3.0), (plan.Data.Listing, plan.Training.Epochs));
        // 262,560 rows in batches of 16, eight to an update, three times: the published 6,153.
        Assert.Equal(6153, new TrainingPlan(plan.Training, 262_560).Updates);
    }

    [Fact]
    public void The_published_profile_trains_nothing_and_names_the_authors_weights()
    {
        var lora = ExperimentPlan.Of(new ExperimentOptions { Profile = "published", Method = "lora" });

        Assert.False(lora.Trains);
        Assert.Equal(("microsoft/deberta-v3-large", "alexeyak/deberta-v3-large-ner-lora"), (lora.Model, lora.Adapter));
        Assert.Equal("alexeyak/deberta-v3-base-ner-B", ExperimentPlan.Of(new ExperimentOptions { Profile = "published", System = "B" }).Model);
    }

    [Fact]
    public void A_named_folder_is_never_cleared_and_a_head_stands_beside_the_published_large_run()
    {
        var folder = Path.Combine(Path.GetTempPath(), "somebodys-run");
        var plan = ExperimentPlan.Of(new ExperimentOptions { Output = folder, Method = "head" });

        Assert.Equal((ExistingRun.Refuse, "large-head-A", "large-LoRA-A"), (plan.Training.ExistingRun, plan.System, plan.PublishedSystem));
        Assert.True(plan.Adapters!.TrainsHeadOnly);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_folder_that_holds_a_run_is_refused_whether_the_notebook_or_the_runner_names_it(bool byRunner)
    {
        using var folder = new TemporaryFolder();
        var output = folder.PathOf("run");
        var options = new ExperimentOptions { Output = byRunner ? null : output };
        var resolver = new PlanResolver(options, name => byRunner && name == "NOTEBOOK_OUTPUT" ? output : null);
        Assert.Equal((ExistingRun.Refuse, output), (resolver.Resolve().Training.ExistingRun, resolver.Resolve().OutputFolder));

        Directory.CreateDirectory(Path.Combine(output, "checkpoints", "checkpoint-243"));
        var error = Assert.Throws<ArgumentException>(() => resolver.Resolve());

        Assert.Contains($"{output} holds a run already (checkpoint-243). Go on with it by -p resume=true -p output={output}, or choose another folder.", error.Message, StringComparison.Ordinal);
        Assert.Equal(ExistingRun.Resume, ExperimentPlan.Of(new ExperimentOptions { Output = output, Resume = true }).Training.ExistingRun);
    }

    [Fact]
    public void A_folder_that_cannot_be_written_is_refused_before_anything_is_loaded()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("file", "");
        string Fault(string output) => Assert.Throws<ArgumentException>(() => ExperimentPlan.Of(new ExperimentOptions { Output = output })).Message;

        Assert.Contains($"{Path.Combine(file, "run")} cannot be a run's folder: {file} is a file.", Fault(Path.Combine(file, "run")), StringComparison.Ordinal);
        Assert.Contains("output is \"\"; expected a folder", Fault(""), StringComparison.Ordinal);
        _ = ExperimentPlan.Of(new ExperimentOptions { Output = folder.PathOf("a/b") });
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
        string Fault(string output) => Assert.Throws<ArgumentException>(() => ExperimentPlan.Of(new ExperimentOptions { Output = output, Resume = true })).Message;

        Assert.Contains($"resume is true, but there is no run to go on with in {folder.PathOf("missing")}; expected the folder of a run", Fault(folder.PathOf("missing")), StringComparison.Ordinal);
        Assert.Contains($"no run to go on with in {run};", Fault(run), StringComparison.Ordinal);

        // The lock of a run that was killed before its first checkpoint: that run can only begin again.
        File.WriteAllText(Path.Combine(checkpoints, ".training.lock"), "");
        Assert.Equal(ExistingRun.Resume, ExperimentPlan.Of(new ExperimentOptions { Output = run, Resume = true }).Training.ExistingRun);
        Assert.Contains($"no run to go on with in {checkpoints}; expected the folder of a run, for instance {run}.", Fault(checkpoints), StringComparison.Ordinal);
    }
}
