using System.Text;
using NotebookLib.FakeHub;
using NotebookLib.Hub;
using NotebookLib.Tests.Data;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>Readers of what the Hub answers.</summary>
internal static class HubTargets
{
    private const string Tree = "tree.json", Headers = "headers.txt", Index = "index.json", Error = "error.json";
    private static readonly Lazy<FakeHubServer> s_server = new(() => Task.Run(StartAsync).GetAwaiter().GetResult());

    public static IEnumerable<FuzzTarget> All =>
    [
        Target("hub-list", [Tree], async (client, _, cancel) => await client.ListAsync(new("org/model"), cancel: cancel)),
        Target("hub-file", [Headers, Error], async (client, _, cancel) => await client.TryDownloadAsync(new("org/model"), "config.json", cancel: cancel)),
        Target("hub-large-file", [Headers], async (client, _, cancel) => await client.DownloadAsync(new("org/model"), "a.safetensors", cancel: cancel)),
        Target("hub-model", [Index, Headers], async (_, settings, cancel) => await HubModels.FetchAsync("org/model", null, settings, cancel: cancel)),
        Target("hub-dataset", [Tree, Headers], async (_, settings, cancel) => await HubDatasets.FetchAsync("org/data", null, settings, cancel: cancel)),
    ];

    private static FuzzTarget Target(string name, string[] spoiled, Func<HubClient, HubSettings, CancellationToken, Task> read) => new(
        name,
        () => [Sound(spoiled)],
        async (folder, cancel) =>
        {
            using var home = new TemporaryFolder();
            var settings = new HubSettings { Endpoint = s_server.Value.Url, HomeFolder = home.Root, RetrySeconds = 0.001, Tries = 2, RequestSeconds = 2 };
            if (spoiled.Contains(Index))
            {
                var index = await File.ReadAllTextAsync(Path.Combine(folder, Index), cancel);
                s_server.Value.Repo("org/model").Commit(("model.safetensors.index.json", FakeFile.Text(index)));
            }

            s_server.Value.Fault = request => FaultOf(request, folder, spoiled);
            using var client = new HubClient(settings);
            await read(client, settings, cancel);
        })
    {
        // In a name of the Hub, or in that of a folder of its cache.
        NamesFile = false,
        Address = "org",
    };

    private static SoundInput Sound(string[] spoiled) => new(
        new Dictionary<string, byte[]>
        {
            [Tree] = Encoding.UTF8.GetBytes("""
                [{"type":"directory","oid":"1111111111111111111111111111111111111111","size":0,"path":"data"},
                {"type":"file","oid":"2222222222222222222222222222222222222222","size":9,"path":"data/train-00000-of-00001.jsonl"},
                {"type":"file","oid":"3333333333333333333333333333333333333333","size":9,"path":"data/test.jsonl",
                "lfs":{"oid":"4444444444444444444444444444444444444444444444444444444444444444","size":9,"pointerSize":134}}]
                """),
            [Index] = """{"metadata":{"total_size":2},"weight_map":{"x":"a.safetensors","y":"b.safetensors"}}"""u8.ToArray(),
            [Error] = """{"error":"Entry not found"}"""u8.ToArray(),
            [Headers] = Encoding.UTF8.GetBytes($"X-Repo-Commit: {new string('c', 40)}\nX-Linked-Size: 1\nContent-Type: application/json\n"
                + "Link: <https://huggingface.co/api/models/org/model/tree/main?cursor=x>; rel=\"next\"\nX-Linked-Etag: \"ab\"\nETag: \"ab\"\nRetry-After: 1\n"
                + "X-Error-Code: EntryNotFound\nX-Error-Message: no such entry\nLocation: /elsewhere\nContent-Range: bytes 0-0/1\n"),
        },
        spoiled);

    private static async Task<FakeHubServer> StartAsync()
    {
        var server = await FakeHubServer.StartAsync();
        server.Repo("org/model").Commit(
            ("config.json", FakeFile.Text("{}")), ("a.safetensors", FakeFile.Text("a", isLarge: true)), ("b.safetensors", FakeFile.Text("b", isLarge: true)),
            ("model.safetensors.index.json", FakeFile.Text("{}")), ("spm.model", FakeFile.Text("s")));
        server.Repo("org/data", "datasets").Commit(
            ("data/train-00000-of-00001.jsonl", FakeFile.Text("{\"a\":1}\n")), ("data/test.jsonl", FakeFile.Text("{}\n", isLarge: true)));
        return server;
    }

    /// <summary>Puts what a folder holds into an answer: a body, or one header of those that the spoiled list still spells.</summary>
    private static FakeFault? FaultOf(FakeRequest request, string folder, string[] spoiled)
    {
        string? Body(string name) => spoiled.Contains(name) ? Encoding.UTF8.GetString(File.ReadAllBytes(Path.Combine(folder, name))) : null;
        if (request.Target.Contains("/tree/", StringComparison.Ordinal) && Body(Tree) is { } tree)
        {
            return new() { Body = tree };
        }

        if (request.Method == "GET" && Body(Error) is { } error && error != """{"error":"Entry not found"}""")
        {
            return new() { Status = 404, Error = ("EntryNotFound", error.Replace('\n', ' ').Replace('\r', ' ')) };
        }

        if (Body(Headers) is not { } headers)
        {
            return null;
        }

        // Only what differs from the sound list is sent, in Latin-1 without line ends, as a server can.
        var sound = Encoding.UTF8.GetString(Sound(spoiled).Files[Headers]).Split('\n');
        var changed = headers.Split('\n').Except(sound, StringComparer.Ordinal).Select(line => line.Split(": ", 2)).Where(pair => pair.Length == 2)
            .Where(pair => pair[0].Length > 0 && pair[0].All(character => char.IsAsciiLetter(character) || character == '-') && pair[0] != "Content-Type")
            .Select(pair => (Name: pair[0], Value: string.Concat(pair[1].Where(character => character is >= ' ' and < (char)127))))
            .DistinctBy(pair => pair.Name, StringComparer.OrdinalIgnoreCase).ToDictionary(pair => pair.Name, pair => pair.Value);
        return changed.Count == 0 ? null : new() { Headers = changed };
    }
}
