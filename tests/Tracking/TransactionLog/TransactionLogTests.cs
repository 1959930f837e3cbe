using System.Text;
using NotebookLib.Tracking;
using NotebookLib.Tracking.TransactionLog;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking.TransactionLog;

/// <summary>
/// Our run-*.wandb is one that both versions of W&amp;B's own tool read: its structure is that of the hand-made sample, which they were seen to accept.
/// </summary>
public sealed class TransactionLogTests
{
    private const int History = 2;
    private const int Summary = 3;
    private const int Output = 13;
    private const int Run = 17;
    private const int Exit = 18;
    private const int Header = 21;
    private static readonly int[] AcceptedByBoth = [History, Summary, 5, 6, 7, 12, Output, Run, Exit, Header];

    [Fact]
    public async Task The_same_run_gives_the_records_of_the_hand_made_sample()
    {
        var sample = LogFileReader.Records(await File.ReadAllBytesAsync(Repository.Shared(
            "reference", "wandb", "offline", "handmade", "offline-run-20260101_000000-handmade", "run-handmade.wandb"), Cancel));
        await using var fixture = await StartAsync();
        var run = await RunAsync(
            fixture.Offline with { RunId = "handmade", Name = "minimal" },
            run =>
            {
                run.LogConfig(Row(("lr", 0.0001), ("model", Row(("name", "tiny")))));
                for (var i = 0; i < 5; i++)
                {
                    run.Log(Row(("loss", 1.0 / (i + 1)), ("text", "xxxxxxxxxx")));
                    run.LogOutput($"line {i}");
                }
            });
        var ours = Records(run);

        // Ours has a record that lists files besides (W&B's clients have it too).
        Assert.Equal(sample.Select(Kind), ours.Select(Kind).Where(kind => kind != 6));
        foreach (var (theirs, own) in sample.Zip(ours.Where(record => Kind(record) != 6)))
        {
            Assert.Equal(Describe(theirs), Describe(own));
        }
    }

    [Fact]
    public async Task Records_are_numbered_and_the_end_comes_last()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(
            fixture.Offline with { SystemMetricsSeconds = 0.1, Entity = "me", Group = "g", Tags = ["a"], Notes = "n", JobType = "train" },
            run =>
            {
                TrackingObserver.DefineStep(run);
                SyncTests.LogRows(run, 250);
                run.LogOutput("an error", isError: true);
                run.LogConfig(Row(("later", 1)));
                run.SetSummary(Row(("best", 0.5)));
                Thread.Sleep(300);
            },
            exitCode: 3);
        var records = Records(run);

        Assert.Equal(Enumerable.Range(1, records.Count).Select(number => (ulong)number), records.Select(record => LogFileReader.Fields(record)[0].Number));
        Assert.All(records, record => Assert.Contains(Kind(record), AcceptedByBoth));
        Assert.Equal((Header, Run, Exit), (Kind(records[0]), Kind(records[1]), Kind(records[^1])));
        Assert.Single(records, record => Kind(record) == Exit);
        Assert.Equal(250, records.Count(record => Kind(record) == History));
        var last = LogRecord.Parser.ParseFrom(records.Last(record => Kind(record) == Summary)).Summary;
        Assert.Contains(last.Update, item => item.Key == "best" && item.ValueJson == "0.5");
        Assert.Contains(last.Update, item => item.Key == "i" && item.ValueJson == "249");
    }

    [Fact]
    public async Task A_killed_run_has_no_end_and_sync_completes_the_log()
    {
        await using var fixture = await StartAsync();
        var run = TrackedRun.Start(fixture.Offline);
        SyncTests.LogRows(run, 3);
        await run.DisposeAsync();

        await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: Cancel);

        var records = Records(run);
        Assert.Equal(3, records.Count(record => Kind(record) == History));
        Assert.DoesNotContain(records, record => Kind(record) == Exit);
        Assert.Contains(records, record => Kind(record) == Summary);
    }

    [Fact]
    public void Records_of_every_length_around_a_blocks_end_are_read_again()
    {
        const int block = 32 << 10;
        int[] lengths = [.. Enumerable.Range(block - 60, 120), 3 * block, (3 * block) + 11, 1, 2, 200_000];
        using var file = new MemoryStream();
        var writer = new TransactionLogFile(file);
        foreach (var length in lengths)
        {
            writer.Append(new LogRecord { OutputRaw = new() { Line = new string('x', length) } });
        }

        var lines = LogFileReader.Records(file.ToArray()).Select(record => LogRecord.Parser.ParseFrom(record).OutputRaw.Line);

        Assert.Equal(lengths, lines.Select(line => line.Length));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static IReadOnlyList<byte[]> Records(TrackedRun run) =>
        LogFileReader.Records(File.ReadAllBytes(Path.Combine(run.Folder!, $"run-{run.RunId}.wandb")));

    /// <summary>The payload's field number; field 1 is the record's number.</summary>
    private static int Kind(byte[] record) => LogFileReader.Fields(record).Last(field => field.Field != 1).Field;

    /// <summary>What a record says, without times.</summary>
    private static string Describe(byte[] record)
    {
        var payload = LogFileReader.Fields(record).Last(field => field.Field != 1).Bytes;
        return Kind(record) switch
        {
            History => "history " + Items(payload, 1),
            Summary => "summary " + Items(payload, 1, "loss"),
            Output => $"output {LogFileReader.Fields(payload)[0].Number} {Text(payload, 3)}",
            Run => $"run {Text(payload, 1)} {Text(payload, 3)} {Text(payload, 8)} {Items(LogFileReader.Find(payload, 4), 1)}",
            Exit => $"exit {LogFileReader.Fields(payload).FirstOrDefault(field => field.Field == 1).Number}",
            _ => Encoding.UTF8.GetString(payload),
        };
    }

    private static string Text(byte[] message, int field) => Encoding.UTF8.GetString(LogFileReader.Find(message, field));

    private static string Items(byte[] message, int field, string? only = null) =>
        string.Join(' ', LogFileReader.Fields(message).Where(one => one.Field == field)
        .Select(item => (Key: Text(item.Bytes, 1), Value: Text(item.Bytes, 16).Replace(" ", "", StringComparison.Ordinal)))
        .Where(item => item.Key is not ("_timestamp" or "_runtime") && (only is null || item.Key == only))
        .Select(item =>
            $"{item.Key}={(double.TryParse(item.Value, System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : item.Value)}"));
}
