using System.Diagnostics;
using System.Text.Json.Nodes;
using NotebookLib.FakeHub;
using NotebookLib.Hub;
using NotebookLib.Inference;
using NotebookLib.Model;
using NotebookLib.Tests.Runner;

namespace NotebookLib.Tests.Hub.Rehearsal;

/// <summary>
/// The profiles that need the Hub, from an empty cache to the end, through the runner and against a Hub on loopback that misbehaves. Minutes each, so only on
/// request:
/// <code>
/// dotnet build tests &amp;&amp; ./bin/tests/NotebookLib.Tests -explicit only -trait category=rehearsal -showliveoutput
/// </code>
/// </summary>
[Trait("category", "rehearsal")]
public sealed class RehearsalTests(ITestOutputHelper output) : IDisposable
{
    private const string Pushed = "tester/ner-rehearsal";

    private readonly string _folder = Directory.CreateTempSubdirectory("rehearsal-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact(Explicit = true)]
    public async Task Small_downloads_is_killed_resumes_through_faults_trains_publishes_and_reads_back_equal_logits()
    {
        await using var server = await FakeHubServer.StartAsync();
        var hub = new RehearsalHub(server, _folder);
        hub.AddPretrained();
        hub.AddData((2_000, 200, 400));

        // 20 MB/s, so that the kill comes half-way through the 141 MB.
        server.Fault = request => request is { IsStorage: true, Method: "GET" } ? new FakeFault { BytesPerSecond = 20_000_000 } : null;
        await KillHalfwayAsync(server);

        var faults = new Queue<FakeFault>(
        [
            new() { Status = 429, RetryAfter = "1" }, new() { Status = 503 }, new() { ResetAfterBytes = 30_000_000 }, new() { TruncateToBytes = 10_000_000 },
            new() { Reset = true },
        ]);
        server.Fault = request =>
        {
            lock (faults)
            {
                return request is { IsStorage: true, Method: "GET" } && faults.TryDequeue(out var fault) ? fault : null;
            }
        };
        var (exitCode, _, error) = await RunnerProcess.FinishAsync(Run(server, "small",
            "updates=6", "trainRows=256", "batchSize=8", "accumulationSteps=1", "evaluateEvery=3", "saveEvery=3", "compare=false", "tracking=disabled",
            $"push={Pushed}"));

        Assert.True(exitCode == 0, error);
        Assert.Empty(faults);
        Assert.Empty(server.Problems);
        var resumed = server.Requests.Where(request => request.IsStorage && request["Range"] is { } range && range != "bytes=0-")
            .Select(request => request["Range"]).ToList();
        Assert.NotEmpty(resumed);
        Assert.DoesNotContain(server.Requests, request => request.IsStorage && request["Authorization"] is not null);
        Assert.DoesNotContain(FakeHubServer.Token,
            await File.ReadAllTextAsync(Path.Combine(_folder, "out", "ner_deberta_base_A.html"), TestContext.Current.CancellationToken),
            StringComparison.Ordinal);
        Assert.True(server.Find("models", Pushed)!.IsPrivate);
        Assert.Contains("README.md", server.At(Pushed));
        await AssertEqualLogitsAsync(server);
        output.WriteLine($"{server.Requests.Count} requests; resumed at {string.Join(", ", resumed)}; pushed {string.Join(", ", server.At(Pushed))}");
    }

    [Fact(Explicit = true)]
    public async Task Published_tests_a_model_of_base_size_on_a_split_of_the_real_size()
    {
        await using var server = await FakeHubServer.StartAsync();
        var hub = new RehearsalHub(server, _folder);
        hub.AddFineTuned();
        hub.AddData((10, 10, 16_454));
        var clock = Stopwatch.StartNew();

        var (exitCode, _, error) = await RunnerProcess.FinishAsync(Run(server, "published", "tracking=disabled"));

        Assert.True(exitCode == 0, error);
        Assert.Empty(server.Problems);
        var summary = JsonNode.Parse(await File.ReadAllTextAsync(Path.Combine(_folder, "out", "run.json"), TestContext.Current.CancellationToken))!;
        Assert.NotNull(summary["scores"]!["test F1"]);
        Assert.Null(summary["scores"]!["training seconds"]);
        Assert.DoesNotContain(server.Requests, request => request.Target.Contains("train_en", StringComparison.Ordinal));
        output.WriteLine(Invariant($"16,454 sentences, {clock.Elapsed.TotalSeconds:0} s in all"));
    }

    private async Task KillHalfwayAsync(FakeHubServer server)
    {
        using var runner = Run(server, "small");
        var cache = Path.Combine(_folder, "home");
        while (!Directory.Exists(cache)
            || !Directory.EnumerateFiles(cache, "*.incomplete", SearchOption.AllDirectories).Any(file => new FileInfo(file).Length > 40_000_000))
        {
            Assert.False(runner.HasExited, "the runner ended before its download was killed");
            await Task.Delay(50, TestContext.Current.CancellationToken);
        }

        runner.Kill(entireProcessTree: true);
        await runner.WaitForExitAsync(TestContext.Current.CancellationToken);
    }

    private Process Run(FakeHubServer server, string profile, params string[] parameters)
    {
        var start = RunnerProcess.HowToStart(
            ["run", Repository.PathOf("notebooks", "ner_deberta_base_A.dib"), "--profile", profile, "--output", Path.Combine(_folder, "out"),
            .. parameters.SelectMany(parameter => (string[])["-p", parameter])]);
        (start.Environment["HF_ENDPOINT"], start.Environment["HF_TOKEN"], start.Environment["HF_HOME"]) =
            (server.Url, FakeHubServer.Token, Path.Combine(_folder, "home"));
        return Process.Start(start)!;
    }

    private async Task AssertEqualLogitsAsync(FakeHubServer server)
    {
        var token = HubSettings.TokenOf(FakeHubServer.Token);
        var settings = new HubSettings { Endpoint = server.Url, HomeFolder = Path.Combine(_folder, "another-home"), Token = token };
        var fetched = await HubModels.FetchAsync(Pushed, settings: settings, cancel: TestContext.Current.CancellationToken);
        int[] ids = [1, 400, 500, 600, 700, 2];
        float[] Logits(string folder)
        {
            using var model = ModelFolder.Load(folder, new LoadOptions { IsStrict = true }).Model;
            return new ModelPieceScorer(model).Score([ids])[0];
        }

        Assert.Equal(Logits(Path.Combine(_folder, "out", "model")), Logits(fetched));
    }
}
