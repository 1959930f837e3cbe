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

    [Fact]
    public async Task A_libtorch_installed_elsewhere_serves_when_the_environment_names_its_folder()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "names the libraries as Linux does");
        var elsewhere = Directory.CreateTempSubdirectory("libtorch-elsewhere-");
        try
        {
            // Copies, no links: two files would be two libtorches in one process, which abort it.
            foreach (var file in Directory.EnumerateFiles(NativeLibraries.TorchFolder)
                .Where(file => Path.GetFileName(file).Split('.', '-')[0] is "libtorch" or "libtorch_cpu" or "libc10" or "libgomp"))
            {
                File.Copy(file, Path.Combine(elsewhere.FullName, Path.GetFileName(file)));
            }

            var (exitCode, output, told) = await VerifyAsync(elsewhere.FullName);

            Assert.True(exitCode == 0, output + told);
            Assert.Contains(elsewhere.Name, output, StringComparison.Ordinal);
        }
        finally
        {
            elsewhere.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_folder_without_libtorch_is_refused_by_name()
    {
        var elsewhere = Directory.CreateTempSubdirectory("libtorch-missing-");
        try
        {
            var (exitCode, _, told) = await VerifyAsync(elsewhere.FullName);

            Assert.NotEqual(0, exitCode);
            Assert.Contains("TORCH_LIBRARY", told, StringComparison.Ordinal);
            Assert.Contains(elsewhere.Name, told, StringComparison.Ordinal);
        }
        finally
        {
            elsewhere.Delete(recursive: true);
        }
    }

    private static async Task<(int ExitCode, string Output, string Told)> VerifyAsync(string torchFolder)
    {
        var start = RunnerProcess.HowToStart("verify", Repository.PathOf("tests", "goldens", "model"));
        start.Environment[NativeLibraries.Setting] = torchFolder;
        using var process = Process.Start(start)!;
        return await RunnerProcess.FinishAsync(process);
    }
}
