using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Platform;
using static TorchSharp.torch;
using static TorchSharp.torch.nn.functional;

namespace NotebookLib.Bench.Sections;

/// <summary>The peak of the machine's matrix products.</summary>
internal sealed class ProbeSection : ISection
{
    private static readonly (int M, int K, int N)[] Shapes = [(512, 768, 3072), (1024, 1024, 4096), (2048, 2048, 2048)];

    public string Verb => "probe";

    public string Title => "GEMM peak of the machine";

    public SectionReport Measure(BenchOptions options)
    {
        var report = new SectionReport();
        report.Tables.Add(new(
            $"GFLOP/s on {get_num_threads()} threads, median (lowest–highest) of five rounds in turn.",
            new(["", .. Shapes.Select(shape => $"{shape.M}×{shape.K}×{shape.N}")],
            [
                Row("bf16, F.linear (oneDNN): the probe, at 2048³", ScalarType.BFloat16, isPacked: false, linear),
                Row("float32, F.linear (MKL)", ScalarType.Float32, isPacked: false, linear),
                Row("float32, oneDNN", ScalarType.Float32, isPacked: false, DispatcherOperators.Linear),
                Row("float32, oneDNN, weight packed", ScalarType.Float32, isPacked: true, DispatcherOperators.Linear),
                Row("bf16, oneDNN, weight packed", ScalarType.BFloat16, isPacked: true, DispatcherOperators.Linear),
            ])));
        return report;
    }

    private static IReadOnlyList<string> Row(string name, ScalarType type, bool isPacked, Func<Tensor, Tensor, Tensor?, Tensor> product) =>
        [name, .. Shapes.Select(shape => Speed(shape, type, isPacked, product).ToText("0"))];

    private static Spread Speed((int M, int K, int N) shape, ScalarType type, bool isPacked, Func<Tensor, Tensor, Tensor?, Tensor> product)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor x = randn(shape.M, shape.K).to(type), weight = randn(shape.N, shape.K).to(type);
        weight = isPacked ? DispatcherOperators.PackLinearWeight(weight) : weight;
        const int calls = 8;
        var contest = Contest.Hold([new("", _ => Repeat(() => product(x, weight, null).Dispose(), calls))], 1, 5, 0);
        return contest.Rate(0, calls * 2.0 * shape.M * shape.K * shape.N / 1e9);
    }

    private static void Repeat(Action action, int times)
    {
        for (var i = 0; i < times; i++)
        {
            action();
        }
    }
}
