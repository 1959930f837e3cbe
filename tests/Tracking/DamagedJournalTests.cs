using System.Text;
using System.Text.Json.Nodes;
using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

/// <summary>A flipped byte costs its own line and no other: whatever the line was, the rows arrive once, in order and in their places.</summary>
public sealed class DamagedJournalTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Without_the_first_sessions_line_every_row_arrives(bool isResumed)
    {
        await using var fixture = await StartAsync();
        var run = await OfflineAsync(fixture, 0);
        Damage(run, 'N');
        if (isResumed)
        {
            await OfflineAsync(fixture, 5);
        }

        await AssertArrivesAsync(fixture, run, isResumed ? 10 : 5);
    }

    [Fact]
    public async Task Without_a_first_session_and_rows_the_run_is_completed()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(Settings(fixture), _ => { });
        Damage(run, 'N');

        await AssertArrivesAsync(fixture, run, 0);
    }

    [Fact]
    public async Task Without_the_header_the_run_is_refused_until_it_is_resumed()
    {
        await using var fixture = await StartAsync();
        var run = await OfflineAsync(fixture, 0);
        Damage(run, 'R');
        var fault = await Assert.ThrowsAsync<InvalidDataException>(() => RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel));
        Assert.Contains("no header", fault.Message, StringComparison.Ordinal);
        await OfflineAsync(fixture, 5);

        await AssertArrivesAsync(fixture, run, 10);
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(0, false)]
    [InlineData(1, false)]
    [InlineData(2, false)]
    public async Task Without_a_sessions_line_its_place_on_the_server_stays(int session, bool isSynced)
    {
        await using var fixture = await StartAsync();
        var run = await OfflineAsync(fixture, 0);
        if (isSynced)
        {
            await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        }

        await OfflineAsync(fixture, 5);
        if (isSynced)
        {
            // The place of the second session is noted behind its rows.
            await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        }

        await OfflineAsync(fixture, 10);
        if (isSynced)
        {
            await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
            File.Delete(Path.Combine(run.Folder!, "sync.json"));
        }

        Damage(run, 'N', session);
        await AssertArrivesAsync(fixture, run, 15);
        await OfflineAsync(fixture, 15);
        await AssertArrivesAsync(fixture, run, 20);
    }

    [Fact]
    public async Task Without_the_line_of_a_session_behind_other_writers_rows_nothing_is_overwritten()
    {
        await using var fixture = await StartAsync();
        var online = Settings(fixture) with { Mode = TrackingMode.Online };
        var run = await RunAsync(online, run => SyncTests.LogRows(run, 5));
        await RunAsync(online with { Directory = Path.Combine(fixture.Folder, "elsewhere") }, run => SyncTests.LogRows(run, 3, from: 5));
        await OfflineAsync(fixture, 8);
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        Damage(run, 'N', 1);
        await OfflineAsync(fixture, 13);

        // 3 of them lie in the other folder.
        await AssertArrivesAsync(fixture, run, 18, kept: 15);
    }

    [Theory]
    [InlineData('C', """{"lr":"x" """)]
    [InlineData('M', """{"glob":"train/*","summary":null}""")]
    [InlineData('N', """{"rows":"many"}""")]
    [InlineData('O', """{"text":7}""")]
    [InlineData('S', "7")]
    public async Task A_line_with_a_right_sum_and_wrong_content_costs_itself_alone(char kind, string content)
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(Settings(fixture), run =>
        {
            run.LogConfig(Row(("lr", 0.5)));
            run.DefineMetric("train/*", "train/global_step");
            SyncTests.LogRows(run, 5);
            run.SetSummary(Row(("best", 1)));
            run.LogOutput("line");
        });
        var lines = await File.ReadAllLinesAsync(Path.Combine(run.Folder!, "journal.log"), Cancel);
        var at = Array.FindIndex(lines, line => line[9] == kind);
        var said = $"{kind} {lines[at].Split(' ')[2]} {content}";
        lines[at] = $"{System.IO.Hashing.Crc32.HashToUInt32(Encoding.UTF8.GetBytes(said)):x8} {said}";
        await File.WriteAllTextAsync(Path.Combine(run.Folder!, "journal.log"), string.Concat(lines.Select(line => line + "\n")), Cancel);

        var summary = await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        Assert.Equal((5, 1), (summary.RowsSent, summary.DamagedLines));
        Assert.Empty(fixture.Server.State.Problems);
    }

    private static TrackingSettings Settings(TrackingFixture fixture) =>
        fixture.Offline with { RunId = "abc", Resume = ResumeMode.Allow, CaptureConsole = false };

    private static Task<TrackedRun> OfflineAsync(TrackingFixture fixture, int from) => RunAsync(Settings(fixture), run =>
    {
        SyncTests.LogRows(run, 5, from);
        run.LogOutput($"line {from}");
    });

    /// <summary>Syncs twice, the second time as if for the first.</summary>
    private static async Task AssertArrivesAsync(TrackingFixture fixture, TrackedRun run, int rows, int? kept = null)
    {
        var summary = await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        AssertRows(fixture, rows);
        Assert.Equal((kept ?? rows, 1, 0), (summary.RowsKept, summary.DamagedLines, summary.Failures.Count));
        Assert.False((await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel)).HasSent);
        File.Delete(Path.Combine(run.Folder!, "sync.json"));
        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);
        AssertRows(fixture, rows);
    }

    private static void AssertRows(TrackingFixture fixture, int rows)
    {
        var stored = fixture.Server.State.Run("abc");
        Assert.Empty(fixture.Server.State.Problems);
        Assert.Equal(Enumerable.Range(0, rows), stored.History.Select(line => (int)JsonNode.Parse(line)!["i"]!));
        Assert.Equal(Enumerable.Range(0, rows), stored.History.Select(line => (int)JsonNode.Parse(line)!["_step"]!));
        Assert.Equal((true, 0), (stored.IsComplete, stored.ExitCode));
    }

    /// <summary>Flips a byte in the JSON of one line.</summary>
    /// <param name="run">The run.</param>
    /// <param name="kind">The line's letter.</param>
    /// <param name="index">Which of the lines with this letter.</param>
    private static void Damage(TrackedRun run, char kind, int index = 0)
    {
        var path = Path.Combine(run.Folder!, "journal.log");
        var bytes = File.ReadAllBytes(path);
        // One char for each byte, so that places in the text are places in the file.
        var lines = Encoding.Latin1.GetString(bytes).Split('\n');
        var at = lines.Index().Where(line => line.Item.Length > 9 && line.Item[9] == kind).ElementAt(index).Index;
        bytes[lines.Take(at).Sum(line => line.Length + 1) + 20] ^= 1;
        File.WriteAllBytes(path, bytes);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
}
