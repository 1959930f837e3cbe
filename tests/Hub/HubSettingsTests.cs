using NotebookLib.Hub;

namespace NotebookLib.Tests.Hub;

public sealed class HubSettingsTests
{
    private static HubSettings Read(params (string Name, string Value)[] variables)
    {
        var table = variables.ToDictionary(pair => pair.Name, pair => pair.Value);
        return HubSettings.Read(name => table.GetValueOrDefault(name));
    }

    [Fact]
    public void The_defaults_are_Python_s()
    {
        var settings = Read(("HOME", "/home/me"));

        Assert.Equal(("https://huggingface.co", "/home/me/.cache/huggingface", "/home/me/.cache/huggingface/hub", false),
            (settings.Endpoint, settings.HomeFolder, settings.ResolvedCacheFolder, settings.IsOffline));
        Assert.Null(settings.Token);
    }

    [Fact]
    public void Every_variable_has_its_place()
    {
        var settings = Read(("HF_ENDPOINT", "http://127.0.0.1:9/"), ("HF_HOME", "/data/hf"), ("HF_HUB_CACHE", "/data/cache"), ("HF_HUB_OFFLINE", "1"),
            ("HF_TOKEN", "hf_abc\n"));

        Assert.Equal(("http://127.0.0.1:9", "/data/hf", "/data/cache", true, "Bearer hf_abc"),
            (settings.Endpoint, settings.HomeFolder, settings.ResolvedCacheFolder, settings.IsOffline, settings.Token!.AuthorizationHeader));
    }

    [Fact]
    public void The_token_s_older_name_serves_when_the_newer_is_missing()
    {
        Assert.Equal("Bearer hf_old", Read(("HUGGING_FACE_HUB_TOKEN", "hf_old")).Token!.AuthorizationHeader);
        Assert.Equal("Bearer hf_new", Read(("HUGGING_FACE_HUB_TOKEN", "hf_old"), ("HF_TOKEN", "hf_new")).Token!.AuthorizationHeader);
    }

    [Fact]
    public void The_token_s_file_serves_when_the_variable_is_missing()
    {
        var home = Directory.CreateTempSubdirectory("hub-").FullName;
        File.WriteAllText(Path.Combine(home, "token"), "hf_file\n");

        Assert.Equal("Bearer hf_file", Read(("HF_HOME", home)).Token!.AuthorizationHeader);
        Assert.Equal("Bearer hf_variable", Read(("HF_HOME", home), ("HF_TOKEN", "hf_variable")).Token!.AuthorizationHeader);
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public void All_faults_are_named_at_once_and_the_token_is_not_repeated()
    {
        var fault = Assert.Throws<ArgumentException>(() =>
            Read(("HF_ENDPOINT", "ftp://user:pass@host"), ("HF_HUB_OFFLINE", "maybe"), ("HF_TOKEN", "two words")));

        Assert.All(["HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN"], name => Assert.Contains(name, fault.Message, StringComparison.Ordinal));
        Assert.DoesNotContain("two words", fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("pass@", fault.Message, StringComparison.Ordinal);
    }
}
