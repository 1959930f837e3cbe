using NotebookLib.Data;
using NotebookLib.Experiments;

namespace NotebookLib.Tests.Experiments;

public sealed class SplitsTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("splits-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Data_of_ones_own_with_other_labels_are_split_the_same_way_each_time()
    {
        var inputs = Own(Enumerable.Range(0, 40).Select(i => $"Gadget B-PRODUCT\n{i} I-PRODUCT\nsells O\n")) with
        { Types = ["PRODUCT", "BRAND"], ValidationRows = 8 };
        var labels = inputs.LabelsOr(LabelSet.SystemA);

        var (splits, again) = (await Read(inputs, labels), await Read(inputs, labels));

        Assert.Equal((32, 8, 8, true), (splits.Train.Count, splits.Validation.Count, splits.Test.Count, splits.TestIsValidation));
        Assert.Equal(splits.Validation.Select(sentence => sentence.Words[1]), again.Validation.Select(sentence => sentence.Words[1]));
        Assert.Empty(splits.Train.Select(sentence => sentence.Words[1]).Intersect(splits.Validation.Select(sentence => sentence.Words[1])));
        Assert.Equal(["O", "B-PRODUCT", "I-PRODUCT", "B-BRAND", "I-BRAND"], labels.Names);
        Assert.True(inputs.IsOwn);
        Assert.Equal("own.conll", inputs.DataName);
    }

    [Fact]
    public async Task A_mapping_turns_types_that_are_not_learned_into_O()
    {
        var inputs = Own(["Marie B-PER\nplants O\nroses B-PLANT\n", "rust B-DIS\n"]) with { ValidationRows = 1 };

        var splits = await Splits.ReadAsync(inputs, LabelSet.SystemB, source: LabelSet.SystemA, cancellation: TestContext.Current.CancellationToken);

        Assert.Equal([[1, 0, 0], [9]],
            splits.Train.Concat(splits.Validation).OrderByDescending(sentence => sentence.Words.Count).Select(sentence => sentence.Tags));
    }

    [Fact]
    public async Task A_folder_of_files_is_a_data_set_and_rows_are_drawn_from_each()
    {
        foreach (var split in (string[])["train", "validation", "test"])
        {
            File.WriteAllText(Path.Combine(_folder.FullName, split + ".conll"), string.Join('\n', Enumerable.Range(0, 20).Select(i => $"{split}{i} B-PER\n")));
        }

        var inputs = new InputSettings { Model = "m", Dataset = _folder.FullName, TrainRows = 5, ValidationRows = 4, TestRows = 3 };
        Assert.Empty(inputs.FindFaults(trains: true));
        var splits = await Read(inputs, LabelSet.SystemA);

        Assert.Equal((5, 4, 3, false), (splits.Train.Count, splits.Validation.Count, splits.Test.Count, splits.TestIsValidation));
        Assert.StartsWith("test", splits.Test[0].Words[0], StringComparison.Ordinal);
        Assert.NotEqual(["test0", "test1", "test2"], splits.Test.Select(sentence => sentence.Words[0]));
        Assert.Equal(20, (await Read(inputs with { TrainRows = 0 }, LabelSet.SystemA)).Train.Count);
        Assert.Empty((await Splits.ReadAsync(inputs, LabelSet.SystemA, trains: false, cancellation: TestContext.Current.CancellationToken)).Train);
    }

    [Fact]
    public async Task Rows_count_as_they_come_or_once_or_twice()
    {
        var inputs = Own(Enumerable.Repeat("Marie B-PER\n", 3)) with { TestData = Path.Combine(_folder.FullName, "own.conll"), ValidationRows = 0 };
        async Task<int> Count(RowListing listing) => (await Read(inputs with { Listing = listing }, LabelSet.SystemA)).Test.Count;

        Assert.Equal((3, 1, 6), (await Count(RowListing.AsListed), await Count(RowListing.Distinct), await Count(RowListing.Published)));
    }

    [Fact]
    public async Task A_type_that_nobody_named_is_reported_with_its_line_or_read_as_O()
    {
        var inputs = Own(["Gadget B-PRODUCT\nsells O\n", "and O\n"]);

        var error = await Assert.ThrowsAsync<DataFormatException>(() => Read(inputs, LabelSet.SystemA));
        Assert.Contains("PRODUCT", error.Message, StringComparison.Ordinal);
        Assert.All((await Read(inputs with { OtherTypes = UnknownTypes.Outside }, LabelSet.SystemA)).Train,
            sentence => Assert.All(sentence.Tags, tag => Assert.Equal(0, tag)));
    }

    [Fact]
    public async Task An_empty_file_is_refused_by_name()
    {
        var error = await Assert.ThrowsAsync<DataFormatException>(() => Read(Own([""]), LabelSet.SystemA));

        Assert.Contains("own.conll: holds no sentence", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(9, 1)]
    [InlineData(25, 2)]
    public async Task A_tenth_of_a_small_file_is_at_least_one_sentence_to_test_on(int sentences, int tested)
    {
        var splits = await Read(Own(Enumerable.Range(0, sentences).Select(i => $"Marie B-PER\nsings{i} O\n")), LabelSet.SystemA);

        Assert.Equal((sentences - tested, tested, tested), (splits.Train.Count, splits.Validation.Count, splits.Test.Count));
    }

    [Theory]
    [InlineData(1, null, "own.conll: 1 sentence to train on, and none is left to test on")]
    [InlineData(3, 0, "own.conll: 3 sentences to train on, ValidationRows is 0, and none is left to test on")]
    public async Task A_file_that_leaves_nothing_to_test_is_refused_with_a_way_out(int sentences, int? validationRows, string expected)
    {
        var inputs = Own(Enumerable.Repeat("Marie B-PER\nsings O\n", sentences)) with { ValidationRows = validationRows };

        var error = await Assert.ThrowsAsync<InvalidDataException>(() => Read(inputs, LabelSet.SystemA));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("Set TestData or ValidationData", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_profile_that_trains_nothing_asks_for_test_data()
    {
        var inputs = Own(["Marie B-PER\nsings O\n"]);

        var error = await Assert.ThrowsAsync<InvalidDataException>(() =>
            Splits.ReadAsync(inputs, LabelSet.SystemA, trains: false, cancellation: TestContext.Current.CancellationToken));

        Assert.Contains("TestData is null; set TestData to the file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Numbers_without_types_are_refused_and_with_them_are_what_they_say()
    {
        var path = Path.Combine(_folder.FullName, "own.jsonl");
        File.WriteAllText(path, string.Concat(Enumerable.Range(0, 5).Select(i => $$"""{"tokens": ["Gadget", "{{i}}"], "ner_tags": [3, 0]}""" + "\n")));
        var inputs = new InputSettings { Model = "m", TrainData = path };

        Assert.Contains("numbers (0 to 3) that nothing names", (await Assert.ThrowsAsync<DataFormatException>(() => Read(inputs, LabelSet.SystemA))).Message,
            StringComparison.Ordinal);
        var named = inputs with { Types = ["PER", "PRODUCT"] };
        var splits = await Read(named, named.LabelsOr(LabelSet.SystemA));

        Assert.Equal("B-PRODUCT", named.LabelsOr(LabelSet.SystemA).Names[splits.Train[0].Tags[0]]);
        Assert.Contains("3 B-PRODUCT", Assert.Single(splits.Sources).Numbering, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_decided_and_what_stands_in_two_splits_is_said()
    {
        var inputs = Own(Enumerable.Range(0, 20).Select(i => $"Marie I-PER\nsings{i} O\n")) with { TestData = Path.Combine(_folder.FullName, "own.conll") };

        var splits = await Read(inputs, LabelSet.SystemA);

        Assert.Equal("IOB1, converted to IOB2", splits.Sources[0].Scheme);
        Assert.Equal(["18 of 20 test sentences are training sentences too, words and tags: their scores are too good"], splits.Notices);
        var table = NotebookLib.Display.Tables.Sources(splits.Sources, splits.Notices).ToText();
        Assert.Contains("word column 0, tag column 1 of 2", table, StringComparison.Ordinal);
        Assert.Contains("18 of 20 test sentences", table, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Training_data_without_an_entity_is_said()
    {
        var splits = await Read(Own(Enumerable.Range(0, 20).Select(i => $"word{i} O\n")), LabelSet.SystemA);

        Assert.Contains("no training sentence has an entity: there is nothing to learn", splits.Notices);
    }

    [Fact]
    public void A_name_on_the_Hub_is_no_missing_file_and_columns_belong_to_data_of_ones_own()
    {
        var inputs = new InputSettings { Model = "m", TrainData = "org/news:en" };

        Assert.Empty(inputs.FindFaults(trains: true));
        Assert.Contains("there is no such file", Assert.Single((inputs with { TrainData = "org/news.conll" }).FindFaults(trains: true)),
            StringComparison.Ordinal);
        Assert.Contains("belong to data of your own", Assert.Single((new InputSettings { Model = "m" } with { TagColumn = 2 }).FindFaults(trains: true)),
            StringComparison.Ordinal);
        Assert.Contains("expected two names with a comma between", Assert.Single((inputs with { Fields = "words" }).FindFaults(trains: true)),
            StringComparison.Ordinal);
    }

    private static Task<Splits> Read(InputSettings inputs, LabelSet labels) =>
        Splits.ReadAsync(inputs, labels, cancellation: TestContext.Current.CancellationToken);

    private InputSettings Own(IEnumerable<string> sentences)
    {
        var path = Path.Combine(_folder.FullName, "own.conll");
        File.WriteAllText(path, string.Join('\n', sentences));
        return new() { Model = "m", TrainData = path };
    }
}
