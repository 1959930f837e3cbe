using NotebookLib.Kernels;
using NotebookLib.Kernels.Cuda;
using NotebookLib.Model;
using NotebookLib.Model.Fused;
using NotebookLib.Tests.Kernels.Emulation;
using NotebookLib.Tests.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Kernels;

/// <summary>CUDA's kernels, emulated, against the CPU's: the same network with the same dropout on both.</summary>
public sealed class DeviceOperationsTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    // Heads narrower than a block's tile of 32, as wide, wider, and wider by a part.
    [Theory]
    [InlineData(4, 8)]
    [InlineData(1, 32)]
    [InlineData(2, 40)]
    [InlineData(1, 64)]
    public void Scores_and_gradients_are_the_CPUs(int heads, int size)
    {
        var (expected, actual, _) = Both(() => GroupedPasses.New(heads, size));

        GroupedPasses.AssertClose(expected, actual, 1e-5);
    }

    [Fact]
    public void With_adapters_too()
    {
        var (expected, actual, _) = Both(() => GroupedPasses.New(hasAdapters: true));

        GroupedPasses.AssertClose(expected, actual, 1e-5);
    }

    [Fact]
    public void In_bfloat16_both_round_alike()
    {
        var (expected, actual, _) = Both(() => GroupedPasses.New(), type: bfloat16);

        // The two round in other places: eight bits of mantissa through two layers.
        GroupedPasses.AssertClose(expected, actual, 0.05);
    }

    [Fact]
    public void Projections_of_the_same_rows_are_one_product()
    {
        var products = new EmulatedProducts();
        using var model = GroupedPasses.New();
        model.Engine.Operations = new DeviceOperations(new EmulatedProgram(), products, CPU);
        using (model.Engine.KeepTrainingMemory())
        {
            _ = GroupedPasses.Run(model, together: true, bfloat16);
            products.Counts.Clear();
            _ = GroupedPasses.Run(model, together: true, bfloat16);
        }

        // A layer: key, query and value, the two of the positions, and three more, forward, for the inputs' gradients and for the weights'.
        Assert.Equal(model.Config.NumHiddenLayers * 3 * (3 + 2 + 3), products.Counts.Sum());
        Assert.Equal(model.Config.NumHiddenLayers * 3 * 5, products.Counts.Count);
    }

    [Fact]
    public void Evaluation_is_the_CPUs_too()
    {
        static DebertaV2ForTokenClassification New()
        {
            var model = GroupedPasses.New();
            model.eval();
            return model;
        }

        var (expected, actual, _) = Both(New);

        GroupedPasses.AssertClose(expected, actual, 1e-5);
    }

    [Fact]
    public void One_pass_gives_the_gradient_of_one_pass_for_each_in_a_third_of_the_launches()
    {
        var (_, separate, many) = Both(() => GroupedPasses.New(), together: false);
        var (_, merged, few) = Both(() => GroupedPasses.New());

        GroupedPasses.AssertClose(separate, merged, 1e-6);
        Assert.Equal(many.Count, 3 * few.Count);
    }

    [Fact]
    public void Recomputed_activations_are_the_kept_ones_to_the_bit()
    {
        static DebertaV2ForTokenClassification New(bool recomputes)
        {
            var model = GroupedPasses.New();
            (model.Engine.RecomputesActivations, model.Engine.ActivationBudget) = (recomputes, 0);
            return model;
        }

        var (_, kept, _) = Both(() => New(recomputes: false));
        var (_, recomputed, _) = Both(() => New(recomputes: true));

        GroupedPasses.AssertClose(kept, recomputed, 0);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(513)]
    [InlineData(1000)]
    public void Masks_are_the_CPUs_to_the_bit(int count)
    {
        const ulong Stream = 0x0123_4567_89AB_CDEF;
        var expected = new float[count];
        DropoutRandom.Fill(expected, Stream, 6554, 1.25f);

        var mask = DeviceMask.MakeOfHalves(new EmulatedProgram(), CPU, [count], unchecked((uint)Stream), (uint)(Stream >> 32), 6554, 1.25f);

        Assert.Equal(expected, mask.data<float>().ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(513)]
    [InlineData(1000)]
    public void Masks_of_a_layer_are_the_CPUs_to_the_bit(int count)
    {
        var stream = new DropoutStream(42, 17, 0.1);
        var expected = new float[count];
        unsafe
        {
            fixed (float* values = expected)
            {
                stream.Fill(values, count);
            }
        }

        Assert.Equal(expected, DeviceMask.Make(new EmulatedProgram(), CPU, count, stream).data<float>().ToArray());
        Assert.Equal(stream.Factors(0)[0], expected[0]);
        Assert.Equal(stream.Factors(count - 1)[0], expected[^1]);
    }

    private static (Dictionary<string, Tensor> Expected, Dictionary<string, Tensor> Actual, IReadOnlyList<string> Launches) Both(
        Func<DebertaV2ForTokenClassification> make, bool together = true, ScalarType type = ScalarType.Float32)
    {
        using DebertaV2ForTokenClassification ours = make(), emulated = make();
        var program = new EmulatedProgram();
        emulated.Engine.Operations = new DeviceOperations(program, new EmulatedProducts(), CPU);
        return (GroupedPasses.Run(ours, together, type), GroupedPasses.Run(emulated, together, type), program.Launches);
    }
}
