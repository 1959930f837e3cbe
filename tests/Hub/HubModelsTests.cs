using NotebookLib.FakeHub;
using NotebookLib.Hub;

namespace NotebookLib.Tests.Hub;

public sealed class HubModelsTests
{
    [Fact]
    public async Task A_local_folder_is_returned_as_it_is()
    {
        var folder = Directory.CreateTempSubdirectory("hub-").FullName;
        Assert.Equal(folder, await HubModels.FetchAsync(folder, cancel: TestContext.Current.CancellationToken));
        Directory.Delete(folder);
    }

    [Theory]
    [InlineData("/no/such/folder")]
    [InlineData("../models/missing")]
    [InlineData("a/b/c")]
    public async Task A_path_that_is_not_there_is_not_taken_for_a_name(string path)
        => Assert.Contains("no such folder",
            (await Assert.ThrowsAsync<DirectoryNotFoundException>(() => HubModels.FetchAsync(path, cancel: TestContext.Current.CancellationToken))).Message,
            StringComparison.Ordinal);

    [Fact]
    public async Task A_model_comes_with_configuration_weights_and_tokenizer_of_one_commit_and_then_offline_too()
    {
        await using var hub = await HubFixture.StartAsync();
        var commit = hub.Server.Repo("org/model").Commit(
            ("config.json", FakeFile.Text("{}")), ("pytorch_model.bin", FakeFile.Text("w", isLarge: true)), ("spm.model", FakeFile.Text("s", isLarge: true)),
            ("tokenizer_config.json", FakeFile.Text("{ }")), ("training_args.bin", FakeFile.Text("a pickle", isLarge: true)),
            ("tf_model.h5", FakeFile.Text("no", isLarge: true)));

        var folder = await hub.FetchModelAsync();
        var again = await hub.FetchModelAsync("org/model@main", hub.Settings with { IsOffline = true });

        Assert.Equal(hub.InCache("models--org--model", "snapshots", commit), folder);
        Assert.Equal(folder, again);
        Assert.Equal(["config.json", "pytorch_model.bin", "spm.model", "tokenizer_config.json"],
            Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order());
        Assert.Single(hub.Server.Requests, request => request.Target.Contains("/main/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_sharded_model_comes_with_every_shard()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(
            ("config.json", FakeFile.Text("{}")), ("a.safetensors", FakeFile.Text("a", isLarge: true)), ("b.safetensors", FakeFile.Text("b", isLarge: true)),
            ("model.safetensors.index.json", FakeFile.Text("""{"weight_map":{"x":"a.safetensors","y":"b.safetensors","z":"a.safetensors"}}""")));

        var folder = await hub.FetchModelAsync();

        Assert.Equal("b", File.ReadAllText(Path.Combine(folder, "b.safetensors")));
        Assert.Equal("a", File.ReadAllText(Path.Combine(folder, "a.safetensors")));
    }

    [Theory]
    [InlineData("../../../evil")]
    [InlineData("/tmp/evil")]
    public async Task An_index_that_leads_out_of_its_folder_is_refused(string shard)
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("config.json", FakeFile.Text("{}")),
            ("model.safetensors.index.json", FakeFile.Text("{\"weight_map\":{\"x\":\"" + shard + "\"}}")));

        Assert.Equal(HubFault.UnsafeName, (await Assert.ThrowsAsync<HubException>(() => hub.FetchModelAsync())).Fault);
    }

    [Fact]
    public async Task An_adapter_comes_with_its_configuration()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("adapter_config.json", FakeFile.Text("{}")), ("adapter_model.safetensors", FakeFile.Text("w", isLarge: true)),
            ("spm.model", FakeFile.Text("s", isLarge: true)));

        var folder = await hub.FetchModelAsync();

        Assert.Equal(["adapter_config.json", "adapter_model.safetensors", "spm.model"], Directory.EnumerateFiles(folder).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_repository_without_a_model_says_what_was_looked_for()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("README.md", FakeFile.Text("nothing here")));

        var refusal = await Assert.ThrowsAsync<HubException>(() => hub.FetchModelAsync());

        Assert.Equal(HubFault.EntryNotFound, refusal.Fault);
        Assert.Contains("pytorch_model.bin", refusal.Message, StringComparison.Ordinal);
    }
}
