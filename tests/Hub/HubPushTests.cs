using System.Text.Json.Nodes;
using NotebookLib.FakeHub;
using NotebookLib.Hub;

namespace NotebookLib.Tests.Hub;

public sealed class HubPushTests
{
    /// <summary>A model's folder, with things beside it that must stay here.</summary>
    private static string Folder(HubFixture hub, int weightBytes = 100_000)
    {
        var folder = Directory.CreateDirectory(Path.Combine(hub.Home, "model")).FullName;
        File.WriteAllBytes(Path.Combine(folder, "model.safetensors"), HubFixture.Bytes(weightBytes));
        File.WriteAllBytes(Path.Combine(folder, "spm.model"), HubFixture.Bytes(5000, seed: 2));
        File.WriteAllText(Path.Combine(folder, "config.json"), "{}");
        File.WriteAllText(Path.Combine(folder, "README.md"), "# card");
        File.WriteAllText(Path.Combine(folder, ".env"), "HF_TOKEN=secret");
        File.WriteAllText(Path.Combine(folder, "optimizer.pt"), "state");
        return folder;
    }

    [Fact]
    public async Task A_model_is_published_privately_in_one_commit_and_comes_back_equal()
    {
        await using var hub = await HubFixture.StartAsync();
        var folder = Folder(hub);

        var pushed = await hub.PushAsync(folder);
        var back = await hub.FetchModelAsync("org/tuned");

        Assert.Equal(["README.md", "config.json", "model.safetensors", "spm.model"], pushed.Files.Order(StringComparer.Ordinal));
        Assert.True(hub.Server.Repo("org/tuned").IsPrivate);
        Assert.Equal((hub.Server.Repo("org/tuned").Head, $"{hub.Server.Url}/org/tuned"), (pushed.Commit, pushed.Url));
        Assert.All(["config.json", "model.safetensors", "spm.model"],
            name => Assert.Equal(File.ReadAllBytes(Path.Combine(folder, name)), File.ReadAllBytes(Path.Combine(back, name))));
        Assert.Equal(1, hub.Server.Requests.Count(request => request.Path.Contains("/commit/", StringComparison.Ordinal)));
        Assert.DoesNotContain(hub.Server.At("org/tuned"), name => name is ".env" or "optimizer.pt");
        Assert.Empty(hub.Server.Problems);
    }

    [Fact]
    public async Task Large_files_go_in_parts_where_the_Hub_asks_for_it_and_are_not_sent_twice()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.PartBytes = 30_000;
        var folder = Folder(hub);

        await hub.PushAsync(folder);
        Assert.Equal(4, hub.Server.Requests.Count(request => request.Path.StartsWith("/parts/", StringComparison.Ordinal)));
        var before = hub.Server.Requests.Count(request => request.Method == "PUT");
        var again = await hub.PushAsync(folder);

        Assert.Equal(before, hub.Server.Requests.Count(request => request.Method == "PUT"));
        Assert.Equal(["model.safetensors", "spm.model"], again.AlreadyThere.Order());
        Assert.Equal(File.ReadAllBytes(Path.Combine(folder, "model.safetensors")),
            hub.Server.Repo("org/tuned").At("main")!.Value.Files["model.safetensors"].ReadAll());
        Assert.Contains(hub.Progress, progress => progress is { IsUpload: true, Phase: HubTransferPhase.Done, DoneBytes: 100_000 });
        Assert.Empty(hub.Server.Problems);
    }

    [Theory]
    [InlineData("PUT", "/objects/")]
    [InlineData("POST", "/lfs-verify/")]
    [InlineData("POST", "/api/repos/create")]
    [InlineData("POST", "/commit/")]
    public async Task Overload_and_lost_answers_are_tried_again(string method, string path)
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Fail(2, request => request.Method == method && request.Path.Contains(path, StringComparison.Ordinal),
            new FakeFault { Status = 503, AfterApplying = true });

        var pushed = await hub.PushAsync(Folder(hub));

        Assert.Equal(hub.Server.Repo("org/tuned").Head, pushed.Commit);
        Assert.Empty(hub.Server.Problems);
    }

    [Fact]
    public async Task The_token_never_reaches_the_storage_host_and_no_text_shows_it()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.PartBytes = 30_000;
        await hub.PushAsync(Folder(hub));
        hub.Server.Fault = request => request.Method == "PUT" ? new FakeFault { Status = 403 } : null;
        File.WriteAllBytes(Path.Combine(hub.Home, "model", "model.safetensors"), HubFixture.Bytes(100, seed: 3));

        var refusal = await Assert.ThrowsAsync<HubException>(() => hub.PushAsync(Path.Combine(hub.Home, "model")));

        Assert.All(hub.Server.Requests.Where(request => request.IsStorage), request => Assert.Null(request["Authorization"]));
        Assert.All([refusal.ToString(), .. hub.Notices], text => Assert.DoesNotMatch("signature|" + FakeHubServer.Token, text));
        Assert.Empty(hub.Server.Problems);
    }

    [Fact]
    public async Task What_is_meant_to_be_private_does_not_go_into_a_public_repository()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/tuned").Commit(("README.md", FakeFile.Text("public")));
        var folder = Folder(hub);

        var refusal = await Assert.ThrowsAsync<HubException>(() => hub.PushAsync(folder));

        Assert.Contains("is public", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(hub.Server.Requests, request => request.Method == "PUT" || request.Path.Contains("/commit/", StringComparison.Ordinal));
        await hub.PushAsync(folder, options: new HubPushOptions { IsPrivate = false });
        Assert.Contains("model.safetensors", hub.Server.At("org/tuned"));
    }

    [Fact]
    public async Task Without_a_token_or_offline_nothing_is_sent()
    {
        await using var hub = await HubFixture.StartAsync();
        var folder = Folder(hub);

        var anonymous = await Assert.ThrowsAsync<HubException>(() => hub.PushAsync(folder, settings: hub.Settings with { Token = null }));
        await Assert.ThrowsAsync<HubException>(() => hub.PushAsync(folder, settings: hub.Settings with { IsOffline = true }));
        await Assert.ThrowsAsync<ArgumentException>(() => hub.PushAsync(folder, "noowner"));

        Assert.Equal(HubFault.WrongToken, anonymous.Fault);
        Assert.Contains("/settings/tokens", anonymous.Message, StringComparison.Ordinal);
        Assert.Empty(hub.Server.Requests);
    }

    [Fact]
    public async Task The_owner_s_own_repositories_name_no_organisation()
    {
        await using var hub = await HubFixture.StartAsync();
        await hub.PushAsync(Folder(hub), $"{FakeHubServer.User}/tuned");

        var create = Assert.Single(hub.Server.Requests, request => request.Path == "/api/repos/create").Json;
        Assert.Equal(("tuned", true, null), (create["name"]!.GetValue<string>(), create["private"]!.GetValue<bool>(), (JsonNode?)create["organization"]));
    }
}
