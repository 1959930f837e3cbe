using NotebookLib.Platform;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Platform;

public class TorchScriptOpsTests
{
    [Fact]
    public void Fused_AdamW_equals_the_textbook_update_over_twenty_steps()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(7);
        Tensor[] parameters = [randn([5, 33], generator: generator).requires_grad_(), randn([17], generator: generator).requires_grad_()];
        var textbook = parameters.Select(p => new TextbookAdamW(p)).ToArray();
        var first = parameters.Select(p => zeros_like(p.detach())).ToArray();
        var second = parameters.Select(p => zeros_like(p.detach())).ToArray();

        for (var step = 1; step <= 20; step++)
        {
            var rates = new AdamWRates(0.01 / step, 0.1);
            var gradients = parameters.Select(p => randn(p.shape, generator: generator)).ToArray();
            TorchScriptOps.AdamWStep(parameters, gradients, first, second, step, rates);
            for (var i = 0; i < textbook.Length; i++)
            {
                textbook[i].Step(gradients[i].data<float>().ToArray(), step, rates);
            }
        }

        for (var i = 0; i < textbook.Length; i++)
        {
            var ours = parameters[i].detach().data<float>().ToArray();
            Assert.All(ours.Zip(textbook[i].Values), pair => Assert.Equal(pair.Second, pair.First, 2e-6));
        }
    }

    [Fact]
    public void An_update_that_the_device_is_told_to_leave_out_changes_nothing_even_where_gradients_are_no_numbers()
    {
        using var scope = NewDisposeScope();
        Tensor[] parameters = [ones(3)], gradients = [full([3], float.NaN)], first = [full([3], 2f)], second = [full([3], 3f)];
        var step = ones([]);

        TorchScriptOps.AdamWStep(parameters, gradients, first, second, step, new AdamWRates(0.1, 0.5), skip: ones([]));

        Assert.Equal([1, 1, 1], parameters[0].data<float>().ToArray());
        Assert.Equal([2, 2, 2], first[0].data<float>().ToArray());
        Assert.Equal([3, 3, 3], second[0].data<float>().ToArray());
        gradients[0].fill_(1);
        TorchScriptOps.AdamWStep(parameters, gradients, first, second, step, new AdamWRates(0.1, 0.5), skip: zeros([]));
        Assert.All(parameters[0].data<float>().ToArray(), value => Assert.True(value < 1));
    }

    [Fact]
    public void Total_norm_and_scaling_treat_many_tensors_as_one_vector()
    {
        using var scope = NewDisposeScope();
        Tensor[] tensors = [tensor(new[] { 3f, 0f }), tensor(new[] { 4f })];

        var norm = TorchScriptOps.TotalNorm(tensors).item<float>();
        TorchScriptOps.ScaleInPlace(tensors, tensor(0.5f));

        Assert.Equal(5f, norm);
        Assert.Equal([1.5f, 0f], tensors[0].data<float>().ToArray());
    }

    [Fact]
    public void The_operators_leave_no_tensor_behind()
    {
        using var scope = NewDisposeScope();
        Tensor[] one = [ones(3)], two = [ones(3)], three = [zeros(3)], four = [zeros(3)];
        TorchScriptOps.AdamWStep(one, two, three, four, 1, new AdamWRates(0.1, 0));
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        for (var step = 2; step < 50; step++)
        {
            TorchScriptOps.AdamWStep(one, two, three, four, step, new AdamWRates(0.1, 0));
        }

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Lists_of_different_length_are_refused_before_native_code_sees_them()
    {
        var error = Assert.Throws<ArgumentException>(() => TorchScriptOps.AdamWStep([], [null!], [], [], 1, new AdamWRates(0.1, 0)));

        Assert.Contains("0 parameters, 1 gradients", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Loshchilov and Hutter 2019, algorithm 2, in double precision and plain C#.</summary>
    private sealed class TextbookAdamW(Tensor start)
    {
        private readonly double[] _mean = new double[start.numel()];
        private readonly double[] _square = new double[start.numel()];

        public double[] Values { get; } = [.. start.detach().data<float>().ToArray().Select(value => (double)value)];

        public void Step(float[] gradient, int step, AdamWRates rates)
        {
            for (var i = 0; i < Values.Length; i++)
            {
                double g = gradient[i];
                _mean[i] = (rates.Beta1 * _mean[i]) + ((1 - rates.Beta1) * g);
                _square[i] = (rates.Beta2 * _square[i]) + ((1 - rates.Beta2) * g * g);
                var mean = _mean[i] / (1 - Math.Pow(rates.Beta1, step));
                var square = _square[i] / (1 - Math.Pow(rates.Beta2, step));
                Values[i] -= rates.LearningRate * ((rates.WeightDecay * Values[i]) + (mean / (Math.Sqrt(square) + rates.Epsilon)));
            }
        }
    }
}
