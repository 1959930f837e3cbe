using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tracking;

namespace NotebookLib.Tests.Tracking.Storm;

/// <summary>
/// A demo training in a process of its own goes through a storm: 429 with Retry-After, server errors, connections that break in the middle of a body,
/// time-outs, a restart of the server, ten minutes of outage (a second and a half: the run's clock is faster), SIGKILL; then sync, a resume in the same storm,
/// and sync again.
/// <code>
/// dotnet build tests &amp;&amp; ./bin/tests/NotebookLib.Tests -trait category=storm -showliveoutput
/// </code>
/// </summary>
[Trait("category", "storm")]
[StartsProcesses]
public sealed class StormTests(ITestOutputHelper output)
{
    private const int Updates = 180;

    [Fact]
    public async Task Every_row_arrives_once_in_order_with_its_values_and_every_model_whole()
    {
        await using var server = await FakeWandbServer.StartAsync();
        var folder = Directory.CreateTempSubdirectory("storm-").FullName;
        var weather = new StormWeather(seed: 7);
        (server.Fault, server.Cut) = (weather.Fault, weather.Cut);
        server.State.MaySupersede = true;

        await TrainUntilKilledAsync(server, folder);
        var (killed, first) = (ReadTruth(folder), await SyncAsync(server, folder));
        Assert.Null(first.ExitCode);
        Assert.True(first.RowsSent > 0, "the kill left nothing to send");
        AssertArrived(server, folder, killed, exitCode: 1);

        using (var trainer = StartTrainer(server.Url, folder))
        {
            var said = trainer.StandardOutput.ReadToEndAsync(Cancel);
            await trainer.WaitForExitAsync(Cancel);
            Assert.True(trainer.ExitCode == 0, await said);
        }

        var all = ReadTruth(folder);
        var second = await SyncAsync(server, folder);
        // Updates behind the checkpoint were made twice: the resumed run's count.
        var resumed = all[killed.Length..];
        var before = Array.FindIndex(killed, row => row.Update == resumed[0].Update);
        AssertArrived(server, folder, [.. killed[..(before < 0 ? killed.Length : before)], .. resumed], exitCode: 0);
        Assert.Equal(Enumerable.Range(1, Updates).Select(update => Invariant($"{update}")), RowsOf(server).Select(row => row.Update));
        AssertModels(server, folder);
        (server.Fault, server.Cut) = (_ => null, () => false);
        Assert.False((await SyncAsync(server, folder)).HasSent);

        output.WriteLine($"{server.Requests.Count} requests arrived; failures: "
            + $"{string.Join(", ", weather.Counts.Select(pair => $"{pair.Value} × {pair.Key}"))}");
        output.WriteLine($"{killed.Length} rows before the kill, {all.Length - killed.Length} after the resume; "
            + $"the syncs sent {first.RowsSent} and {second.RowsSent} rows, "
            + $"{first.ArtifactsSent} and {second.ArtifactsSent} artifacts; {server.State.Run("storm").History.Count} rows on the server");
        Directory.Delete(folder, recursive: true);
    }

    private static async Task TrainUntilKilledAsync(FakeWandbServer server, string folder)
    {
        using var trainer = StartTrainer(server.Url, folder);
        var said = trainer.StandardOutput.ReadToEndAsync(Cancel);
        await RowsAsync(folder, 15, trainer);
        await server.DownAsync();
        await server.UpAsync();
        await RowsAsync(folder, 30, trainer);
        await server.DownAsync();
        await Task.Delay(TimeSpan.FromMinutes(10) / StormTrainer.Faster, Cancel);
        await server.UpAsync();
        await RowsAsync(folder, ReadTruth(folder).Length + 10, trainer);
        // Once more, so that the kill finds rows that are nowhere but in the journal.
        await server.DownAsync();
        await RowsAsync(folder, ReadTruth(folder).Length + 10, trainer);
        trainer.Kill();
        await trainer.WaitForExitAsync(Cancel);
        await server.UpAsync();
        await said;
    }

