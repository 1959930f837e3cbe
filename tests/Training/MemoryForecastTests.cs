using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Tests.Data;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>What a training will take is reckoned before it begins, and held against what is free.</summary>
public sealed class MemoryForecastTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("1000000", "400000", 100_000, 700_000L)]
    [InlineData("1000000", "1200000", 0, 0L)]
    public void A_containers_limit_counts_where_it_leaves_less_than_the_machine(string most, string used, long cached, long expected)
    {
        _folder.Write("memory.max", most + "\n");
        _folder.Write("memory.current", used + "\n");
        _folder.Write("memory.stat", $"anon 1\ninactive_file {cached}\nactive_file 2\n");

        Assert.Equal((expected, true), ResidentMemory.Available(_folder.Root));
    }

    [Theory]
    [InlineData("0::/job/step\n", "", "memory.max", "memory.current", "inactive_file 50\n")]
    [InlineData("5:devices:/other\n4:cpu,memory:/job/step\n0::/\n", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
        "inactive_file 1\ntotal_inactive_file 50\n")]
    public void The_tightest_of_all_groups_around_a_process_counts_in_both_versions(string own, string mount, string limit, string usage, string stat)
    {
        var outer = Directory.CreateDirectory(Path.Combine(_folder.Root, mount, "job")).FullName;
        var inner = Directory.CreateDirectory(Path.Combine(outer, "step")).FullName;
        foreach (var (folder, most) in new[] { (outer, "400000"), (inner, limit == "memory.max" ? "max" : "9223372036854771712") })
        {
            File.WriteAllText(Path.Combine(folder, limit), most + "\n");
            File.WriteAllText(Path.Combine(folder, usage), "100000\n");
            File.WriteAllText(Path.Combine(folder, "memory.stat"), stat);
        }

        Assert.Equal((300_050L, true), ResidentMemory.Available(_folder.Root, _folder.Write("own", own)));
        Assert.False(ResidentMemory.Available(_folder.Root, _folder.Write("own", own.Replace("job/step", "elsewhere", StringComparison.Ordinal))).IsContainers);
    }

    [Theory]
    [InlineData("max")]
    [InlineData("nonsense")]
    [InlineData("9223372036854775807")]
    public void Without_a_limit_the_machines_free_memory_counts(string most)
    {
        _folder.Write("memory.max", most + "\n");
        _folder.Write("memory.current", "1\n");
        _folder.Write("memory.stat", "");

        var (bytes, isContainers) = ResidentMemory.Available(_folder.Root);

        Assert.False(isContainers);
        Assert.InRange(bytes, 1 << 20, 1L << 50);
    }

    [Fact]
    public void Gradients_moments_copies_and_activations_are_counted()
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        var all = model.parameters().Sum(parameter => parameter.numel());
        var table = model.Deberta.Embeddings.WordEmbeddings.Weight;

        var (weights, few) = PassMemory.OfTraining(model, 20, 100, ScalarType.Float32, null);
        var (narrow, _) = PassMemory.OfTraining(model, 20, 100, ScalarType.BFloat16, null);
        var (rowsOnly, many) = PassMemory.OfTraining(model, 20, 1_000, ScalarType.Float32, 3);

        const double Share = PassMemory.HeapShare;
        Assert.Equal((Share * 12 * all) + PassMemory.FirstTraining, weights, 1.0);
        Assert.Equal(weights + (Share * 2 * (all - table.numel())), narrow, 2.0);
        Assert.Equal(weights - (Share * 12 * (table.numel() - (3 * table.shape[1]))), rowsOnly, 2.0);
        Assert.Equal(10 * few, many, 10.0);
    }

    [Theory]
    [InlineData(true, "in this container")]
    [InlineData(false, "are free. It may")]
    public void What_will_not_fit_is_said_with_what_helps(bool isContainers, string expected)
    {
        using var run = new TinyRun();
        using var model = run.LoadModel();
        using var task = new TokenClassificationTask(model, NotebookLib.Data.LabelSet.SystemA, TinyRun.Training, TinyRun.Evaluation, run.Settings);
        var (weights, activations) = task.BytesToCome(ScalarType.Float32)!.Value;

        Assert.Empty(Foresee(weights + activations));
        var notice = Assert.Single(Foresee(weights + activations - 1));
        Assert.Contains(expected, notice, StringComparison.Ordinal);
        Assert.Contains(activations > weights ? "BatchSize (5)" : "LoRA", notice, StringComparison.Ordinal);

        IReadOnlyList<string> Foresee(long free)
        {
            var observers = new Observers([]);
            var precision = new PrecisionPolicy(TrainingPrecision.Float32, TorchSharp.DeviceType.CPU);
            new PassPlanner(task, run.Settings, null!, precision, observers).Foresee((free, isContainers));
            return observers.Notices;
        }
    }
}
