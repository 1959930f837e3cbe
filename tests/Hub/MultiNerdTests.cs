using System.Text;
using System.Text.Json.Nodes;
using NotebookLib.Data;
using NotebookLib.FakeHub;
using NotebookLib.Hub;

namespace NotebookLib.Tests.Hub;

public sealed class MultiNerdTests
{
    private static string Row(int number, string language = "en")
        => new JsonObject { ["tokens"] = new JsonArray("Rome", "is", $"{number}"), ["ner_tags"] = new JsonArray(5, 0, 0), ["lang"] = language }.ToJsonString()
            + "\n";

    private static string Rows(int count, int from = 0, string language = "en") =>
        string.Concat(Enumerable.Range(from, count).Select(number => Row(number, language)));

    private static FakeFile Lines(string text) => new(Encoding.UTF8.GetBytes(text), isLarge: true);

    /// <summary>The real repository's tree: ten languages, of which only one is wanted.</summary>
    private static async Task<HubFixture> StartAsync(string train, string validation, string test)
    {
        var hub = await HubFixture.StartAsync();
        hub.Server.Repo("Babelscape/multinerd", "datasets").Commit(
            ("README.md", FakeFile.Text("---\n")), ("train/train_en.jsonl", Lines(train)), ("val/val_en.jsonl", Lines(validation)),
            ("test/test_en.jsonl", Lines(test)),
            ("train/train_de.jsonl", Lines(Row(1, "de"))), ("val/val_de.jsonl", Lines(Row(1, "de"))), ("test/test_de.jsonl", Lines(Row(1, "de"))));
        return hub;
    }

    private static SentenceSource Open(MultiNerdFiles files, string split, LabelSet? target = null, bool asPublished = false) => SentenceReader.Open(
        files.PathOf(split), LabelSet.SystemA,
        new ReaderOptions { Target = target, Scheme = TagScheme.Iob2, Rows = asPublished ? RowListing.Published : RowListing.AsListed });

    private static Task<MultiNerdFiles> FetchAsync(HubFixture hub, HubSettings? settings = null, params string[] splits)
        => MultiNerd.FetchAsync(hub, splits.Length == 0 ? null : new MultiNerdOptions { Splits = splits }, settings ?? hub.Settings);

