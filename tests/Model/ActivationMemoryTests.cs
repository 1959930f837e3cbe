using CsCheck;
using NotebookLib.Model.Fused;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

[Collection(ProcessMemoryTestGroup.Name)]
public class ActivationMemoryTests
{
    private const int Floats = ActivationMemory.LeastBytes / sizeof(float);

    [Fact]
    public void What_is_freed_serves_the_next_tensor_of_any_shape_and_type()
    {
        using var kept = ActivationMemory.Keep();
        using var below = ActivationMemory.New(ScalarType.Float32, [Floats]);
        var first = ActivationMemory.New(ScalarType.Float32, [64, Floats]);
        var address = DeviceMemory.Address(first);
        var alias = first.alias();
        first.Dispose();
        using (var other = ActivationMemory.New(ScalarType.Float32, [64, Floats]))
        {
            Assert.NotEqual(address, DeviceMemory.Address(other)); // The alias still has it.
        }

        alias.Dispose();
        using var second = ActivationMemory.New(ScalarType.BFloat16, [2, 64, Floats]);

        Assert.Equal(address, DeviceMemory.Address(second));
        Assert.Equal([2, 64, Floats], second.shape);
        Assert.Equal((ScalarType.BFloat16, 0), (second.dtype, DeviceMemory.Address(second) % 64));
    }

    [Fact]
    public void Living_tensors_never_overlap_whatever_the_order_in_which_they_come_and_go() =>
        Gen.Select(Gen.Int[1, 40 * Floats], Gen.Int[0, 7]).Array[1, 60].Sample(
            steps =>
            {
                using var kept = ActivationMemory.Keep();
                var living = new List<(Tensor Tensor, float Value)>();
                foreach (var ((size, choice), i) in steps.Select((step, i) => (step, i)))
                {
                    if (choice < 3 && living.Count > 0)
                    {
                        living[size % living.Count].Tensor.Dispose();
                        living.RemoveAt(size % living.Count);
                    }
                    else
                    {
                        living.Add((ActivationMemory.New(ScalarType.Float32, [size]), i));
                        using var scope = NewDisposeScope();
                        living[^1].Tensor.fill_(i);
                    }
                }

                foreach (var (tensor, value) in living)
                {
                    using Tensor least = tensor.min(), most = tensor.max();
                    Assert.Equal((value, value), (least.item<float>(), most.item<float>()));
                    tensor.Dispose();
                }
            },
            threads: 1);

    [Fact]
    public void A_tensor_outlives_the_keeping_and_its_memory_goes_with_it()
    {
        var before = ActivationMemory.ReservedBytes;
        Tensor tensor;
        using (ActivationMemory.Keep())
        {
            tensor = ActivationMemory.New(ScalarType.Float32, [700_000_000 / 4]);
            tensor.bytes[0] = 7;
        }

        Assert.True(ActivationMemory.ReservedBytes >= before + 700_000_000);
        Assert.Equal(7, tensor.bytes[0]);
        tensor.Dispose();
        Assert.Equal(before, ActivationMemory.ReservedBytes);
    }

    [Fact]
    public void Tensors_come_and_go_on_many_threads()
    {
        using var kept = ActivationMemory.Keep();

        Parallel.For(0, 8, thread =>
        {
            for (var i = 0; i < 200; i++)
            {
                using var tensor = ActivationMemory.New(ScalarType.Float32, [Floats + (i % 7 * 1000)]);
                using var filled = tensor.fill_(thread).alias();
                using var sum = filled.sum();
                Assert.Equal((double)thread * tensor.numel(), sum.item<float>(), 1e-3 * tensor.numel());
            }
        });
    }

    [Fact]
    public void Without_a_keeper_and_for_little_the_heap_gives_the_memory()
    {
        using var little = ActivationMemory.New(ScalarType.Float32, [3, 5]);

        Assert.Equal([3, 5], little.shape);
    }
}
