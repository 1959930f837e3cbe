using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Platform;

public class DispatcherOperatorsTests
{
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(7, 33, 5)]
    [InlineData(64, 96, 31)]
    [InlineData(7, 48, 48)]
    [InlineData(51, 64, 80)]
    [InlineData(3, 160, 96)]
    [InlineData(20, 384, 400)]
    [InlineData(20, 64, 128)]
    public void OneDnn_linear_equals_libtorch_for_plain_packed_and_transposed_operands(int rows, int inputs, int outputs)
    {
        Assert.SkipUnless(DispatcherOperators.HasOneDnnLinear, DispatcherOperators.Problem ?? "");
        using var scope = NewDisposeScope();
        using var noGradients = no_grad();
        manual_seed(1);
        Tensor x = randn(rows, inputs), weight = randn(outputs, inputs), bias = randn(outputs);
        var expected = nn.functional.linear(x, weight, bias);

        var plain = DispatcherOperators.Linear(x, weight, bias);
        var packed = DispatcherOperators.Linear(x, DispatcherOperators.PackLinearWeight(weight), bias);
        var transposed = DispatcherOperators.Linear(x.t().contiguous().t(), weight.t().contiguous().t(), null) + bias;

        foreach (var actual in (Tensor[])[plain, packed, transposed])
        {
            Assert.True((actual - expected).abs().max().item<float>() <= 1e-5f * (inputs + 1));
        }
    }
}
