using System.Text;
using NotebookLib.Data;
using NotebookLib.FakeHub;
using NotebookLib.Hub;

namespace NotebookLib.Tests.Hub;

public sealed class HubDatasetsTests
{
    private const string Row = "{\"tokens\": [\"Rome\", \"is\"], \"ner_tags\": [1, 0]}\n";

    private static async Task<HubFixture> StartAsync(params (string Path, string Text)[] files)
    {
        var hub = await HubFixture.StartAsync();
        hub.Server.Repo("org/news", "datasets")
            .Commit([.. files.Select(file =>
            (file.Path, new FakeFile(Encoding.UTF8.GetBytes(file.Text), isLarge: !file.Path.EndsWith(".md", StringComparison.Ordinal))))]);
        return hub;
    }

    private static Task<HubDataset> FetchAsync(HubFixture hub, string name = "org/news") => HubDatasets.FetchAsync(name, hub, hub.Settings);

    [Fact]
    public async Task Splits_are_told_by_the_files_names_and_parts_stay_in_order()
    {
        await using var hub = await StartAsync(
            ("data/train-00001-of-00002.jsonl", Row), ("data/train-00000-of-00002.jsonl", Row), ("data/dev.jsonl", Row), ("data/test.jsonl", Row),
            ("config.json", "{}"), ("training_notes.txt", "x"));

        var found = await FetchAsync(hub);

        Assert.Equal(["train-00000-of-00002.jsonl", "train-00001-of-00002.jsonl"], found.Train.Select(Path.GetFileName));
        Assert.Equal("dev.jsonl", Path.GetFileName(Assert.Single(found.Validation)));
        Assert.Equal("test.jsonl", Path.GetFileName(Assert.Single(found.Test)));
        Assert.DoesNotContain(hub.Server.Requests, request => request.Target.Contains("config.json", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_README_says_what_numbers_stand_for()
    {
        await using var hub = await StartAsync(("train.jsonl", Row), ("README.md", """
            ---
            dataset_info:
              features:
              - name: tokens
                sequence: string
              - name: ner_tags
                sequence:
                  class_label:
                    names:
                      '0': O
                      '1': B-LOC
                      '2': I-LOC
            ---
            # News
            """));

        var source = SentenceReader.Open((await FetchAsync(hub)).Train[0], new LabelSet(["PER", "LOC"]), new() { NumbersAreLabels = false });

        Assert.Equal([3, 0], Assert.Single(source).Tags);
        Assert.Contains("1 B-LOC", source.Report!.Numbering, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_configurations_are_named_and_one_is_chosen_behind_a_colon()
    {
        await using var hub = await StartAsync(("en/train.jsonl", Row), ("de/train.jsonl", Row), ("en/test.jsonl", Row));

        var error = await Assert.ThrowsAsync<ArgumentException>(() => FetchAsync(hub));

        Assert.Contains("has several configurations: de, en; name one behind a colon: org/news:de", error.Message, StringComparison.Ordinal);
        Assert.Contains($"{Path.DirectorySeparatorChar}en{Path.DirectorySeparatorChar}", Assert.Single((await FetchAsync(hub, "org/news:en")).Train),
            StringComparison.Ordinal);
        Assert.Contains("'fr' names none of them", (await Assert.ThrowsAsync<ArgumentException>(() => FetchAsync(hub, "org/news:fr"))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_data_set_without_such_files_says_what_it_has()
    {
        await using var hub = await StartAsync(("news.py", "x"), ("README.md", "x"));

        var error = await Assert.ThrowsAsync<HubException>(() => FetchAsync(hub));

        Assert.Contains("it has README.md, news.py", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("org/news", true)]
    [InlineData("org/news@v1", true)]
    [InlineData("org/news:en", true)]
    [InlineData("data/train.conll", false)]
    [InlineData("news", false)]
    [InlineData("a/b/c", false)]
    [InlineData("./news", false)]
    public void A_name_is_not_a_path(string text, bool isName) => Assert.Equal(isName, HubDatasets.IsName(text));
}
