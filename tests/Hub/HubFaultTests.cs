using System.Diagnostics;
using NotebookLib.FakeHub;
using NotebookLib.Hub;

namespace NotebookLib.Tests.Hub;

public sealed class HubFaultTests
{
    private static bool IsStorage(FakeRequest request) => request.IsStorage;

    [Theory]
    [InlineData(429)]
    [InlineData(503)]
    [InlineData(500)]
    public async Task Overload_and_server_faults_are_waited_out(int status)
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(10), isLarge: true)));
        hub.Fail(2, request => request.Method == "HEAD", new FakeFault { Status = status });

        await hub.DownloadAsync();

        Assert.Equal(3, hub.Server.Requests.Count(request => request.Method == "HEAD"));
        Assert.Equal(2, hub.Notices.Count(notice => notice.Contains(status == 429 ? "fewer requests" : $"{status}", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Retry_After_is_obeyed()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(10), isLarge: true)));
        hub.Fail(1, request => request.Method == "HEAD", new FakeFault { Status = 429, RetryAfter = "1" });
        var started = Stopwatch.GetTimestamp();

        await hub.DownloadAsync();

        // The settings' own first wait is 0.01 s.
        Assert.Contains(hub.Notices, notice => notice.Contains("trying again in 1 s", StringComparison.Ordinal));
        Assert.True(Stopwatch.GetElapsedTime(started).TotalSeconds > 0.95);
    }

    [Fact]
    public async Task A_server_that_asks_to_wait_for_a_day_is_not_waited_for()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Fault = _ => new FakeFault { Status = 429, RetryAfter = "86400" };

        var refusal = await hub.RefusalAsync();

        Assert.Equal(HubFault.Unreachable, refusal.Fault);
        Assert.Contains("86400 s (tried 1 time)", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reset_in_the_middle_goes_on_from_the_byte_it_reached()
    {
        await using var hub = await HubFixture.StartAsync();
        var content = HubFixture.Bytes(500_000);
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(content, isLarge: true)));
        hub.Fail(2, IsStorage, new FakeFault { ResetAfterBytes = 150_000 });

        var file = await hub.DownloadAsync();

        Assert.Equal(content, File.ReadAllBytes(file.Path));
        Assert.Equal([null, "bytes=150000-", "bytes=300000-"], hub.Server.Requests.Where(IsStorage).Select(request => request["Range"]));
    }

    [Fact]
    public async Task A_transfer_that_keeps_moving_may_break_off_more_often_than_there_are_tries()
    {
        await using var hub = await HubFixture.StartAsync();
        var content = HubFixture.Bytes(16 << 20);
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(content, isLarge: true)));
        // A reset takes with it what the client has not read yet, which on a busy machine is a part of it: twice what counts as progress.
        hub.Fail(6, IsStorage, new FakeFault { ResetAfterBytes = 2 << 20 });
        var settings = hub.Settings with { Tries = 1 };

        Assert.Equal(content, File.ReadAllBytes((await hub.DownloadAsync(settings: settings)).Path));
    }

    [Fact]
    public async Task An_earlier_run_s_incomplete_file_is_gone_on_with()
    {
        await using var hub = await HubFixture.StartAsync();
        var content = HubFixture.Bytes(300_000);
        var file = new FakeFile(content, isLarge: true);
        hub.Server.Repo("org/model").Commit(("model.bin", file));
        Directory.CreateDirectory(hub.InCache("models--org--model", "blobs"));
        File.WriteAllBytes(hub.InCache("models--org--model", "blobs", file.Sha256 + ".incomplete"), content[..123_456]);

        var found = await hub.DownloadAsync();

        Assert.Equal(content, File.ReadAllBytes(found.Path));
        Assert.Equal("bytes=123456-", Assert.Single(hub.Server.Requests, IsStorage)["Range"]);
        Assert.Equal(123_456, hub.Progress.First(progress => progress.Phase == HubTransferPhase.Running).DoneBytes);
    }

    [Fact]
    public async Task A_server_without_ranges_begins_again()
    {
        await using var hub = await HubFixture.StartAsync();
        var content = HubFixture.Bytes(300_000);
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(content, isLarge: true)));
        var count = 0;
        hub.Server.Fault = request =>
            !request.IsStorage ? null : new FakeFault { IgnoreRange = true, ResetAfterBytes = Interlocked.Increment(ref count) == 1 ? 100_000 : null };

        Assert.Equal(content, File.ReadAllBytes((await hub.DownloadAsync()).Path));
    }

    [Fact]
    public async Task A_damaged_file_is_fetched_again_and_a_second_time_refused_with_nothing_kept()
    {
        await using var hub = await HubFixture.StartAsync();
        var content = HubFixture.Bytes(100_000);
        var file = new FakeFile(content, isLarge: true);
        hub.Server.Repo("org/model").Commit(("model.bin", file), ("config.json", FakeFile.Text("{}")));
        hub.Fail(1, IsStorage, new FakeFault { Damage = true });
        Assert.Equal(content, File.ReadAllBytes((await hub.DownloadAsync()).Path));
        Assert.Contains(hub.Notices, notice => notice.Contains(file.Sha256, StringComparison.Ordinal));

        hub.Server.Fault = request => request.Method == "GET" ? new FakeFault { Damage = true } : null;
        var refusal = await hub.RefusalAsync("config.json");
        Assert.Equal(HubFault.WrongContent, refusal.Fault);
        Assert.DoesNotContain(Directory.EnumerateFiles(hub.InCache("models--org--model", "blobs")),
            path => !path.EndsWith(file.Sha256, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_truncated_file_is_never_taken_for_whole()
    {
        await using var hub = await HubFixture.StartAsync();
        var content = HubFixture.Bytes(200_000);
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(content, isLarge: true)));
        hub.Fail(1, IsStorage, new FakeFault { TruncateToBytes = 50_000 });
        Assert.Equal(content, File.ReadAllBytes((await hub.DownloadAsync()).Path));

        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(200_000, seed: 2), isLarge: true)));
        hub.Server.Fault = request => request.IsStorage ? new FakeFault { TruncateToBytes = 50_000 } : null;
        Assert.Equal(HubFault.Unreachable, (await hub.RefusalAsync()).Fault);
    }

    [Fact]
    public async Task A_server_that_sends_more_than_it_announced_is_cut_off()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(1000), isLarge: true)));
        hub.Server.Fault = request => request.IsStorage ? new FakeFault { Body = new string('x', 2_000_000) } : null;

        var refusal = await hub.RefusalAsync();

        Assert.Contains("more than the 1000 bytes", refusal.Message, StringComparison.Ordinal);
        Assert.All(Directory.EnumerateFiles(hub.InCache("models--org--model", "blobs")), path => Assert.InRange(new FileInfo(path).Length, 0, 1000));
    }

    [Fact]
    public async Task A_transfer_that_stands_still_is_given_up_and_kept()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(1000), isLarge: true)));
        // 20 bytes at once, then one byte each 50 ms would be fast enough: a stall is a rate of nothing, here 1 byte a pause longer than the patience.
        hub.Server.Fault = request => request.IsStorage ? new FakeFault { BytesPerSecond = 1 } : null;

        var refusal = await hub.RefusalAsync(settings: hub.Settings with { StallSeconds = 0.02, Tries = 1 });

        Assert.Contains("nothing arrived", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_C_keeps_what_has_arrived()
    {
        await using var hub = await HubFixture.StartAsync();
        var file = new FakeFile(HubFixture.Bytes(1_000_000), isLarge: true);
        hub.Server.Repo("org/model").Commit(("model.bin", file));
        hub.Server.Fault = request => request.IsStorage ? new FakeFault { BytesPerSecond = 1_000_000 } : null;
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(0.4));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => hub.DownloadAsync(stop: stop));

        Assert.InRange(new FileInfo(hub.InCache("models--org--model", "blobs", file.Sha256 + ".incomplete")).Length, 1, 999_999);
        Assert.Equal(HubTransferPhase.Failed, hub.Progress[^1].Phase);
    }

    [Theory]
    [InlineData("RepoNotFound", 401, "spelling")]
    [InlineData("RepoNotFound", 404, "spelling")]
    [InlineData("RevisionNotFound", 404, "no branch, tag or commit")]
    [InlineData("EntryNotFound", 404, "no file model.bin")]
    [InlineData("GatedRepo", 403, "accept the terms")]
    public async Task Each_error_code_has_its_own_words(string code, int status, string words)
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Fault = _ => new FakeFault { Status = status, Error = (code, "said by the server") };

        var refusal = await hub.RefusalAsync();

        Assert.Equal(Enum.Parse<HubFault>(code), refusal.Fault);
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.Single(hub.Server.Requests);
    }

    [Fact]
    public async Task Private_and_gated_repositories_say_what_a_missing_token_would_do()
    {
        await using var hub = await HubFixture.StartAsync();
        var repo = hub.Server.Repo("org/model");
        repo.Commit(("model.bin", new FakeFile(HubFixture.Bytes(10), isLarge: true)));
        var anonymous = hub.Settings with { Token = null };

        repo.IsPrivate = true;
        Assert.Contains("if it is private, set HF_TOKEN", (await hub.RefusalAsync(settings: anonymous)).Message, StringComparison.Ordinal);
        (repo.IsPrivate, repo.IsGated) = (false, true);
        Assert.Contains("set HF_TOKEN to a token of that account", (await hub.RefusalAsync(settings: anonymous)).Message, StringComparison.Ordinal);
        await hub.DownloadAsync();
    }

    [Fact]
    public async Task No_message_repeats_the_token_or_a_signed_address()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(10), isLarge: true)));
        List<string> texts = [hub.Settings.ToString()];
        hub.Server.Fault = _ => new FakeFault { Status = 401, Error = ("", $"Invalid credentials: {FakeHubServer.Token}") };
        var wrong = await hub.RefusalAsync();
        Assert.Equal(HubFault.WrongToken, wrong.Fault);
        texts.Add(wrong.ToString());
        hub.Server.Fault = request => request.IsStorage ? new FakeFault { Reset = true } : null;
        texts.Add((await hub.RefusalAsync()).ToString());
        hub.Server.Fault = request => request.IsStorage ? new FakeFault { Status = 403 } : null;
        texts.Add((await hub.RefusalAsync()).ToString());
        texts.AddRange(hub.Notices);

        Assert.All(texts, text =>
        {
            Assert.DoesNotContain(FakeHubServer.Token, text, StringComparison.Ordinal);
            Assert.DoesNotContain("ignature", text, StringComparison.Ordinal);
        });
    }

    [Theory]
    [InlineData("../../evil")]
    [InlineData("/etc/passwd")]
    [InlineData("a/../../evil")]
    [InlineData("a\\..\\evil")]
    [InlineData("C:evil")]
    [InlineData("a//b")]
    [InlineData("a\nb")]
    [InlineData("")]
    public async Task Names_that_lead_out_of_their_folder_are_refused(string name)
    {
        await using var hub = await HubFixture.StartAsync();
        Assert.Equal(HubFault.UnsafeName, (await hub.RefusalAsync(name)).Fault);

        hub.Server.Repo("org/model").Commit((name, FakeFile.Text("x")));
        Assert.Equal(HubFault.UnsafeName, (await Assert.ThrowsAsync<HubException>(() => hub.ListAsync())).Fault);
    }

    [Theory]
    [InlineData("X-Repo-Commit", "../../../evil")]
    [InlineData("X-Linked-Etag", "\"../../evil\"")]
    public async Task Commits_and_etags_that_are_paths_are_refused(string header, string value)
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/model").Commit(("model.bin", new FakeFile(HubFixture.Bytes(10), isLarge: true)));
        hub.Server.Fault = _ => new FakeFault { Headers = new Dictionary<string, string> { [header] = value } };

        Assert.Equal(HubFault.BadAnswer, (await hub.RefusalAsync()).Fault);
        Assert.False(Directory.Exists(hub.InCache("models--org--model", "blobs")));
    }
}
