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

    [Fact]
    public void The_newest_comes_first_and_rotation_and_clearing_touch_nothing_else()
    {
        var store = new CheckpointStore(_folder.FullName);
        Assert.Equal((null, false), (store.FindRun(), store.HasBegun));
        foreach (var name in (string[])["checkpoint-9", "checkpoint-10", "checkpoint-9+2", "best", "notes"])
        {
            store.Write(name, Fill(name));
        }

        Assert.Equal(["checkpoint-10", "checkpoint-9+2", "checkpoint-9"], store.List().Select(pair => Path.GetFileName(pair.Folder)));
        Assert.Equal("checkpoint-10", store.FindRun());
        store.Rotate(2);
        Assert.Equal(["best", "checkpoint-10", "checkpoint-9+2", "notes"], Names());
        store.Rotate(0);
        Assert.Equal("best", store.FindRun());
        store.Clear();
        Assert.Equal(["notes"], Names());
        Assert.Empty(new CheckpointStore(Path.Combine(_folder.FullName, "none")).List());
    }

    [Fact]
    public void A_run_that_was_killed_before_its_first_checkpoint_has_begun()
    {
        var store = new CheckpointStore(Path.Combine(_folder.FullName, "output"));

        using (store.Lock())
        {
            Assert.Contains("another run is training there", Assert.Throws<InvalidOperationException>(store.Lock).Message, StringComparison.Ordinal);
        }

        Assert.Equal((null, true), (store.FindRun(), store.HasBegun));
        store.Lock().Dispose();
    }

    [Fact]
    public void A_checkpoint_is_replaced_whole_and_what_a_kill_left_beside_it_goes()
    {
        var store = new CheckpointStore(_folder.FullName);
        store.Write("best", Fill("old"));
        Directory.CreateDirectory(Path.Combine(_folder.FullName, ".replaced-best", "left"));
        Directory.CreateDirectory(Path.Combine(_folder.FullName, $".writing-best-{Environment.ProcessId}", "left"));

        Assert.Equal(store.BestFolder, store.Write("best", Fill("new")));

        Assert.Equal(["best"], Names());
        Assert.Equal(["manifest.json", "model.safetensors"], Directory.GetFiles(store.BestFolder).Select(Path.GetFileName).Order());
        Assert.Equal("new", File.ReadAllText(Path.Combine(store.BestFolder, "model.safetensors")));
        Directory.CreateDirectory(Path.Combine(_folder.FullName, ".replaced-best"));
        store.CleanUp();
        Assert.Equal(["best"], Names());
        new CheckpointStore(Path.Combine(_folder.FullName, "none")).CleanUp();
    }

    [Fact]
    public void Damaged_checkpoints_are_told_and_set_aside_until_one_is_whole()
    {
        var store = new CheckpointStore(_folder.FullName);
        foreach (var name in (string[])["checkpoint-1", "checkpoint-2", "checkpoint-3"])
        {
            store.Write(name, Fill(name));
        }

        Directory.CreateDirectory(Path.Combine(_folder.FullName, "damaged-checkpoint-3", "of an earlier time"));
        File.Delete(Path.Combine(_folder.FullName, "checkpoint-3", "manifest.json"));
        File.Delete(Path.Combine(_folder.FullName, "checkpoint-2", "model.safetensors"));
        var notices = new List<string>();

        var found = store.FindNewestWhole(notices.Add);

        Assert.Equal("checkpoint-1", Path.GetFileName(found));
        Assert.Equal(["checkpoint-1", "damaged-checkpoint-2", "damaged-checkpoint-3"], Names());
        Assert.Equal(
            ["checkpoint-3 is damaged: it has no manifest.json, so it was not finished. It is kept as damaged-checkpoint-3; the one before it is used.",
                "checkpoint-2 is damaged: model.safetensors is missing. It is kept as damaged-checkpoint-2; the one before it is used."], notices);
        Directory.Delete(found!, recursive: true);
        Assert.Null(store.FindNewestWhole(notices.Add));
    }

    [Fact]
    public void A_manifest_tells_every_file_that_is_not_as_it_was_written()
    {
        var store = new CheckpointStore(_folder.FullName);
        var folder = store.Write("checkpoint-1", temporary =>
        {
            File.WriteAllText(Path.Combine(temporary, "a.json"), "whole");
            File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(temporary, "inner")).FullName, "b.json"), "whole");
        });
        var (inner, manifest) = (Path.Combine(folder, "inner", "b.json"), Path.Combine(folder, CheckpointManifest.FileName));
        string? Damaged(string path, string content)
        {
            var before = File.ReadAllText(path);
            File.WriteAllText(path, content);
            var damage = CheckpointManifest.FindDamage(folder);
            File.WriteAllText(path, before);
            return damage;
        }

        Assert.Equal("inner/b.json has 6 bytes, expected 5", Damaged(inner, "longer"));
        Assert.Equal("inner/b.json has another SHA-256 sum than when it was written", Damaged(inner, "Whole"));
        var text = File.ReadAllText(manifest);
        Assert.Equal("its manifest names \"../b.json\", which is no file inside", Damaged(manifest, text.Replace("inner/", "../", StringComparison.Ordinal)));
        Assert.All(["{}", "[", """{"version":1,"files":{}}""", """{"version":1,"files":{"a.json":null}}""", new string(' ', 4 << 20) + text],
            content => Assert.Equal("its manifest.json is not readable", Damaged(manifest, content)));
        Assert.Null(CheckpointManifest.FindDamage(folder));
    }

    private IEnumerable<string> Names() => _folder.EnumerateDirectories().Select(folder => folder.Name).Order(StringComparer.Ordinal);

    private static Action<string> Fill(string content) => temporary => File.WriteAllText(Path.Combine(temporary, "model.safetensors"), content);
}