    /// <summary>This program once more, to run <see cref="StormTrainer.Train"/> alone.</summary>
    private static Process StartTrainer(string url, string folder)
    {
        var start = new ProcessStartInfo("dotnet",
            [typeof(StormTests).Assembly.Location, "-explicit", "only", "-method", $"{typeof(StormTrainer).FullName}.{nameof(StormTrainer.Train)}"])
        {
            RedirectStandardOutput = true,
        };
        start.Environment[StormTrainer.UrlVariable] = url;
        start.Environment[StormTrainer.FolderVariable] = folder;
        start.Environment[StormTrainer.UpdatesVariable] = Updates.ToString(CultureInfo.InvariantCulture);
        // The kernels would wait for cores that the other tests have.
        start.Environment["OMP_NUM_THREADS"] = "1";
        return Process.Start(start)!;
    }

    private static async Task RowsAsync(string folder, int count, Process trainer)
    {
        while (ReadTruth(folder).Length < count)
        {
            Assert.False(trainer.HasExited, "the training ended before its time");
            await Task.Delay(20, Cancel);
        }
    }

    private static async Task<SyncSummary> SyncAsync(FakeWandbServer server, string folder)
        => await RunSync.SyncAsync(RunSync.FindRuns(folder).Single(), StormTrainer.Settings(server.Url, folder) with { Notice = _ => { } },
            new ScaledClock(StormTrainer.Faster), Cancel);

    private static (string Update, string Loss, string Norm)[] ReadTruth(string folder)
    {
        var path = Path.Combine(folder, StormTrainer.TruthFile);
        if (!File.Exists(path))
        {
            return [];
        }

        using var file = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return [.. file.ReadToEnd().Split('\n')[..^1].Select(line => line.Split(' ')).Select(words => (words[0], words[1], words[2]))];
    }

    private static void AssertArrived(FakeWandbServer server, string folder, (string Update, string Loss, string Norm)[] truth, int exitCode)
    {
        var stored = server.State.Run("storm");
        Assert.Empty(server.State.Problems);
        Assert.Equal((true, exitCode), (stored.IsComplete, stored.ExitCode));
        List<StreamLine> journal = [];
        var replay = RunReplay.Read(Path.Combine(RunSync.FindRuns(folder).Single(), RunFolder.JournalName),
            line => journal.AddRange(line.Kind is StreamKind.History ? [line] : []));
        Assert.Equal(journal.Where(line => !replay.IsSuperseded(line)).Select(line => line.Json), stored.History);
        Assert.Equal(Enumerable.Range(0, stored.History.Count), stored.History.Select(line => (int)JsonNode.Parse(line)!["_step"]!));

        var rows = RowsOf(server);
        // The kill may have come between the tracker's line and the truth's.
        Assert.InRange(rows.Length - truth.Length, 0, 1);
        Assert.Equal(truth, rows[..truth.Length]);
    }

    private static (string Update, string Loss, string Norm)[] RowsOf(FakeWandbServer server)
        => [.. server.State.Run("storm").History.Select(line => JsonNode.Parse(line)!.AsObject()).Where(row => row.ContainsKey("train/loss"))
            .Select(row => (row["train/global_step"]!.ToJsonString(), Number(row["train/loss"]), Number(row["train/grad_norm"])))];

    private static string Number(JsonNode? number) => number!.GetValue<double>().ToString("R", CultureInfo.InvariantCulture);

    private static void AssertModels(FakeWandbServer server, string folder)
    {
        Assert.NotEmpty(server.State.Artifacts);
        Assert.All(server.State.Artifacts, artifact =>
        {
            Assert.True(artifact.IsCommitted, $"{artifact.Collection} v{artifact.Version}");
            Assert.Equal(artifact.Digest, ArtifactUploader.DigestOf(artifact.Digests.Select(file => new ArtifactEntry(file.Key, file.Value, 0, ""))));
        });
        var model = server.State.Artifacts.Single(artifact => artifact.Collection == "model-storm");
        Assert.Equal(["best", "latest"], model.Aliases.Order());
        foreach (var file in Directory.EnumerateFiles(Path.Combine(folder, "model", "best")))
        {
            Assert.Equal(File.ReadAllBytes(file), FileOf(server, model, Path.GetFileName(file)));
        }
    }

    /// <summary>A file that an older version of the same collection has is not sent again.</summary>
    private static byte[] FileOf(FakeWandbServer server, FakeArtifact artifact, string name)
        => server.State.Artifacts.First(other => other.Collection == artifact.Collection && other.Digests.GetValueOrDefault(name) == artifact.Digests[name]
            && other.Files.ContainsKey(name)).Files[name];

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
}
