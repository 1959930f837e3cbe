using NotebookLib.Charts;
using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Tests.Tracking.FakeWandb;
using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

public sealed class NotebookTrackingTests
{
    [Theory]
    [InlineData("auto", null, null, TrackingMode.Offline)]
    [InlineData("auto", FakeWandbServer.Key, null, TrackingMode.Online)]
    [InlineData("auto", FakeWandbServer.Key, "disabled", TrackingMode.Disabled)]
    [InlineData("offline", FakeWandbServer.Key, "online", TrackingMode.Offline)]
    [InlineData("disabled", FakeWandbServer.Key, "online", TrackingMode.Disabled)]
    [InlineData("online", FakeWandbServer.Key, "offline", TrackingMode.Online)]
    public void One_word_and_the_environment_decide_the_mode(string word, string? key, string? mode, TrackingMode expected)
    {
        var settings = TrackingEnvironment.ForNotebook(word, "out", environment: Variables(("WANDB_API_KEY", key), ("WANDB_MODE", mode)));

        Assert.Equal((expected, "out", "DeBERTa-v3-NER"), (settings.ResolvedMode, settings.Directory, settings.Project));
    }

    [Fact]
    public void The_environment_overrules_the_notebooks_suggestions()
    {
        var settings = TrackingEnvironment.ForNotebook(
            "auto", "out", "notebook", environment: Variables(("WANDB_PROJECT", "mine"), ("WANDB_NAME", "my run"), ("WANDB_DIR", "/elsewhere")));

        Assert.Equal(("mine", "my run", "/elsewhere"), (settings.Project, settings.Name, settings.Directory));
    }

    [Fact]
    public void A_word_that_means_nothing_is_named()
        => Assert.Contains("\"yes\"", Assert.Throws<ArgumentException>(() => TrackingEnvironment.ForNotebook("yes", "out")).Message, StringComparison.Ordinal);

    [Fact]
    public async Task Online_without_a_key_says_what_to_do()
    {
        await using var fixture = await StartAsync();

        var fault = Assert.Throws<ArgumentException>(() => TrackedRun.Start(fixture.Settings with { Key = null }));

        Assert.Contains("set WANDB_API_KEY, or WANDB_MODE=offline", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_card_shows_name_mode_link_folder_and_rows()
    {
        await using var fixture = await StartAsync();
        var run = await RunAsync(fixture.Settings with { Name = "a <run>" }, run => SyncTests.LogRows(run, 3));

        var card = run.Card();

        Assert.Matches(@"run +a <run>  \(" + run.RunId, card.ToText());
        Assert.Matches("rows +3 kept, 3 sent", card.ToText());
        Assert.Contains(run.Folder!, card.ToText(), StringComparison.Ordinal);
        Assert.Contains($"<a href=\"{run.Status().Link}\" rel=\"noopener\">", card.ToHtml(), StringComparison.Ordinal);
        Assert.Contains("a &lt;run&gt;", card.ToHtml(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_disabled_run_leaves_nothing_behind_and_has_a_card()
    {
        var folder = Directory.CreateTempSubdirectory("tracking-").FullName;
        var run = TrackedRun.Start("disabled", folder);
        SyncTests.LogRows(run, 3);

        Assert.Empty(Directory.EnumerateFileSystemEntries(folder));
        Assert.Contains("disabled", run.Card().ToText(), StringComparison.Ordinal);
        Directory.Delete(folder);
    }

    [Fact]
    public async Task Charts_and_tables_of_the_notebook_become_the_runs()
    {
        await using var fixture = await StartAsync();
        var chart = ScoreCharts.PerType([new TypeF1("PER", 0.5, 3)]);
        var table = new TableView("Types", [new("type"), new("support", IsNumber: true)], [new(["PER", "1,234"])]);
        var run = await RunAsync(fixture.Settings, run =>
        {
            run.LogChart("charts/types", chart);
            run.LogTable("test/types", table);
        });

        var files = fixture.Server.State.Run(run.RunId).Files;
        Assert.Equal(chart.FigureJson,
            System.Text.Encoding.UTF8.GetString(files.Single(file => file.Key.StartsWith("media/plotly/charts/types_0_", StringComparison.Ordinal)).Value));
        Assert.Equal(
            """{"columns":["type","support"],"data":[["PER",1234]]}""",
            System.Text.Encoding.UTF8.GetString(files.Single(file => file.Key.StartsWith("media/table/test/types_1_", StringComparison.Ordinal)).Value));
        Assert.Empty(fixture.Server.State.Problems);
    }

    private static Func<string, string?> Variables(params (string Name, string? Value)[] variables)
        => name => variables.FirstOrDefault(variable => variable.Name == name).Value;
}
