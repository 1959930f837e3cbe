using NotebookLib.Platform;
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
}
