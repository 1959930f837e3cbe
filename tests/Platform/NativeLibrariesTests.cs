using System.Diagnostics;
using NotebookLib.Platform;
using NotebookLib.Tests.Runner;
using TorchSharp;

namespace NotebookLib.Tests.Platform;

public class NativeLibrariesTests
{
    [Fact]
    public void Torch_works_from_the_folder_that_the_loader_found()
    {
        NativeLibraries.EnsureLoaded();

        using var sum = torch.arange(5).sum();

        Assert.Equal(10, sum.item<long>());
        Assert.EndsWith(Path.Combine("lib", "runtimes", "linux-x64", "native"), NativeLibraries.Folder, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "", "3000")]
    [InlineData("GOMP_SPINCOUNT", "77", "77")]
    [InlineData("OMP_WAIT_POLICY", "passive", "0")]
    public async Task Threads_that_wait_go_to_sleep_soon_unless_the_user_says_otherwise(string variable, string value, string spins)
    {
        // libgomp tells what it read when it was loaded; the runner loads libtorch before it looks at the folder.
        var start = RunnerProcess.HowToStart("verify", "/missing");
        start.Environment.Remove("GOMP_SPINCOUNT");
        start.Environment.Remove("OMP_WAIT_POLICY");
        start.Environment["OMP_DISPLAY_ENV"] = "VERBOSE";
        if (variable.Length > 0)
        {
            start.Environment[variable] = value;
        }

        using var process = Process.Start(start)!;
        var (_, _, told) = await RunnerProcess.FinishAsync(process);

        Assert.Contains($"GOMP_SPINCOUNT = '{spins}'", told, StringComparison.Ordinal);
    }
}
