using System.Text;
using NotebookLib.Hub;
using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

/// <summary>
/// The key is in the Authorization header of the API's calls, and nowhere else; the Hub's token is nowhere: not in the folder, what was said, exceptions,
/// addresses, bodies or other headers.
/// </summary>
public sealed class SecretTests
{
    private const string Key = FakeWandbServer.Key;
    private const string Token = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz";
    private static readonly string InHeader = Convert.ToBase64String(Encoding.ASCII.GetBytes("api:" + Key));

    [Theory]
    [InlineData(TrackingMode.Online)]
    [InlineData(TrackingMode.Offline)]
    public async Task A_user_who_types_the_key_everywhere_finds_it_nowhere(TrackingMode mode)
    {
        await using var fixture = await StartAsync();
        var printed = new StringWriter();
        var (before, error) = (Console.Out, Console.Error);
        Console.SetOut(printed);
        Console.SetError(printed);
        TrackedRun run;
        try
        {
            run = TrackedRun.Start(
                fixture.Settings with
                {
                    Mode = mode,
                    Name = "n" + Key,
                    Notes = Key,
                    Group = InHeader,
                    Tags = [Key],
                    JobType = Key,
                    SystemMetricsSeconds = 0.1,
                    HubToken = HubSettings.TokenOf(Token),
                },
                Row(("key", Key), (Key, InHeader), ("token", Token)));
            Say(run, fixture.Folder);
            await run.FailAsync(new InvalidOperationException($"with {Token}, {Key} and Basic {InHeader}"), TestContext.Current.CancellationToken);
            await run.DisposeAsync();
            await RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: TestContext.Current.CancellationToken);
        }
        finally
        {
            Console.SetOut(before);
            Console.SetError(error);
        }

        Assert.True(fixture.Server.State.Run(run.RunId).IsComplete);
        AssertAbsent("printed", printed.ToString());
        AssertAbsent("status", run.Status().ToString());
        Assert.All(fixture.Notices, notice => AssertAbsent("notice", notice));
        Assert.All(Directory.EnumerateFiles(Path.Combine(fixture.Folder, "wandb"), "*", SearchOption.AllDirectories), file =>
        {
            AssertAbsent(file, file);
            AssertAbsent(file, Encoding.Latin1.GetString(File.ReadAllBytes(file)));
        });
        Assert.All(fixture.Server.Requests, request =>
        {
            AssertAbsent("address", request.Target);
            AssertAbsent(request.Operation, Encoding.Latin1.GetString(request.Body));
            Assert.All(request.Headers.Where(header => header.Key != "authorization"), header => AssertAbsent(header.Key, header.Value));
        });
    }

    [Fact]
    public async Task A_server_that_repeats_the_key_is_not_quoted()
    {
        await using var fixture = await StartAsync();
        fixture.Server.Fault = request => new FakeFault(400, Body: $"{{\"errors\":[{{\"message\":\"{Key} {request.Headers["authorization"]}\"}}]}}");

        var run = await RunAsync(fixture.Settings, run => SyncTests.LogRows(run, 1));
        var fault = await Assert.ThrowsAsync<TrackingException>(() =>
            RunSync.SyncAsync(run.Folder!, fixture.Settings, cancel: TestContext.Current.CancellationToken));

        AssertAbsent("exception", fault.ToString());
        AssertAbsent("remark", run.Status().Remark!);
        Assert.Contains("<WANDB_API_KEY>", fault.Message, StringComparison.Ordinal);
    }

    private static void Say(TrackedRun run, string folder)
    {
        run.Log(Row(("text", "before " + Key), ("nested", Row((Key, new[] { Key, InHeader })))));
        run.Log(Row(("part", Key)), atStep: 5);
        run.Log(Row(("table", new TrackedTable([Key], [[Key]])), ("chart", new PlotlyFigure($"{{\"data\":[],\"layout\":{{\"title\":\"{Key}\"}}}}"))));
        run.Log(Row(("long", Key + new string('x', 11 << 20))));
        run.SetSummary(Row(("best", Key), ("token", Token)));
        run.DefineMetric(Key, stepMetric: InHeader);
        run.LogOutput("export WANDB_API_KEY=" + Key);
        run.LogOutput("HF_TOKEN=" + Token);
        run.LogOutput("Authorization: Basic " + InHeader, isError: true);
        var file = Path.Combine(folder, "notebook.dib");
        File.WriteAllText(file, $"var key = \"{Key}\"; // {InHeader} {Token}");
        run.SaveFile(file);
        run.LogArtifact(new TrackedArtifact
        {
            Name = "model",
            Type = "model",
            Description = Key,
            Aliases = [Key],
            Metadata = Row(("key", Key)),
            Files = new Dictionary<string, string> { ["a.txt"] = WriteOther(folder) },
        });
    }

    // What is inside an artifact's files is the user's; the tracker copies models byte by byte.
    private static string WriteOther(string folder)
    {
        var path = Path.Combine(folder, "a.txt");
        File.WriteAllText(path, "weights");
        return path;
    }

    private static void AssertAbsent(string place, string text)
    {
        Assert.False(text.Contains(Key, StringComparison.Ordinal), $"{place} holds the key");
        Assert.False(text.Contains(Token, StringComparison.Ordinal), $"{place} holds the token");
        Assert.False(text.Contains(InHeader, StringComparison.Ordinal), $"{place} holds the header");
    }
}
