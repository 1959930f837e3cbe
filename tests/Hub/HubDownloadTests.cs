using System.Diagnostics;
using NotebookLib.FakeHub;
using NotebookLib.Hub;

namespace NotebookLib.Tests.Hub;

public sealed class HubDownloadTests
{
    [Fact]
    public async Task A_file_lies_where_Python_would_look_for_it()
    {
        await using var hub = await HubFixture.StartAsync();
        var content = HubFixture.Bytes(100_000);
        var commit = hub.Server.Repo("org/model").Commit(("sub/model.bin", new FakeFile(content, isLarge: true)), ("config.json", FakeFile.Text("{}")));

        var large = await hub.DownloadAsync("sub/model.bin");
        var small = await hub.DownloadAsync("config.json");

        Assert.Equal(hub.InCache("models--org--model", "snapshots", commit, "sub", "model.bin"), large.Path);
        Assert.Equal(content, File.ReadAllBytes(large.Path));
        Assert.Equal("{}", File.ReadAllText(small.Path));
        Assert.Equal(commit, File.ReadAllText(hub.InCache("models--org--model", "refs", "main")));
        Assert.Equal($"../../../blobs/{hub.Server.Repo("org/model").At("main")!.Value.Files["sub/model.bin"].Sha256}", new FileInfo(large.Path).LinkTarget);
        // git hash-object of "{}".
        Assert.Equal("../../blobs/9e26dfeeb6e641a33dae4961196235bdb965b21b", new FileInfo(small.Path).LinkTarget);
        Assert.Empty(Directory.EnumerateFiles(hub.Home, "*.incomplete", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task What_Python_downloaded_is_found_without_a_request_for_its_content()
    {
        await using var hub = await HubFixture.StartAsync();
        var file = FakeFile.Text("weights", isLarge: true);
        var commit = hub.Server.Repo("org/model").Commit(("model.bin", file));
        Directory.CreateDirectory(hub.InCache("models--org--model", "blobs"));
        Directory.CreateDirectory(hub.InCache("models--org--model", "snapshots", commit));
        File.WriteAllText(hub.InCache("models--org--model", "blobs", file.Sha256), "weights");
        File.CreateSymbolicLink(hub.InCache("models--org--model", "snapshots", commit, "model.bin"), $"../../blobs/{file.Sha256}");

        var found = await hub.DownloadAsync();

        Assert.Equal("weights", File.ReadAllText(found.Path));
        Assert.Empty(hub.Downloads);
    }

    [Fact]
    public async Task A_second_time_only_asks_whether_main_moved_and_a_commit_not_even_that()
    {
        await using var hub = await HubFixture.StartAsync();
        var first = hub.Server.Repo("org/model").Commit(("model.bin", FakeFile.Text("one", isLarge: true)));
        await hub.DownloadAsync();
        var before = hub.Server.Requests.Count;

        await hub.DownloadAsync();
        await hub.DownloadAsync("model.bin", first);
        Assert.Equal("HEAD", Assert.Single(hub.Server.Requests.Skip(before)).Method);

        hub.Server.Repo("org/model").Commit(("model.bin", FakeFile.Text("two", isLarge: true)));
        Assert.Equal("two", File.ReadAllText((await hub.DownloadAsync()).Path));
        Assert.Equal("one", File.ReadAllText((await hub.DownloadAsync("model.bin", first)).Path));
    }

    [Fact]
    public async Task A_file_that_is_not_there_is_remembered_for_its_commit()
    {
        await using var hub = await HubFixture.StartAsync();
        var commit = hub.Server.Repo("org/model").Commit(("config.json", FakeFile.Text("{}")));

        Assert.Null(await hub.TryDownloadAsync("added_tokens.json"));
        var before = hub.Server.Requests.Count;
        Assert.Null(await hub.TryDownloadAsync("added_tokens.json", commit));

        Assert.True(File.Exists(hub.InCache("models--org--model", ".no_exist", commit, "added_tokens.json")));
        Assert.Equal(before, hub.Server.Requests.Count);
    }

    [Fact]
    public async Task The_token_goes_to_the_Hub_and_never_to_the_storage_host_or_elsewhere()
    {
        await using var hub = await HubFixture.StartAsync();
        await using var elsewhere = await FakeHubServer.StartAsync();
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(10), isLarge: true)), ("config.json", FakeFile.Text("{}")));
        elsewhere.Repo("org/model").Commit(("config.json", FakeFile.Text("{}")));
        hub.Server.Fault = request => request is { Method: "GET", IsStorage: false } && request.Path.EndsWith("config.json", StringComparison.Ordinal)
            ? new FakeFault { RedirectTo = elsewhere.Url + "/org/model/resolve/main/config.json" } : null;

        await hub.DownloadAsync();
        await hub.DownloadAsync("config.json");

        Assert.All(hub.Server.Requests.Where(request => !request.IsStorage),
            request => Assert.Equal("Bearer " + FakeHubServer.Token, request["Authorization"]));
        Assert.Single(elsewhere.Requests);
        Assert.All(elsewhere.Requests.Concat(hub.Server.Requests.Where(request => request.IsStorage)), request => Assert.Null(request["Authorization"]));
        Assert.Empty(hub.Server.Problems);
    }

