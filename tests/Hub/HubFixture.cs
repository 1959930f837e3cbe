using NotebookLib.FakeHub;
using NotebookLib.Hub;

namespace NotebookLib.Tests.Hub;

/// <summary>A fake Hub, an empty cache and settings that lead to both; everything that was said is kept.</summary>
internal sealed class HubFixture : IAsyncDisposable, IHubObserver
{
    private HubFixture(FakeHubServer server) => Server = server;

    public FakeHubServer Server { get; }

    public string Home { get; } = Directory.CreateTempSubdirectory("hub-").FullName;

    public List<string> Notices { get; } = [];

    public List<HubProgress> Progress { get; } = [];

    public HubSettings Settings => new()
    {
        Endpoint = Server.Url,
        HomeFolder = Home,
        Token = HubSettings.TokenOf(FakeHubServer.Token),
        RetrySeconds = 0.01,
        Tries = 3,
    };

    public HubRepo Repo { get; } = new("org/model");

    public static async Task<HubFixture> StartAsync() => new(await FakeHubServer.StartAsync());

    public HubClient Client(HubSettings? settings = null) => new(settings ?? Settings, this);

    /// <summary>Fetches with a client of its own, whose later calls know nothing of earlier ones but the cache.</summary>
    public async Task<HubFile> DownloadAsync(string file = "model.bin", string revision = "main", HubSettings? settings = null,
        CancellationTokenSource? stop = null)
    {
        using var client = Client(settings);
        return await client.DownloadAsync(Repo, file, revision, stop?.Token ?? default);
    }

    public async Task<HubFile?> TryDownloadAsync(string file, string revision = "main")
    {
        using var client = Client();
        return await client.TryDownloadAsync(Repo, file, revision);
    }

    public async Task<IReadOnlyList<HubEntry>> ListAsync(HubSettings? settings = null)
    {
        using var client = Client(settings);
        return await client.ListAsync(Repo);
    }

    public Task<string> FetchModelAsync(string name = "org/model", HubSettings? settings = null) => HubModels.FetchAsync(name, this, settings ?? Settings);

    public Task<HubPushed> PushAsync(string folder, string repository = "org/tuned", HubPushOptions? options = null, HubSettings? settings = null)
        => HubPush.FolderAsync(folder, repository, options, this, settings ?? Settings);

    public string InCache(params string[] parts) => Path.Combine([Home, "hub", .. parts]);

    /// <summary>Bytes that no two files share.</summary>
    public static byte[] Bytes(int count, int seed = 1)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Requests that fetched content.</summary>
    public IReadOnlyList<FakeRequest> Downloads =>
        [.. Server.Requests.Where(request => request.Method == "GET" && (request.IsStorage || !request.Target.Contains("/api/", StringComparison.Ordinal)))];

    /// <summary>Lets one kind of request fail the first so many times.</summary>
    public void Fail(int times, Func<FakeRequest, bool> which, FakeFault fault)
    {
        var left = times;
        Server.Fault = request => which(request) && Interlocked.Decrement(ref left) >= 0 ? fault : null;
    }

    public async Task<HubException> RefusalAsync(string file = "model.bin", string revision = "main", HubSettings? settings = null)
        => await Assert.ThrowsAsync<HubException>(() => DownloadAsync(file, revision, settings));

    public void Progressed(HubProgress progress)
    {
        lock (Progress)
        {
            Progress.Add(progress);
        }
    }

    public void Noticed(string message)
    {
        lock (Notices)
        {
            Notices.Add(message);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        Directory.Delete(Home, recursive: true);
    }
}
