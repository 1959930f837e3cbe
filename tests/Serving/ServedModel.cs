extern alias runner;

using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using NotebookLib.Inference;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;
using runner::NotebookRunner.Serving;

namespace NotebookLib.Tests.Serving;

/// <summary>A network whose answer to a piece is its number's, and which computes only when it is let.</summary>
internal sealed class GatedScorer : IPieceScorer
{
    private readonly object _gate = new();
    private readonly ConcurrentQueue<int[][]> _calls = [];
    private int _turns;

    /// <summary>False: each call waits for <see cref="Let"/>.</summary>
    public bool IsOpen { get; set; } = true;

    /// <summary>Thrown by the next call.</summary>
    public Exception? Fault { get; set; }

    public IReadOnlyList<string> Labels { get; init; } = ["O", "B-X", "I-X", "B-Y", "I-Y"];

    /// <summary>What was scored, call by call.</summary>
    public IReadOnlyList<int[][]> Calls => [.. _calls];

    /// <summary>Waits until it has been called so often.</summary>
    public async Task UntilCalledAsync(int calls)
    {
        while (_calls.Count < calls)
        {
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    /// <summary>Lets calls compute.</summary>
    public void Let(int calls)
    {
        lock (_gate)
        {
            _turns += calls;
            Monitor.PulseAll(_gate);
        }
    }

    public IReadOnlyList<float[]> Score(IReadOnlyList<int[]> inputIds, CancellationToken cancellation = default)
    {
        _calls.Enqueue([.. inputIds]);
        if (!IsOpen)
        {
            lock (_gate)
            {
                while (_turns == 0)
                {
                    Monitor.Wait(_gate);
                }

                _turns--;
            }
        }

        var fault = Fault;
        Fault = null;
        return fault is null ? [.. inputIds.Select(ids => ids.SelectMany(LogitsOf).ToArray())] : throw fault;
    }

    private IEnumerable<float> LogitsOf(int id) => Labels.Select((_, label) => label == id % Labels.Count ? 1 + (id % 89 / 40f) : 0);
}

/// <summary>A server in the test's process, at a free port.</summary>
internal sealed class ServedModel : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _said = [];

    private ServedModel(IPieceScorer scorer, ServerSettings settings)
    {
        settings = settings with { Names = settings.Names.Count > 0 ? settings.Names : ["org/demo", "demo"] };
        Tagger = new(DebertaTokenizer.Load(SpmFile.TinyPath), scorer);
        Server = new(Tagger, settings, ServicePage.Create(Tagger, settings.Names[0], [], settings), _said.Enqueue);
    }

    public EntityTagger Tagger { get; }

    public InferenceServer Server { get; }

    public HttpClient Client { get; private set; } = null!;

    /// <summary>What the server told whoever runs it.</summary>
    public string Said => string.Join('\n', _said);

    public static async Task<ServedModel> StartAsync(IPieceScorer scorer, ServerSettings? settings = null)
    {
        var served = new ServedModel(scorer, settings ?? new());
        await served.Server.StartAsync();
        served.Client = new() { BaseAddress = served.Server.Address };
        return served;
    }

    public static string Request(string text, string strategy = "simple") =>
        new JsonObject { ["inputs"] = text, ["parameters"] = new JsonObject { ["aggregation_strategy"] = strategy } }.ToJsonString();

    public static string Request(IEnumerable<string> texts) =>
        new JsonObject { ["inputs"] = new JsonArray([.. texts.Select(text => (JsonNode)text)]) }.ToJsonString();

    public Task<HttpResponseMessage> PostAsync(string body, string path = "/", CancellationToken cancel = default) =>
        Client.PostAsync(path, new StringContent(body, System.Text.Encoding.UTF8, "application/json"), cancel);

    /// <summary>Asks, and expects a status.</summary>
    public async Task<string> AskAsync(string body, HttpStatusCode expected = HttpStatusCode.OK, string path = "/")
    {
        using var response = await PostAsync(body, path);
        var answer = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == expected, $"{(int)response.StatusCode}: {answer}");
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        return answer;
    }

    /// <summary>A number that /metrics tells, 0 where it does not.</summary>
    public async Task<double> MetricAsync(string name)
    {
        var line = (await Client.GetStringAsync("/metrics", TestContext.Current.CancellationToken)).Split('\n')
            .FirstOrDefault(line => line.StartsWith(name + " ", StringComparison.Ordinal));
        return line is null ? 0 : double.Parse(line[(name.Length + 1)..], CultureInfo.InvariantCulture);
    }

    public async Task UntilAsync(string metric, double value)
    {
        while (await MetricAsync(metric) < value)
        {
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        // A test that failed may have left it waiting.
        (Tagger.Scorer as GatedScorer)?.Let(1000);
        await Server.DisposeAsync();
    }
}