    [Fact]
    public async Task The_English_files_become_Parquet_with_a_manifest()
    {
        await using var hub = await StartAsync(Rows(30) + Rows(5, language: "de"), Rows(4, 100), Rows(3, 200));

        var files = await FetchAsync(hub);

        Assert.Equal(["test", "train", "validation"], files.Manifest.Splits.Keys);
        Assert.Equal(("Babelscape/multinerd", hub.Server.Repo("Babelscape/multinerd", "datasets").Head, "CC BY-NC-SA 4.0"),
            (files.Manifest.Repository, files.Manifest.Revision, files.Manifest.Licence));
        var train = files.Manifest.Splits["train"];
        Assert.Equal((35, 30, 30, 60, 90, 30), (train.SourceRows, train.EnglishRows, train.Sentences, train.PublishedRows, train.Words, train.Entities));
        Assert.Equal(hub.Server.Repo("Babelscape/multinerd", "datasets").At("main")!.Value.Files["train/train_en.jsonl"].Sha256, train.SourceSha256);
        Assert.Equal(Enumerable.Range(0, 30).Select(number => $"Rome is {number}"), Open(files, "train").Select(sentence => string.Join(' ', sentence.Words)));
        Assert.Equal([LabelSet.SystemB.FindId("B-LOC")!.Value, 0, 0], Open(files, "test", LabelSet.SystemB).First().Tags);
        Assert.DoesNotContain(hub.Server.Requests, request => request.Target.Contains("_de", StringComparison.Ordinal));
        Assert.Contains("\"revision\"", File.ReadAllText(Path.Combine(files.Folder, "manifest.json")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_listing_that_comes_twice_is_taken_once_and_given_twice_on_request()
    {
        await using var hub = await StartAsync(Rows(10) + Rows(10), Rows(2), Rows(2));

        var files = await FetchAsync(hub);

        Assert.Equal(10, Open(files, "train").Count());
        Assert.Equal([.. Open(files, "train").Select(Text), .. Open(files, "train").Select(Text)], Open(files, "train", asPublished: true).Select(Text));

        static string Text(Sentence sentence) => string.Join(' ', sentence.Words);
    }

    [Fact]
    public async Task Doubles_within_a_listing_of_unknown_size_are_dropped_where_they_come_again()
    {
        await using var hub = await StartAsync(Row(1) + Row(2) + Row(1) + Row(3), Rows(2), Rows(2));

        var files = await FetchAsync(hub);

        Assert.Equal(["1", "2", "3"], Open(files, "train").Select(sentence => sentence.Words[2]));
    }

    [Fact]
    public void Doubles_within_a_listing_of_the_known_size_belong_to_it()
    {
        Sentence[] rows = [new(["a"], [0]), new(["b"], [0]), new(["a"], [0])];

        Assert.Equal(3, ListingChoice.Make(rows, 3).KeptCount);
        Assert.Equal([true, true, false], ListingChoice.Make(rows, 5).IsKept);
        Assert.Equal([true, true, true, false, false, false], ListingChoice.Make([.. rows, .. rows], 3).IsKept);
        Assert.Equal([true, false, true, false], ListingChoice.Make([rows[0], rows[0], rows[1], rows[1]], 2).IsKept);
    }

    [Fact]
    public async Task Another_number_of_sentences_than_the_known_one_is_said_in_clear_words()
    {
        await using var hub = await StartAsync(Rows(3), Rows(2), Rows(16_454));

        var files = await FetchAsync(hub);

        Assert.Equal(2, files.Differences.Count);
        Assert.Contains("train: 3 sentences, the original notebooks had 131,280", files.Differences[0], StringComparison.Ordinal);
        Assert.True(files.Manifest.Splits["test"].IsKnown);
        Assert.All(files.Differences, difference => Assert.Contains(difference, hub.Notices));
    }

    [Fact]
    public async Task A_second_time_asks_only_for_the_commit_and_offline_for_nothing()
    {
        await using var hub = await StartAsync(Rows(3), Rows(2), Rows(2));
        var first = await FetchAsync(hub);
        var before = hub.Server.Requests.Count;

        Assert.Equal(first.Folder, (await FetchAsync(hub)).Folder);
        Assert.Equal(["GET", "HEAD"], hub.Server.Requests.Skip(before).Select(request => request.Method));

        before = hub.Server.Requests.Count;
        Directory.Delete(hub.InCache(), recursive: true);
        Assert.Equal(first.Folder, (await FetchAsync(hub, hub.Settings with { IsOffline = true })).Folder);
        Assert.Equal(before, hub.Server.Requests.Count);
    }

    [Fact]
    public async Task Only_the_wanted_splits_are_fetched_and_others_join_them_later()
    {
        await using var hub = await StartAsync(Rows(3), Rows(2), Rows(4));

        Assert.Equal(["test"], (await FetchAsync(hub, null, "test")).Manifest.Splits.Keys);
        Assert.DoesNotContain(hub.Server.Requests, request => request.Target.Contains("train", StringComparison.Ordinal));
        Assert.Equal(["test", "train", "validation"], (await FetchAsync(hub)).Manifest.Splits.Keys);
        Assert.Single(hub.Downloads, request => request.Target.Contains("test_en", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Another_commit_has_another_folder()
    {
        await using var hub = await StartAsync(Rows(3), Rows(2), Rows(4));
        var old = await FetchAsync(hub);
        hub.Server.Repo("Babelscape/multinerd", "datasets").Commit(("test/test_en.jsonl", Lines(Rows(5))));

        var now = await FetchAsync(hub);

        Assert.NotEqual(old.Folder, now.Folder);
        Assert.Equal((4, 5), (Open(old, "test").Count(), Open(now, "test").Count()));
    }

    [Fact]
    public async Task A_Parquet_file_that_was_changed_is_made_again()
    {
        await using var hub = await StartAsync(Rows(3), Rows(2), Rows(4));
        var files = await FetchAsync(hub);
        File.WriteAllText(files.PathOf("test"), "damaged");

        Assert.Equal(4, Open(await FetchAsync(hub), "test").Count());
    }

    [Fact]
    public async Task Without_the_expected_files_the_message_lists_what_is_there()
    {
        await using var hub = await HubFixture.StartAsync();
        hub.Server.Repo("Babelscape/multinerd", "datasets").Commit(("train/train_de.jsonl", Lines(Row(1, "de"))));

        var refusal = await Assert.ThrowsAsync<HubException>(() => FetchAsync(hub));

        Assert.Contains("train/train_de.jsonl", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wrong_rows_are_named_with_their_lines_and_leave_no_file()
    {
        await using var hub = await StartAsync(Row(1) + "{\"tokens\": [\n", Rows(2), Rows(2));

        var fault = await Assert.ThrowsAsync<DataFormatException>(() => FetchAsync(hub));

        Assert.Equal(2, Assert.Single(fault.Faults).Line);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(hub.Home, "notebooklib"), "*.parquet", SearchOption.AllDirectories));
    }
}
