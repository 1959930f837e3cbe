using NotebookLib.Tracking;

namespace NotebookLib.Tests.Tracking;

/// <summary>Console, cards, files.</summary>
public sealed class MachineTests
{
    [Theory]
    [InlineData("a\nb\n", "a|b")]
    [InlineData("a\r\nb", "a|b")]
    [InlineData("progress 1\rprogress 2\rprogress 3\n", "progress 3")]
    [InlineData("half", "half")]
    [InlineData("\n\n", "|")]
    [InlineData("", null)]
    public void Of_a_progress_bar_the_last_state_stays(string printed, string? expected)
    {
        List<string> found = [];
        using var lines = new LineTee(TextWriter.Null, found.Add);
        foreach (var c in printed)
        {
            lines.Write(c);
        }

        lines.End();
        Assert.Equal(expected, found.Count == 0 ? null : string.Join('|', found));
    }

    [Fact]
    public void A_line_without_end_is_cut()
    {
        List<string> found = [];
        using var lines = new LineTee(TextWriter.Null, found.Add);
        lines.Write(new string('x', 200_000));

        Assert.Equal([1 << 16, 1 << 16, 1 << 16], found.Select(line => line.Length));
    }

    [Fact]
    public void Cards_are_read_from_nvidia_smis_table()
    {
        var sample = SystemMetrics.CardsOf("0, 35, 20, 1024, 4096, 60, 120.5\n1, [N/A], 0, 0, 4096, 40, [N/A]\nnonsense\n");

        Assert.Equal((35.0, 25.0, 120.5), (sample["system.gpu.0.gpu"], sample["system.gpu.0.memoryAllocated"], sample["system.gpu.0.powerWatts"]));
        Assert.False(sample.ContainsKey("system.gpu.1.gpu"));
        Assert.Equal(40.0, sample["system.gpu.1.temp"]);
    }

    [Theory]
    // Both SDKs give these digests.
    [InlineData("30278767e421ba1d71a57fffbd1f362b", "config.json:oFK0NtGMiXMcY/H8iwHmJw==", "model.safetensors:K808TeIMkY4Z+rXDYknHDQ==")]
    [InlineData("033d5da6e2f9f3db2102c12c397bbda6", "sub/naïve file.txt:QBsw47i11iljWlxhPNt5GQ==", "model.safetensors:K808TeIMkY4Z+rXDYknHDQ==",
        "config.json:VPJMpN75LCZ3Qz4dJqIT/Q==")]
    public void An_artifacts_digest_is_the_clients(string expected, params string[] files)
        => Assert.Equal(expected, ArtifactUploader.DigestOf(files.Select(file => new ArtifactEntry(file.Split(':')[0], file.Split(':')[1], 0, ""))));

    [Fact]
    public void A_configuration_is_YAML_that_any_reader_takes_for_the_same()
        => Assert.Equal(
            "a:\n  value: 1.0e-08\nb:\n  value: \"yes\"\nc:\n  value:\n  - 1\n  - true\n  - \n",
            RunConfig.ToYaml("{\"c\":{\"value\":[1,true,null]},\"b\":{\"value\":\"yes\"},\"a\":{\"value\":1E-08}}"));

    [Fact]
    public async Task Files_and_artifacts_stay_in_their_folder()
    {
        var folder = Directory.CreateTempSubdirectory("tracking-").FullName;
        var run = TrackedRun.Start("offline", folder);
        var file = Path.Combine(folder, "x");
        await File.WriteAllTextAsync(file, "x", TestContext.Current.CancellationToken);

        Assert.Throws<ArgumentException>(() => run.SaveFile(file, "../../x"));
        Assert.Throws<ArgumentException>(() => run.LogArtifact(new() { Name = "a", Type = "t", Files = new Dictionary<string, string> { ["../x"] = file } }));
        Assert.Throws<ArgumentException>(() => run.LogArtifact(new() { Name = "a/b", Type = "t", Files = new Dictionary<string, string> { ["x"] = file } }));
        await run.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }
}
