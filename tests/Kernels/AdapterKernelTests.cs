using NotebookLib.Kernels;
using NotebookLib.Model;
using NotebookLib.Model.Fused;
using NotebookLib.Tests.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Kernels;

/// <summary>The packed adapter against the formula in libtorch, with autograd for the gradient.</summary>
public sealed class AdapterKernelTests : IDisposable
{
    private const int In = 48, Out = 32;

    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Generator _random = new(5);

    public void Dispose() => _scope.Dispose();

    // Ranks below, at and beyond the four that go together; rows below, at and beyond a part.
    [Theory]
    [InlineData(1, 1, 0.1)]
    [InlineData(4, 32, 0)]
    [InlineData(4, 33, 0.1)]
    [InlineData(7, 70, 0.5)]
    [InlineData(16, 100, 0.1)]
    public void Sum_and_gradients_equal_the_formulas(int rank, int rows, double probability)
    {
        var adapter = new Adapter(Random(rank, In) * 0.1, Random(Out, rank) * 0.1);
        var (pass, site) = PassOf(rows, probability);
        Tensor x = Random(rows, In), y = Random(rows, Out), upper = Random(rows, Out), below = Random(rows, In);

        var leaf = x.clone().requires_grad_();
        var expected = y + (matmul(matmul(leaf * Mask(pass.Stream(0, site), rows), adapter.Down.t()), adapter.Up.t()) * adapter.Scale);
        var wanted = autograd.grad([expected], [leaf, adapter.Down, adapter.Up], [upper]);
        using var quiet = no_grad();
        CpuOperations.Instance.AddAdapter(adapter, x, pass, site, y);
        var lower = below.clone();
        var (down, up) = CpuOperations.Instance.AdapterBackward(adapter, upper, x, pass, site, lower);

        Numbers.AssertClose(expected, y, 1e-5, "y");
        Numbers.AssertClose(below + wanted[0], lower, 1e-5, "input");
        Numbers.AssertClose(wanted[1], down, 1e-4, "A");
        Numbers.AssertClose(wanted[2], up, 1e-4, "B");
    }

    [Fact]
    public void In_bfloat16_only_reading_and_writing_round()
    {
        var adapter = new Adapter(Random(4, In), Random(Out, 4));
        Tensor x = Random(40, In).to(bfloat16), y = Random(40, Out).to(bfloat16), upper = Random(40, Out).to(bfloat16), lower = zeros(40, In, bfloat16);
        Tensor exactY = y.to(float32), exactLower = zeros(40, In);
        var (pass, site) = PassOf(40, 0.1);
        using var quiet = no_grad();

        CpuOperations.Instance.AddAdapter(adapter, x, pass, site, y);
        var rounded = CpuOperations.Instance.AdapterBackward(adapter, upper, x, pass, site, lower);
        CpuOperations.Instance.AddAdapter(adapter, x.to(float32), pass, site, exactY);
        var exact = CpuOperations.Instance.AdapterBackward(adapter, upper.to(float32), x.to(float32), pass, site, exactLower);

        Assert.True(y.eq(exactY.to(bfloat16)).all().item<bool>(), "y");
        Assert.True(lower.eq(exactLower.to(bfloat16)).all().item<bool>(), "input");
        Numbers.AssertClose(exact.Down, rounded.Down, 0, "A");
        Numbers.AssertClose(exact.Up, rounded.Up, 0, "B");
    }

    [Fact]
    public void Gradients_add_up_and_frozen_parameters_get_none()
    {
        var adapter = new Adapter(Random(4, In), Random(Out, 4));
        adapter.Up.requires_grad_(false);
        Tensor x = Random(10, In), upper = Random(10, Out);
        var (pass, site) = PassOf(10, 0);
        using var quiet = no_grad();
        var weight = new StoredWeight(new TorchSharp.Modules.Parameter(Random(Out, In), false), null);
        var projection = new FusedProjection(weight, null, new GradientBuffers(CpuOperations.Instance), CpuOperations.Instance, adapter);

        projection.BackwardAdapter(upper, x, pass, site);
        var once = adapter.Down.grad!.clone();
        projection.BackwardAdapter(upper, x, pass, site);

        Numbers.AssertClose(once * 2, adapter.Down.grad!, 0, "A");
        Assert.Null(adapter.Up.grad);
    }

    // One micro-batch of one sentence.
    private static (FusedPass Pass, DropoutSite Site) PassOf(int rows, double probability)
    {
        var groups = FusedGroup.Chain([[rows]], length => new RelativePositions(new DebertaConfig(), length, CPU));
        return (new FusedPass(groups, zeros(1, In), Seed: 3, FirstStream: 4, StreamStep: 0, IsTraining: true),
            new DropoutSite(0, probability, IsRelative: false));
    }

    private Tensor Random(int rows, int columns) => randn(rows, columns, generator: _random);

    private static Tensor Mask(DropoutStream stream, int rows)
    {
        var mask = ones(rows, In);
        if (stream.IsActive)
        {
            for (var i = 0; i < rows * In; i += 16)
            {
                var factors = stream.Factors(i);
                for (var k = 0; k < 16; k++)
                {
                    mask[(i + k) / In, (i + k) % In] = factors[k];
                }
            }
        }

        return mask;
    }

    private sealed class Adapter(Tensor down, Tensor up) : ILowRankAdapter
    {
        public Tensor Down { get; } = down.requires_grad_();

        public Tensor Up { get; } = up.requires_grad_();

        public double Scale => 1.5;

        public double DropoutProbability => 0.1;
    }
}
