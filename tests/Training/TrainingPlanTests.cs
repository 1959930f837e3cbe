using System.Text.Json;
using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

public class TrainingPlanTests
{
    [Theory]
    [InlineData("base", 0, 0)]
    [InlineData("large_lora", 0.05, 513)]
    public void Updates_evaluations_and_saves_equal_the_facts_of_the_published_runs(string run, double warmupRatio, int warmup)
    {
        var facts = LearningRateScheduleTests.Published().GetProperty("facts").GetProperty(run);
        int Fact(string name) => facts.GetProperty(name).GetInt32();
        var settings = new TrainingSettings
        {
            BatchSize = Fact("batch"),
            AccumulationSteps = Fact("accumulation"),
            Epochs = Fact("epochs"),
            WarmupRatio = warmupRatio,
            EvaluateEvery = Fact("eval_every"),
            SaveEvery = Fact("save_every"),
        };

        var plan = new TrainingPlan(settings, Fact("train_rows"));

        Assert.Equal(Fact("micro_batches_per_epoch"), plan.MicroBatchesPerEpoch);
        Assert.Equal(Fact("updates_per_epoch"), plan.UpdatesPerEpoch);
        Assert.Equal(Fact("updates"), plan.Updates);
        Assert.Equal(warmup, plan.WarmupUpdates);
        Assert.Equal(Fact("evals"), plan.Evaluations.Count());
        Assert.Equal(Fact("first_eval"), plan.Evaluations.First());
        Assert.Equal(Fact("last_eval"), plan.Evaluations.Last());
        Assert.Equal(facts.GetProperty("saves_at").EnumerateArray().Select(save => save.GetInt32()), plan.Saves);
        // Why transformers 4.35.2 recorded no best model: no save falls on an evaluation.
        Assert.Empty(plan.Saves.Intersect(plan.Evaluations));
    }

    [Fact]
    public void Accumulation_runs_on_across_the_end_of_an_epoch()
    {
        var plan = new TrainingPlan(new TrainingSettings { BatchSize = 6, AccumulationSteps = 5, Epochs = 3 }, rows: 70);

        var updatesAfter = Enumerable.Range(1, 36).Where(microBatches => plan.IsUpdateDue(microBatches)).ToList();

        Assert.Equal((12, 2, 6), (plan.MicroBatchesPerEpoch, plan.UpdatesPerEpoch, plan.Updates));
        Assert.Equal([5, 10, 15, 20, 25, 30, 35], updatesAfter);
        Assert.Equal(2.5, plan.EpochAt(30));
    }

    [Fact]
    public void An_epoch_shorter_than_the_accumulation_ends_with_an_update()
    {
        var plan = new TrainingPlan(new TrainingSettings { BatchSize = 4, AccumulationSteps = 8, Epochs = 2 }, rows: 10);

        Assert.Equal((3, 1, 2), (plan.MicroBatchesPerEpoch, plan.UpdatesPerEpoch, plan.Updates));
        Assert.Equal([3, 6, 8, 9], Enumerable.Range(1, 9).Where(microBatches => plan.IsUpdateDue(microBatches)));
    }

    [Fact]
    public void A_fraction_is_that_part_of_the_run_rounded_up()
    {
        var plan = new TrainingPlan(new TrainingSettings { MaximumUpdates = 25, LogEvery = 0.1, EvaluateEvery = 0.5, SaveEvery = Interval.Never }, rows: 1000);

        Assert.Equal((3, 13, 0), (plan.LogEvery, plan.EvaluateEvery, plan.SaveEvery));
        Assert.Empty(plan.Saves);
    }

    [Fact]
    public void Warm_up_is_a_number_of_updates_or_else_a_fraction_of_them_rounded_up()
    {
        static int Warmup(int updates, double ratio) =>
            new TrainingPlan(new() { MaximumUpdates = 25, WarmupUpdates = updates, WarmupRatio = ratio }, rows: 1).WarmupUpdates;

        Assert.Equal([7, 7, 3, 0], [Warmup(7, 0), Warmup(7, 0.5), Warmup(0, 0.1), Warmup(0, 0)]);
        Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingPlan(new(), rows: 0));
    }

    [Fact]
    public void Evaluations_and_saves_are_the_updates_that_are_due()
    {
        var plan = new TrainingPlan(new TrainingSettings { MaximumUpdates = 9, EvaluateEvery = 3, SaveEvery = Interval.Never }, rows: 1);

        Assert.Equal([3, 6, 9], plan.Evaluations);
        Assert.Empty(plan.Saves);
        Assert.Equal(plan.Evaluations, Enumerable.Range(1, 9).Where(update => TrainingPlan.IsDue(update, plan.EvaluateEvery)));
        Assert.DoesNotContain(Enumerable.Range(0, 9), update => TrainingPlan.IsDue(update, plan.SaveEvery));
    }

    [Theory]
    [InlineData(0, true, "never")]
    [InlineData(0.05, true, "every 0.05 of the run")]
    [InlineData(1, true, "every 1 updates")]
    [InlineData(int.MaxValue, true, "every 2147483647 updates")]
    [InlineData(-0.1, false, "")]
    [InlineData(1.5, false, "")]
    [InlineData(2147483648.0, false, "")]
    [InlineData(double.NaN, false, "")]
    public void An_interval_is_a_whole_number_or_a_fraction_and_says_so(double value, bool isValid, string words)
    {
        Interval interval = value;

        Assert.Equal(isValid, interval.IsValid);
        Assert.Equal(words, isValid ? interval.ToString() : "");
        Assert.Equal(value, Interval.FromDouble(value).Value);
    }

    [Fact]
    public void In_JSON_an_interval_is_its_number()
    {
        Assert.Equal("0.05", JsonSerializer.Serialize<Interval>(0.05));
        Assert.Equal(10, JsonSerializer.Deserialize<Interval>("10").Value);
    }

    [Theory]
    [InlineData(8000, 32, 1, 25, 0.1)]
    [InlineData(48, 16, 4, 2, 4.0 / 3)] // Three micro-batches an epoch: updates after the third (the epoch's end) and the fourth.
    [InlineData(8, 16, 8, 6, 6)]
    public void Updates_count_as_epochs(int rows, int batch, int accumulation, int updates, double epochs)
        => Assert.Equal(epochs, new TrainingPlan(new TrainingSettings { BatchSize = batch, AccumulationSteps = accumulation }, rows).EpochAfter(updates),
            1e-12);
}
