extern alias runner;

using runner::NotebookRunner.Verification;

namespace NotebookLib.Tests.Verification;

public class ModelChecksTests
{
    [Theory]
    [InlineData("model", 60)]
    [InlineData("full-size", 9)]
    public void Every_reference_network_gives_the_reference_numbers_with_kernels_and_with_autograd(string folder, int atLeast)
    {
        var reference = Repository.Shared("reference", folder);
        var check = Verifier.Checks.Single(candidate => candidate.FolderName == folder);

        var rows = check.Run(reference, new VerifyOptions()).ToList();

        Assert.True(rows.Count >= atLeast, $"{rows.Count} rows");
        Assert.All(rows, row => Assert.True(row.IsOk, $"{row}"));
    }

    [Fact]
    public void Without_a_CUDA_device_it_says_so_before_anything_is_computed()
    {
        Assert.SkipWhen(TorchSharp.torch.cuda.is_available(), "there is a GPU");

        var error = Assert.Throws<PlatformNotSupportedException>(() =>
            Verifier.Run(Repository.PathOf("tests", "goldens", "model"), new VerifyOptions(OnCuda: true)));

        Assert.Contains("No CUDA device can be used", error.Message, StringComparison.Ordinal);
    }
}