    [Fact]
    public async Task A_renamed_repository_is_followed_within_the_Hub()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("new/model").Commit(("config.json", FakeFile.Text("{}")));
        hub.Server.Fault = request => request.Path.StartsWith("/org/model", StringComparison.Ordinal)
            ? new FakeFault { RedirectTo = request.Target.Replace("/org/", "/new/", StringComparison.Ordinal) } : null;

        Assert.Equal("{}", File.ReadAllText((await hub.DownloadAsync("config.json")).Path));
    }

    [Fact]
    public async Task Clients_that_want_a_file_at_once_fetch_it_once()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(400_000), isLarge: true)));
        hub.Server.Fault = request => request.IsStorage ? new FakeFault { BytesPerSecond = 2_000_000 } : null;

        var files = await Task.WhenAll(Enumerable.Range(0, 6).Select(async _ =>
        {
            return await hub.DownloadAsync();
        }));

        Assert.Single(files.Distinct());
        Assert.Single(hub.Server.Requests, request => request.IsStorage);
        Assert.Contains(hub.Progress, progress => progress.Phase == HubTransferPhase.AlreadyThere);
    }

    [Fact]
    public async Task A_blob_that_another_process_holds_locked_is_waited_for()
    {
        await using var hub = await HubFixture.StartAsync();
        var file = new FakeFile(HubFixture.Bytes(1000), isLarge: true);
        var commit = hub.Server.Repo("org/model").Commit(("model.bin", file));
        var blobs = Directory.CreateDirectory(hub.InCache("models--org--model", "blobs")).FullName;
        var locks = Directory.CreateDirectory(hub.InCache(".locks", "models--org--model")).FullName;
        // flock(1) takes the very lock that Python's filelock takes; meanwhile the other process "downloads" the file.
        var source = Path.Combine(hub.Home, "arrives");
        File.WriteAllBytes(source, file.ReadAll());
        using var other = Process.Start(new ProcessStartInfo("flock", [Path.Combine(locks, file.Sha256 + ".lock"), "sh", "-c", $"echo locked; sleep 1.3; "
            + $"mv '{source}' '{blobs}/{file.Sha256}'"])
        { RedirectStandardOutput = true })!;
        Assert.Equal("locked", await other.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken));

        var found = await hub.DownloadAsync();

        Assert.Equal(file.ReadAll(), File.ReadAllBytes(found.Path));
        Assert.DoesNotContain(hub.Server.Requests, request => request.IsStorage);
        Assert.Contains(hub.Notices, notice => notice.Contains("somebody else is fetching it", StringComparison.Ordinal));
        await other.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Offline_a_file_whose_blob_somebody_removed_is_not_listed()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("a.txt", FakeFile.Text("one")), ("b.txt", FakeFile.Text("two")));
        var gone = await hub.DownloadAsync("a.txt");
        await hub.DownloadAsync("b.txt");
        File.Delete(new FileInfo(gone.Path).ResolveLinkTarget(returnFinalTarget: true)!.FullName);

        var entries = await hub.ListAsync(hub.Settings with { IsOffline = true });

        Assert.Equal(["b.txt"], entries.Select(entry => entry.Path));
    }

    [Fact]
    public async Task Offline_takes_everything_from_the_cache_and_sends_nothing()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("config.json", FakeFile.Text("{}")), ("model.bin", new FakeFile(HubFixture.Bytes(10), isLarge: true)));
        await hub.DownloadAsync("config.json");

        var before = hub.Server.Requests.Count;
        var offline = hub.Settings with { IsOffline = true };

        Assert.Equal("{}", File.ReadAllText((await hub.DownloadAsync("config.json", settings: offline)).Path));
        Assert.Equal(["config.json"], (await hub.ListAsync(offline)).Select(entry => entry.Path));
        var refusal = await hub.RefusalAsync(settings: offline);
        Assert.Equal(HubFault.NotInCache, refusal.Fault);
        Assert.Contains("HF_HUB_OFFLINE", refusal.Message, StringComparison.Ordinal);
        Assert.Equal(before, hub.Server.Requests.Count);
    }

    [Fact]
    public async Task Without_a_connection_the_cached_file_serves_and_a_notice_says_so()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("config.json", FakeFile.Text("{}")));
        await hub.DownloadAsync("config.json");
        hub.Server.Fault = _ => new FakeFault { Reset = true };

        Assert.Equal("{}", File.ReadAllText((await hub.DownloadAsync("config.json")).Path));
        Assert.Contains(hub.Notices, notice => notice.Contains("from the cache", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Progress_counts_bytes_and_ends_with_all_of_them()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(300_000), isLarge: true)));
        hub.Server.Fault = request => request.IsStorage ? new FakeFault { BytesPerSecond = 600_000 } : null;

        await hub.DownloadAsync();

        Assert.Equal(hub.Progress.Select(progress => progress.DoneBytes).Order(), hub.Progress.Select(progress => progress.DoneBytes));
        var running = hub.Progress.First(progress => progress is { Phase: HubTransferPhase.Running, DoneBytes: > 0 });
        // How slow it may be depends on what else the machine does.
        Assert.InRange(running.BytesPerSecond, 1, 2_000_000);
        Assert.Equal((300_000 - running.DoneBytes) / running.BytesPerSecond, running.Remaining!.Value.TotalSeconds, 1e-3);
        Assert.Equal((HubTransferPhase.Done, 300_000, 300_000L), (hub.Progress[^1].Phase, hub.Progress[^1].DoneBytes, hub.Progress[^1].TotalBytes));
    }
}
