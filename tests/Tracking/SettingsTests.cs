using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tracking;

namespace NotebookLib.Tests.Tracking;

/// <summary>Variables and netrc as the Python client reads them.</summary>
public sealed class SettingsTests
{
    private const string Key = FakeWandbServer.Key;

    [Fact]
    public void All_variables_are_read()
    {
        var settings = Read(
            ("WANDB_MODE", "offline"), ("WANDB_API_KEY", Key), ("WANDB_BASE_URL", "https://wandb.example/"), ("WANDB_PROJECT", "p"), ("WANDB_ENTITY", "e"),
            ("WANDB_RUN_GROUP", "g"),
            ("WANDB_TAGS", "a, b,,c"), ("WANDB_DIR", "/d"), ("WANDB_LOG_MODEL", "checkpoint"), ("WANDB_NAME", "n"), ("WANDB_NOTES", "o"),
            ("WANDB_JOB_TYPE", "j"), ("WANDB_RUN_ID", "r"),
            ("WANDB_RESUME", "must"));

        Assert.Equal(
            (TrackingMode.Offline, "https://wandb.example", "p", "e", "g", "a|b|c", "/d", LogModel.Checkpoint, "n", "o", "j", "r", ResumeMode.Must),
            (settings.Mode, settings.BaseUrl, settings.Project, settings.Entity, settings.Group, string.Join('|', settings.Tags), settings.Directory,
                settings.LogModel, settings.Name,
                settings.Notes, settings.JobType, settings.RunId, settings.Resume));
        Assert.NotNull(settings.Key);
        Assert.Empty(settings.Validate());
    }

    [Fact]
    public void Nothing_set_is_offline_at_the_public_server()
    {
        var settings = Read();

        Assert.Equal((TrackingMode.Offline, "https://api.wandb.ai", LogModel.No), (settings.ResolvedMode, settings.BaseUrl, settings.LogModel));
    }

    [Theory]
    [InlineData("machine api.wandb.ai\n  login user\n  password " + Key + "\n", true)]
    [InlineData("machine other.test login user password x\nmachine api.wandb.ai login user password " + Key, true)]
    [InlineData("# machine api.wandb.ai password comment\nmachine API.WANDB.AI password " + Key, true)]
    [InlineData("machine other.test login user password " + Key, false)]
    [InlineData("", false)]
    public void A_key_may_stand_in_netrc(string text, bool expected)
    {
        var path = Path.GetTempFileName();
        File.WriteAllText(path, text);

        Assert.Equal(expected, Read(("NETRC", path)).Key is not null);
        File.Delete(path);
    }

    [Fact]
    public void All_faults_are_named_together()
    {
        var fault = Assert.Throws<ArgumentException>(() =>
            Read(("WANDB_MODE", "sometimes"), ("WANDB_RESUME", "perhaps"), ("WANDB_LOG_MODEL", "all"), ("WANDB_API_KEY", "sh ort")));

        Assert.All(["WANDB_MODE", "WANDB_RESUME", "WANDB_LOG_MODEL", "API key"], name => Assert.Contains(name, fault.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("sh ort", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Contradictions_are_named_together_with_what_would_work()
    {
        var faults = new TrackingSettings
        {
            Mode = TrackingMode.Online,
            BaseUrl = "https://user:pass@wandb.example",
            RunId = "a b",
            Project = "a/b",
            SendSeconds = 0,
            SystemMetricsSeconds = -1,
        }.Validate();

        Assert.Equal(6, faults.Count);
        Assert.DoesNotContain(faults, fault => fault.Contains("pass@", StringComparison.Ordinal));
    }

    [Fact]
    public void A_key_does_not_print()
    {
        var key = TrackingSettings.KeyOf(Key);

        Assert.DoesNotContain(Key, $"{key} {new TrackingSettings { Key = key }}", StringComparison.Ordinal);
    }

    private static TrackingSettings Read(params (string Name, string Value)[] variables)
        => TrackingEnvironment.Read(name => variables.FirstOrDefault(variable => variable.Name == name).Value);
}
