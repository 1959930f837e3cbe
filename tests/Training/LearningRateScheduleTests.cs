using System.Globalization;
using System.Text.Json;
using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

public class LearningRateScheduleTests
{
    private const double Tolerance = 1e-12;

    [Theory]
    [InlineData("base: linear, lr 5e-5, no warm-up", ScheduleShape.Linear, 5e-5, 0)]
    [InlineData("large LoRA: cosine, lr 1e-4, warm-up 513", ScheduleShape.Cosine, 1e-4, 513)]
    public void Rates_equal_those_of_the_published_runs(string name, ScheduleShape shape, double peak, int warmup)
    {
        var published = Published().GetProperty(name);
        var schedule = Schedule(shape, peak, warmup, published.GetProperty("steps").GetInt32());

        var rates = published.GetProperty("learning_rate_used_at_update").EnumerateObject().ToList();

        Assert.NotEmpty(rates);
        Assert.All(rates, rate => Assert.Equal(rate.Value.GetDouble(), schedule.RateAt(int.Parse(rate.Name, CultureInfo.InvariantCulture)), Tolerance));
    }

    [Fact]
    public void A_constant_rate_stays_after_its_warm_up()
    {
        var schedule = Schedule(ScheduleShape.Constant, 0.5, 4, 100);

        Assert.Equal([0, 0.125, 0.25, 0.375, 0.5, 0.5], Enumerable.Range(0, 6).Select(schedule.RateAt));
        Assert.Equal(0.5, schedule.RateAt(99));
    }

    [Theory]
    [InlineData(ScheduleShape.Linear, 0)]
    [InlineData(ScheduleShape.Cosine, 0.5)] // transformers' progress is 0 / max(1, 0)
    [InlineData(ScheduleShape.Constant, 0.5)]
    public void A_warm_up_may_be_the_whole_run(ScheduleShape shape, double last) =>
        Assert.Equal([0, 0.25, last], ((int[])[0, 2, 4]).Select(Schedule(shape, 0.5, 4, 4).RateAt));

    [Theory]
    [InlineData(ScheduleShape.Linear)]
    [InlineData(ScheduleShape.Cosine)]
    public void A_rate_halves_in_the_middle_and_is_zero_at_the_end(ScheduleShape shape) => Assert.All([(2, 0.5), (6, 0.25), (10, 0)],
        at => Assert.Equal(at.Item2, Schedule(shape, 0.5, 2, 10).RateAt(at.Item1), Tolerance));

    private static TrainingPlan Schedule(ScheduleShape shape, double peak, int warmup, int updates) =>
        new(new() { Schedule = shape, LearningRate = peak, WarmupUpdates = warmup, MaximumUpdates = updates }, rows: 1);

    internal static JsonElement Published() =>
        JsonDocument.Parse(File.ReadAllText(Repository.PathOf("tests", "goldens", "training", "schedule.json"))).RootElement;
}
