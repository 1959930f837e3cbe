using TorchSharp;

namespace NotebookLib.Tests.Model;

/// <summary>Parity with transformers 4.35.2 (and, for tiny-v3*, with two older codes) on every golden of ../shared/reference/model.</summary>
public class ReferenceModelTests
{
    private const double Float32Tolerance = 1e-5;
    private const double Float64Tolerance = 1e-10;

    [Theory]
    [InlineData("v3-tiny")]
    [InlineData("v3-buckets256-long")]
    [InlineData("v3-heads6")]
    [InlineData("v3-single")]
    [InlineData("tiny-v3")]
    [InlineData("tiny-v3-buckets256")]
    public void Everything_equals_the_reference_in_float32(string name)
    {
        using var golden = new GoldenNetwork(Repository.Shared("reference", "model", name), torch.float32, "expected_f32.safetensors");

        golden.AssertForward(Float32Tolerance);
        golden.AssertGradients(Float32Tolerance);
    }

    [Theory]
    [InlineData("v3-tiny")]
    [InlineData("v3-buckets256-long")]
    [InlineData("v3-heads6")]
    [InlineData("v3-single")]
    [InlineData("tiny-v3")]
    [InlineData("tiny-v3-buckets256")]
    public void Everything_equals_the_reference_in_float64(string name)
    {
        using var golden = new GoldenNetwork(Repository.Shared("reference", "model", name), torch.float64, "expected_f64.safetensors");

        golden.AssertForward(Float64Tolerance);
        golden.AssertGradients(Float64Tolerance);
    }
}
