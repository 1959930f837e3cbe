using System.Diagnostics;
using NotebookLib.FakeHub;
using NotebookLib.Tests.Inference;
using NotebookLib.Tests.Runner;

namespace NotebookLib.Tests.Hub;

/// <summary>A trained model that is asked for by its name on the Hub.</summary>
[StartsProcesses]
public sealed class TaggerByNameTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("by-name-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task It_annotates_as_its_folder_does_also_when_the_Hub_is_gone()
    {
        var (model, texts) = (Path.Combine(_folder, "trained"), Path.Combine(_folder, "texts.txt"));
        TrainedFolder.Save(model);
        await File.WriteAllTextAsync(texts, "Marie Curie was in Warsaw.\nParis\n", TestContext.Current.CancellationToken);
        string byName;
        await using (var server = await FakeHubServer.StartAsync())
        {
            server.Repo("org/tagger").Commit(Directory.EnumerateFiles(model)
                .Select(file => (Path.GetFileName(file), new FakeFile(file, isLarge: Path.GetExtension(file) == ".safetensors"))));
            byName = await AnnotateAsync("org/tagger", texts, "name.jsonl", ("HF_ENDPOINT", server.Url));
            Assert.Empty(server.Problems);
            Assert.Contains(server.Requests, request => request.IsStorage);
        }

        Assert.Contains("Marie Curie", byName, StringComparison.Ordinal);
        Assert.Equal(await AnnotateAsync(model, texts, "folder.jsonl"), byName);
        Assert.Equal(byName, await AnnotateAsync("org/tagger", texts, "again.jsonl", ("HF_HUB_OFFLINE", "1")));
    }

    private async Task<string> AnnotateAsync(string model, string texts, string output, params (string Name, string Value)[] environment)
    {
        var path = Path.Combine(_folder, output);
        var start = RunnerProcess.HowToStart(["annotate", model, texts, "-o", path]);
        foreach (var (name, value) in environment.Append(("HF_HOME", Path.Combine(_folder, "home"))))
        {
            start.Environment[name] = value;
        }

        var (exitCode, _, error) = await RunnerProcess.FinishAsync(Process.Start(start)!);
        Assert.True(exitCode == 0, error);
        return await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);
    }
}
