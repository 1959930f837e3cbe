using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>Comparisons of tensors that say which one differs, and by how much.</summary>
internal static class Numbers
{
    /// <summary>The largest absolute difference; NaN counts as infinite.</summary>
    public static double Difference(Tensor actual, Tensor golden)
    {
        using var scope = NewDisposeScope();
        Assert.Equal(golden.shape, actual.shape);
        var largest = actual.numel() == 0 ? 0 : (actual.detach().to(float64) - golden.detach().to(float64)).abs().max().item<double>();
        return double.IsNaN(largest) ? double.PositiveInfinity : largest;
    }

    public static void AssertClose(Tensor actual, Tensor golden, double tolerance, string name)
    {
        var difference = Difference(actual, golden);
        Assert.True(difference <= tolerance, $"{name}: differs by {difference:g3}; allowed {tolerance:g3}");
    }
}
