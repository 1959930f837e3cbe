using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

public sealed class CheckpointStoreTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("checkpoints-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [InlineData("checkpoint-4")]
    [InlineData("best")]
    public void A_disk_that_fills_up_while_writing_leaves_everything_older_whole(string name)
    {
        var store = new CheckpointStore(_folder.FullName);
        store.Write("checkpoint-2", Fill("two"));
        store.Write("best", Fill("the best so far"));

        // As AtomicFile fails after some blocks: half a file, then the system's error.
        var error = Assert.Throws<IOException>(() => store.Write(name, temporary =>
        {
            File.WriteAllText(Path.Combine(temporary, "model.safetensors"), "hal");
            throw new IOException("No space left on device");
        }));

        Assert.Contains("No space", error.Message, StringComparison.Ordinal);
        Assert.Equal(["best", "checkpoint-2"], Names());
        Assert.All(_folder.EnumerateDirectories(), folder => Assert.Null(CheckpointManifest.FindDamage(folder.FullName)));
        Assert.Equal("the best so far", File.ReadAllText(Path.Combine(store.BestFolder, "model.safetensors")));
    }

    [Fact]
    public void A_kill_between_the_two_renames_of_a_replacement_costs_nothing()
    {
        var store = new CheckpointStore(_folder.FullName);
        store.Write("best", Fill("the best so far"));
        Directory.Move(store.BestFolder, Path.Combine(_folder.FullName, ".replaced-best"));
        Directory.CreateDirectory(Path.Combine(_folder.FullName, ".writing-best-123"));

        store.CleanUp();

        Assert.Equal(["best"], Names());
        Assert.Null(CheckpointManifest.FindDamage(store.BestFolder));
    }

    private IEnumerable<string> Names() => _folder.EnumerateDirectories().Select(folder => folder.Name).Order(StringComparer.Ordinal);

    private static Action<string> Fill(string content) => temporary => File.WriteAllText(Path.Combine(temporary, "model.safetensors"), content);
}
