using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

public class TrainingSettingsTests
{
    [Fact]
    public void The_defaults_are_sound_and_are_those_of_the_original()
    {
        var settings = new TrainingSettings();

        settings.Validate();

        Assert.Equal(128, settings.EffectiveBatchSize);
        Assert.Equal((5e-5, 0.01, 0.9, 0.999, 1e-8, 1.0, 42L),
            (settings.LearningRate, settings.WeightDecay, settings.Beta1, settings.Beta2, settings.Epsilon, settings.MaximumGradientNorm, settings.Seed));
    }

    [Fact]
    public void All_faults_come_together_each_with_the_value_seen_and_one_that_would_work()
    {
        var settings = new TrainingSettings
        {
            BatchSize = 0,
            LearningRate = -1,
            WarmupUpdates = 5,
            WarmupRatio = 0.1,
            LogEvery = 1.5,
            BestMetric = "f2",
            ClassWeights = [1, double.NaN],
            OutputFolder = "",
        };

        var error = Assert.Throws<ArgumentException>(settings.Validate);

        Assert.Contains("7 faults", error.Message, StringComparison.Ordinal);
        Assert.Contains("BatchSize is 0; expected a number of sentences from 1 on, for instance 16.", error.Message, StringComparison.Ordinal);
        Assert.Contains("LearningRate is -1; expected a rate above 0, for instance 5e-5.", error.Message, StringComparison.Ordinal);
        Assert.Contains("WarmupUpdates and WarmupRatio is 5 and 0.1; expected one of them, the other 0.", error.Message, StringComparison.Ordinal);
        Assert.Contains("LogEvery is 1.5; expected a whole number of updates (10)", error.Message, StringComparison.Ordinal);
        Assert.Contains("BestMetric is \"f2\"; expected one of accuracy, f1", error.Message, StringComparison.Ordinal);
        Assert.Contains("ClassWeights[1] is NaN", error.Message, StringComparison.Ordinal);
        Assert.Contains("OutputFolder is \"\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Faults_of_training_and_adapters_come_together()
    {
        using var model = NotebookLib.Tests.Lora.LoraNetwork.Load();

        var error = Assert.Throws<ArgumentException>(() =>
            new TrainingSettings { BatchSize = 0, WarmupRatio = 2 }.Validate(model, new() { Rank = -4, Targets = ["query"] }));

        Assert.Contains("4 faults", error.Message, StringComparison.Ordinal);
        Assert.Contains("BatchSize is 0; expected a number of sentences from 1 on, for instance 16.", error.Message, StringComparison.Ordinal);
        Assert.Contains("WarmupRatio is 2; expected a fraction of the run between 0 and 1, for instance 0.05.", error.Message, StringComparison.Ordinal);
        Assert.Contains("Rank is -4; expected a width from 1 to 4096, for instance 4.", error.Message, StringComparison.Ordinal);
        Assert.Contains("Targets has \"query\", which matches none of the model's 18 linear layers; expected for instance attention.self.query_proj",
            error.Message, StringComparison.Ordinal);
    }

    public static TheoryData<TrainingSettings, string> SingleFaults => new()
    {
        { new() { AccumulationSteps = 0 }, "AccumulationSteps" },
        { new() { BatchSize = 1 << 20, AccumulationSteps = 1 << 20 }, "BatchSize × AccumulationSteps" },
        { new() { EvaluationBatchSize = -1 }, "EvaluationBatchSize" },
        { new() { Epochs = 0 }, "Epochs" },
        { new() { Epochs = double.NaN }, "Epochs" },
        { new() { MaximumUpdates = 0 }, "MaximumUpdates" },
        { new() { MaximumUpdates = 10, WarmupUpdates = 11 }, "WarmupUpdates" },
        { new() { WarmupRatio = 1.5 }, "WarmupRatio" },
        { new() { WeightDecay = -0.1 }, "WeightDecay" },
        { new() { Beta1 = 1 }, "Beta1" },
        { new() { Beta2 = -1 }, "Beta2" },
        { new() { Epsilon = 0 }, "Epsilon" },
        { new() { MaximumGradientNorm = double.NaN }, "MaximumGradientNorm" },
        { new() { FocalGamma = -1 }, "FocalGamma" },
        { new() { ClassWeights = [0, 0] }, "ClassWeights" },
        { new() { EarlyStoppingPatience = 3, EvaluateEvery = Interval.Never }, "EarlyStoppingPatience" },
        { new() { KeepCheckpoints = 0 }, "KeepCheckpoints" },
        { new() { SaveEvery = -1 }, "SaveEvery" },
        { new() { Schedule = (ScheduleShape)9 }, "Schedule" },
    };

    [Theory]
    [MemberData(nameof(SingleFaults))]
    public void Each_rule_names_its_setting(TrainingSettings settings, string name)
    {
        var fault = Assert.Single(settings.FindFaults());

        Assert.StartsWith(name + " is ", fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Faults_beside_data_and_machine_are_found_before_the_run()
    {
        var settings = new TrainingSettings { Precision = TrainingPrecision.Float16, ClassWeights = [1, 1], EarlyStoppingPatience = 2 };

        var faults = TrainingSettingsRules.FindFaults(settings, rows: 0, evaluationRows: 0, labels: 31, isCuda: false);

        Assert.Equal(4, faults.Count);
        Assert.Contains(faults, fault => fault.Contains("BFloat16 on a CPU", StringComparison.Ordinal));
        Assert.Contains(faults, fault => fault.Contains("one per label: 31", StringComparison.Ordinal));
    }
}
