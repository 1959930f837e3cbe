using NotebookLib.Data;
using NotebookLib.SampleMaker.Grammar;
using NotebookLib.SampleMaker.Sample;

namespace NotebookLib.Tests.Sample;

public class SampleSplitsTests
{
    private static readonly Lazy<GrammarFiles> Files = new(() => GrammarFiles.Read(Repository.PathOf("data", "maker")));
    private static readonly Lazy<SampleSplits> Committed = new(() => new(Files.Value, SampleSplits.Sizes));

    [Fact]
    public void The_same_seed_makes_the_same_sentences_and_another_seed_others()
    {
        var (first, again, other) = (Small(1), Small(1), Small(2));

        Assert.Equal(Texts(first.Test), Texts(again.Test));
        Assert.Equal(first.Train.Sentences.SelectMany(sentence => sentence.Tags), again.Train.Sentences.SelectMany(sentence => sentence.Tags));
        Assert.NotEqual(Texts(first.Test), Texts(other.Test));
    }

    [Fact]
    public void No_sentence_stands_in_two_splits_or_twice_in_one()
    {
        var texts = Committed.Value.All.SelectMany(Texts).ToList();

        Assert.Equal(10_000, texts.Count);
        Assert.Equal(texts.Count, texts.Distinct(StringComparer.Ordinal).Count());
    }

    [Theory]
    [InlineData("train")]
    [InlineData("validation")]
    [InlineData("test")]
    public void The_committed_files_hold_what_the_maker_makes_today(string name)
    {
        var made = Committed.Value.All.Single(split => split.Name == name).Sentences;

        var read = SampleFiles.Read(Repository.PathOf("data", "sample"), name);

        Assert.Equal(made.Select(Line), read.Select(Line));
    }

    [Fact]
    public void Unlabelled_text_repeats_no_sentence_of_the_splits_and_uses_no_shape_of_validation_or_test()
    {
        var splits = Small(3);
        var known = splits.All.SelectMany(Texts).ToHashSet(StringComparer.Ordinal);
        var maker = new SentenceMaker(Files.Value, new SplitMix(4), Recipe.Unlabelled);

        Assert.DoesNotContain(splits.Unlabelled(2000), words => known.Contains(string.Join(' ', words)));
        Assert.All(Enumerable.Range(0, 2000).SelectMany(_ => maker.Next().Shapes), shape => Assert.Equal(Share.Train, shape.Share));
    }

    [Fact]
    public void Tags_are_valid_IOB2_and_every_word_can_stand_alone()
    {
        foreach (var sentence in Committed.Value.All.SelectMany(split => split.Sentences))
        {
            Assert.Equal(sentence.Words.Count, sentence.Tags.Count);
            Assert.DoesNotContain(sentence.Words, word => word.Length == 0 || word.Any(c => char.IsWhiteSpace(c) || char.IsControl(c)));
            for (var i = 0; i < sentence.Tags.Count; i++)
            {
                Assert.InRange(sentence.Tags[i], 0, LabelSet.SystemA.Count - 1);
                var isInside = sentence.Tags[i] > 0 && sentence.Tags[i] % 2 == 0;
                Assert.True(!isInside || (i > 0 && sentence.Tags[i - 1] is var before && (before == sentence.Tags[i] || before == sentence.Tags[i] - 1)),
                    string.Join(' ', sentence.Words));
            }
        }
    }

    [Fact]
    public void Every_type_is_in_every_split_with_MultiNERDs_long_tail()
    {
        foreach (var split in Committed.Value.All)
        {
            var counts = split.Sentences.SelectMany(SampleReport.Entities).CountBy(entity => entity.Type).ToDictionary();
            Assert.Equal(LabelSet.SystemA.Types.Order(), counts.Keys.Order());
            var total = (double)counts.Values.Sum();
            Assert.All((string[])["PER", "ORG", "LOC"], type => Assert.InRange(counts[type] / total, 0.1, 0.5));
            Assert.All((string[])["BIO", "INST", "CEL", "MYTH", "VEHI"], type => Assert.InRange(counts[type] / total, 0.001, 0.02));
        }
    }

    [Fact]
    public void Validation_and_test_ask_for_names_and_shapes_that_training_never_showed()
    {
        var splits = Committed.Value;
        foreach (var split in new[] { splits.Validation, splits.Test })
        {
            Assert.InRange(SampleReport.UnseenShare(splits.Train.Sentences, split.Sentences), 0.4, 0.8);
            Assert.InRange(split.Shapes.Count(from => from.Any(shape => shape.Share != Share.Train)) / (double)split.Shapes.Count, 0.3, 0.6);
        }

        Assert.All(splits.Train.Shapes.SelectMany(from => from), shape => Assert.Equal(Share.Train, shape.Share));
    }

    [Fact]
    public void A_names_share_depends_on_list_and_name_alone()
    {
        Assert.Equal(Holdout.ShareOf("LOC.city", "Oslo"), Holdout.ShareOf("LOC.city", "Oslo"));
        var shares = Files.Value.Lists.Values.Where(list => list.Entries.Count >= 200)
            .SelectMany(list => list.Entries.Select(entry => Holdout.ShareOf(list.Name, entry.Text))).ToList();
        Assert.InRange(shares.Count(share => share == Share.Test) / (double)shares.Count, Holdout.TestShare - 0.04, Holdout.TestShare + 0.04);
    }

    private static string Line(Sentence sentence) => string.Join(' ', sentence.Words.Zip(sentence.Tags, (word, tag) => $"{word}/{tag}"));

    private static SampleSplits Small(ulong seed) => new(Files.Value, (300, 60, 60), seed);

    private static IEnumerable<string> Texts(Split split) => split.Sentences.Select(sentence => string.Join(' ', sentence.Words));
}
