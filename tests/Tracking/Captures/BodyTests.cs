using System.Text.Json.Nodes;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>The bodies themselves: the variables and members of wandb 0.31.0, no more and no fewer.</summary>
public sealed class BodyTests
{
    [Fact]
    public async Task Calls_have_the_variables_of_the_client()
    {
        var (fixture, captures) = await BothAsync("031-a-simple", "031-c-artifact");
        await using var server = fixture;
        string[] operations = ["UpsertBucket", "CreateRunFiles", "CreateArtifact", "CreateArtifactManifest", "CreateArtifactFiles", "CommitArtifact"];
        foreach (var operation in operations)
        {
            var theirs = captures.SelectMany(capture => capture.Of(operation)).Select(exchange => Shape(exchange.Variables)).ToHashSet();
            Assert.All(fixture.Server.Of(operation).Select(request => Shape(request.Variables)), shape => Assert.Contains(shape, theirs));
        }
    }

    [Fact]
    public async Task What_is_not_set_is_null_as_theirs()
    {
        var capture = Capture.Read("031-a-simple");
        var captured = CapturedServer.Replay(capture);
        await using var fixture = await StartAsync();
        var settings = new ReplayedRun(captured, captured.Runs.Values.Single(), fixture.Folder).Name(fixture.Settings) with { RunId = null };
        await RunAsync(settings, run =>
        {
            Assert.True(SpinWait.SpinUntil(() => fixture.Server.Of("UpsertBucket").Count > 0, TimeSpan.FromSeconds(30)));
            run.LogConfig(Row(("later", 5)));
        });

        var (theirs, ours) = (capture.Of("UpsertBucket"), fixture.Server.Of("UpsertBucket"));
        Assert.Equal(Nulls(theirs[0].Variables), Nulls(ours[0].Variables));
        Assert.Equal(Nulls(theirs[^1].Variables), Nulls(ours[^1].Variables));

        static IEnumerable<string> Nulls(JsonObject variables) => variables.Where(pair => pair.Value is null).Select(pair => pair.Key);
    }

    [Fact]
    public async Task The_stream_has_the_members_of_the_client()
    {
        var (fixture, captures) = await BothAsync("031-a-simple");
        await using var server = fixture;
        var theirs = captures[0].Of("file_stream").SelectMany(exchange => exchange.Json.Select(member => member.Key)).ToHashSet();
        var ours = fixture.Server.Of("file_stream").Select(request => request.Json).ToArray();

        Assert.All(ours.SelectMany(body => body.Select(member => member.Key)), key => Assert.Contains(key, theirs));
        Assert.All(ours.SelectMany(body => body["files"] as JsonObject ?? []),
            chunk => Assert.Equal(["offset", "content"], chunk.Value!.AsObject().Select(member => member.Key)));
        Assert.Equal("true", ours[^1]["complete"]!.ToJsonString());
        Assert.All(ours[..^1], body => Assert.False(body.ContainsKey("complete")));
    }

    [Fact]
    public async Task System_metrics_have_the_clients_names()
    {
        var theirs = CapturedServer.Replay(Capture.Read("031-h-cadence")).Runs.Values.Single().Events.SelectMany(Names).ToHashSet();
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Settings with { SystemMetricsSeconds = 0.1 }, _ => Thread.Sleep(500));

        var ours = fixture.Server.State.Run(run.RunId).Events.SelectMany(Names).ToHashSet();
        // Theirs name each disk's device; ours counts this process's bytes.
        Assert.DoesNotContain(ours.Except(theirs).Except(["system.proc.disk.in", "system.proc.disk.out"]),
            name => !name.StartsWith("system.gpu.", StringComparison.Ordinal));
        Assert.Empty(theirs.Except(ours).Except(["system.disk.vda.in", "system.disk.vda.out", "system.network.tcpRetransmits"]));
    }

    private static IEnumerable<string> Names(string line) => JsonNode.Parse(line)!.AsObject().Select(member => member.Key);

    private static async Task<(TrackingFixture Fixture, Capture[] Captures)> BothAsync(params string[] names)
    {
        Capture[] captures = [.. names.Select(Capture.Read)];
        var fixture = await StartAsync();
        foreach (var capture in captures)
        {
            var captured = CapturedServer.Replay(capture);
            var replay = new ReplayedRun(captured, captured.Runs.Values.Single(), Path.Combine(fixture.Folder, "files"));
            await RunAsync(replay.Name(fixture.Settings) with { RunId = null }, run => replay.Log(run));
        }

        return (fixture, captures);
    }

    /// <summary>Names of all variables, those of lists' items once.</summary>
    private static string Shape(JsonNode? node) => node switch
    {
        JsonObject members =>
            "{" + string.Join(",", members.OrderBy(member => member.Key, StringComparer.Ordinal).Select(member => member.Key + Shape(member.Value))) + "}",
        JsonArray items => "[" + string.Join("|", items.Select(Shape).Distinct()) + "]",
        _ => "",
    };
}
