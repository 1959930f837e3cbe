using System.Text.Json.Nodes;
using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tracking;

namespace NotebookLib.Tests.Tracking;

/// <summary>A fake server, a folder and settings that lead to both; everything that was said is kept.</summary>
internal sealed class TrackingFixture : IAsyncDisposable
{
    private TrackingFixture(FakeWandbServer server) => Server = server;

    public FakeWandbServer Server { get; }

    public string Folder { get; } = Directory.CreateTempSubdirectory("tracking-").FullName;

    public List<string> Notices { get; } = [];

    public TrackingSettings Settings => SettingsFor(Server, Folder) with
    {
        Notice = text =>
        {
            lock (Notices)
            {
                Notices.Add(text);
            }
        },
    };

    public TrackingSettings Offline => Settings with { Mode = TrackingMode.Offline };

    /// <summary>Settings that lead to a server and keep what is said to themselves.</summary>
    public static TrackingSettings SettingsFor(FakeWandbServer server, string folder) => new()
    {
        Mode = TrackingMode.Online,
        Key = TrackingSettings.KeyOf(FakeWandbServer.Key),
        BaseUrl = server.Url,
        Project = "demo-project",
        Directory = folder,
        SystemMetricsSeconds = 0,
        SendSeconds = 0.05,
        FinishSeconds = 30,
        Notice = _ => { },
    };

    public static async Task<TrackingFixture> StartAsync() => new(await FakeWandbServer.StartAsync());

    public static Dictionary<string, object?> Row(params (string Key, object? Value)[] values) => values.ToDictionary(pair => pair.Key, pair => pair.Value);

    /// <summary>Logs and finishes a run.</summary>
    public static async Task<TrackedRun> RunAsync(TrackingSettings settings, Action<TrackedRun> work, int exitCode = 0, TimeProvider? clock = null)
    {
        var run = TrackedRun.Start(settings, clock: clock);
        work(run);
        await run.FinishAsync(exitCode);
        await run.DisposeAsync();
        return run;
    }

    /// <summary>A row or a summary, as text that can be compared: without what the clock decides, in the order of its keys.</summary>
    public static string Comparable(string line)
    {
        var row = (JsonObject)JsonNode.Parse(line)!;
        foreach (var key in row.Select(member => member.Key).ToArray())
        {
            if (key is "_timestamp" or "_runtime" or "_wandb" || key.Contains("_per_second", StringComparison.Ordinal)
                || key.EndsWith("runtime", StringComparison.Ordinal))
            {
                row.Remove(key);
            }
        }

        return string.Join(' ', row.OrderBy(member => member.Key, StringComparer.Ordinal).Select(member => $"{member.Key}={member.Value?.ToJsonString()}"));
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }
}
