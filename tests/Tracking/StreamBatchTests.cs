using System.Text;
using System.Text.Json.Nodes;
using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

/// <summary>One request in the making, and its bounds.</summary>
public sealed class StreamBatchTests
{
    [Fact]
    public void A_body_has_the_clients_form()
    {
        var batch = new StreamBatch();
        Assert.True(batch.TryAdd(StreamKind.History, 5, "{\"x\":NaN,\"s\":\"é\\\"\"}"));
        Assert.True(batch.TryAdd(StreamKind.History, 6, "{}"));
        Assert.True(batch.TryAdd(StreamKind.Output, 0, "line"));
        Assert.True(batch.TrySetSummary("{\"x\":NaN}"));

        Assert.Equal(
            """{"files":{"wandb-history.jsonl":{"offset":5,"content":["{\"x\":NaN,\"s\":\"é\\\"\"}","{}"]},"output.log":{"offset":0,"content":["line"]},"wandb-summary.json":{"offset":0,"content":["{\"x\":NaN}"]}},"uploaded":["a/b.txt"],"complete":true,"exitcode":3}""",
            Encoding.UTF8.GetString(batch.ToBody(["a/b.txt"], 3).Span));
    }

    [Fact]
    public void A_heartbeat_is_two_bytes() => Assert.Equal("{}", Encoding.UTF8.GetString(new StreamBatch().ToBody().Span));

    [Fact]
    public void Lines_that_do_not_follow_wait_for_the_next_request()
    {
        var batch = new StreamBatch();
        Assert.True(batch.TryAdd(StreamKind.History, 0, "{}"));
        Assert.False(batch.TryAdd(StreamKind.History, 2, "{}"));
        Assert.True(batch.TryAdd(StreamKind.Events, 7, "{}"));
    }

    [Fact]
    public void A_body_never_exceeds_10_MiB()
    {
        var batch = new StreamBatch(StreamBatch.LargestRequestBytes);
        var line = "{\"t\":\"" + new string('"', 100_000).Replace("\"", "\\\"", StringComparison.Ordinal) + "\"}";
        var lines = 0;
        while (batch.TryAdd(StreamKind.History, lines, line))
        {
            lines++;
        }

        Assert.InRange(batch.ToBody().Length, 9 << 20, 10 << 20);
        Assert.True(batch.Bytes >= batch.ToBody().Length);
    }

    [Fact]
    public async Task A_server_that_takes_less_gets_smaller_requests_and_a_line_that_is_still_too_long_stays_here()
    {
        await using var fixture = await StartAsync();
        fixture.Server.State.LargestBody = 4000;
        var run = await RunAsync(fixture.Settings, run =>
        {
            for (var i = 0; i < 40; i++)
            {
                run.Log(Row(("i", i), ("text", new string('x', i == 20 ? 5000 : 100))));
            }

            run.LogOutput(new string('y', 5000));
        });

        var stored = fixture.Server.State.Run(run.RunId);
        var rows = stored.History.Select(line => JsonNode.Parse(line)!.AsObject()).ToArray();
        Assert.Equal(Enumerable.Range(0, 40), rows.Select(row => (int)row["_step"]!));
        // The 20th tells its step and time; its values are in the journal.
        Assert.Equal(["_step", "_runtime", "_timestamp"], rows[20].Select(member => member.Key));
        Assert.All(rows.Index().Where(row => row.Index != 20), row => Assert.Equal(row.Index, (int)row.Item["i"]!));
        Assert.EndsWith("yyy …", Assert.Single(stored.Output), StringComparison.Ordinal);
        Assert.Contains(fixture.Notices,
            notice => notice.Contains("HTTP 413", StringComparison.Ordinal) && notice.Contains("stays in the journal", StringComparison.Ordinal));
        Assert.Equal((true, 0), (stored.IsComplete, stored.ExitCode));
        Assert.Empty(fixture.Server.State.Problems);
    }

    [Fact]
    public async Task Bodies_are_compressed_when_the_user_and_the_server_want_it()
    {
        await using var fixture = await StartAsync();
        fixture.Server.State.Features.Add("FILESTREAM_GZIP");
        await RunAsync(fixture.Settings with { Gzip = true }, run => SyncTests.LogRows(run, 3));
        await RunAsync(fixture.Settings, run => SyncTests.LogRows(run, 3));

        var isGzip = fixture.Server.Of("file_stream").Select(request => request.Headers.ContainsKey("content-encoding")).ToArray();
        Assert.Contains(true, isGzip);
        Assert.False(isGzip[^1]);
        Assert.Equal([3, 3], fixture.Server.State.Runs.Values.Select(run => run.History.Count));
    }
}
