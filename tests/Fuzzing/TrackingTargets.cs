using System.IO.Hashing;
using System.Text;
using NotebookLib.Tests.Data;
using NotebookLib.Tests.Tracking;
using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tracking;
using NotebookLib.Tracking.TransactionLog;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>Readers of a run's journal and its state, and of what W&amp;B answers.</summary>
internal static class TrackingTargets
{
    private const string Url = "{URL}";
    private const string Replies = "replies";
    private static readonly Lazy<SoundInput> s_run = new(() => Task.Run(RecordAsync).GetAwaiter().GetResult());

    public static IEnumerable<FuzzTarget> All =>
    [
        Journal("journal", folder => _ = RunReplay.Read(Path.Combine(folder, RunFolder.JournalName), _ => { })),
        Journal("journal-log", folder => TransactionLogFile.Write(RunFolder.Open(folder))),
        Journal("journal-resume", Resume),
        new("journal-sync", () => [Spoiled(RunFolder.JournalName)], SyncAsync) { Mend = WithRightSums, Address = "http://127.0.0.1" },
        new("run-pointer", () => [new("tracked-run.json", """{"runId":"abc","folder":"wandb/offline-run-20260101_000000-abc"}"""u8.ToArray())],
            folder => _ = RunFolder.OfOutput(folder)),
        new("syncstate", () => [Spoiled("sync.json")], SyncAsync),
        new("wandb", () => [Spoiled([.. s_run.Value.Files.Keys.Where(name => name.StartsWith(Replies, StringComparison.Ordinal))])], SyncAsync)
        {
            NamesFile = false,
            Address = "http://127.0.0.1",
        },
        new("wandb-run", () => [Spoiled([.. s_run.Value.Files.Keys.Where(name => name.StartsWith(Replies, StringComparison.Ordinal))])], TrackAsync)
        {
            NamesFile = false,
            Address = "nothing may be thrown at a training",
        },
    ];

    private static FuzzTarget Journal(string name, Action<string> read) => new(name, () => [Spoiled(RunFolder.JournalName)], read) { Mend = WithRightSums };

    private static SoundInput Spoiled(params string[] names) => s_run.Value with { Spoiled = names };

    /// <summary>A run of every kind of line, synced once: its folder, and what the server answered.</summary>
    private static async Task<SoundInput> RecordAsync()
    {
        var replies = new Dictionary<string, byte[]>(StringComparer.Ordinal);
        await using var fixture = await TrackingFixture.StartAsync();
        fixture.Server.Rewrite = (request, answer) =>
        {
            lock (replies)
            {
                replies.TryAdd(Path.Combine(Replies, request.Operation + ".json"),
                    Encoding.UTF8.GetBytes(answer.Replace(fixture.Server.Url, Url, StringComparison.Ordinal)));
            }

            return answer;
        };
        var settings = fixture.Offline with { RunId = "abc", Resume = ResumeMode.Allow };
        var folder = "";
        for (var session = 0; session < 2; session++)
        {
            var run = await TrackingFixture.RunAsync(settings, run =>
            {
                run.LogConfig(TrackingFixture.Row(("lr", 0.001), ("name", "x")));
                run.DefineMetric("train/*", "train/global_step");
                SyncTests.LogRows(run, 3, from: 3 * session);
                run.LogOutput("one");
                run.Mark("checkpoint");
                SyncTests.LogRows(run, 2, from: 10);
                run.SetSummary(TrackingFixture.Row(("best", 0.5)));
                var file = Path.Combine(fixture.Folder, "a.txt");
                File.WriteAllText(file, "content");
                run.SaveFile(file);
                var weights = Directory.CreateDirectory(Path.Combine(fixture.Folder, "weights")).FullName;
                File.WriteAllText(Path.Combine(weights, "w.txt"), "weights");
                run.LogArtifact(TrackedArtifact.OfModel("model-x", weights));
            });
            folder = run.Folder!;
        }

        await RunSync.SyncAsync(folder, fixture.Settings);
        return new(SoundInput.Of(folder).Files.Concat(replies).ToDictionary(), []);
    }

    private static void Resume(string folder)
    {
        // The run's folder as it lies where a notebook's output is.
        using var temporary = new TemporaryFolder();
        var place = Path.Combine(temporary.Root, "wandb", "offline-run-20260101_000000-abc");
        Directory.CreateDirectory(Path.GetDirectoryName(place)!);
        Directory.Move(folder, place);
        var settings = new TrackingSettings
        {
            Mode = TrackingMode.Offline,
            Directory = temporary.Root,
            RunId = "abc",
            Resume = ResumeMode.Allow,
            SystemMetricsSeconds = 0,
            CaptureConsole = false,
            Notice = _ => { },
        };
        var run = TrackedRun.Start(settings);
        run.ReturnTo("checkpoint", isEarlier: false);
        SyncTests.LogRows(run, 2);
        run.FinishAsync().AsTask().GetAwaiter().GetResult();
    }

    private static async Task SyncAsync(string folder, CancellationToken cancel)
    {
        await using var server = await AnswersOfAsync(folder);
        await RunSync.SyncAsync(folder, Settings(server, folder), new ScaledClock(1_000), cancel);
    }

    /// <summary>A run that goes on while its server answers nonsense: nothing of it may reach the training.</summary>
    private static async Task TrackAsync(string folder, CancellationToken cancel)
    {
        await using var server = await AnswersOfAsync(folder);
        await using var run = TrackedRun.Start(Settings(server, folder), clock: new ScaledClock(1_000));
        SyncTests.LogRows(run, 3);
        await Task.Delay(20, cancel);
        SyncTests.LogRows(run, 3, from: 3);
        await run.FinishAsync(cancel: cancel);
    }

    private static TrackingSettings Settings(FakeWandbServer server, string folder) =>
        TrackingFixture.SettingsFor(server, folder) with { SendSeconds = 1, FinishSeconds = 600 };

    /// <summary>A server that answers what stands in a folder.</summary>
    private static async Task<FakeWandbServer> AnswersOfAsync(string folder)
    {
        var replies = s_run.Value.Files.Where(file => file.Key.StartsWith(Replies, StringComparison.Ordinal))
            .Select(file => (Name: file.Key, Sound: file.Value, Now: File.ReadAllBytes(Path.Combine(folder, file.Key))))
            .Where(reply => !reply.Now.AsSpan().SequenceEqual(reply.Sound))
            .ToDictionary(reply => Path.GetFileNameWithoutExtension(reply.Name), reply => Encoding.UTF8.GetString(reply.Now));
        var server = await FakeWandbServer.StartAsync();
        server.Rewrite = (request, answer) =>
            replies.TryGetValue(request.Operation, out var spoiled) ? spoiled.Replace(Url, server.Url, StringComparison.Ordinal) : answer;
        return server;
    }

    /// <summary>Lines of a journal with sums that fit what they say now.</summary>
    private static byte[] WithRightSums(string name, byte[] journal)
    {
        var lines = Encoding.Latin1.GetString(journal).Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            if (lines[i].Length > 9)
            {
                var content = lines[i][9..];
                lines[i] = $"{Crc32.HashToUInt32(Encoding.Latin1.GetBytes(content)):x8} {content}";
            }
        }

        return Encoding.Latin1.GetBytes(string.Join('\n', lines));
    }
}
