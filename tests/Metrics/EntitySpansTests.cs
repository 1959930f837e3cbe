using CsCheck;
using NotebookLib.Data;
using NotebookLib.Metrics;

namespace NotebookLib.Tests.Metrics;

public class EntitySpansTests
{
    private static readonly LabelSet Labels = new(["PER", "ORG", "LOC"]);

    [Theory]
    [InlineData("B-PER I-PER O B-LOC", "PER 0-2, LOC 3-4", "PER 0-2, LOC 3-4")]
    [InlineData("I-PER I-PER O", "PER 0-2", "")]
    [InlineData("B-PER I-ORG I-ORG", "PER 0-1, ORG 1-3", "PER 0-1")]
    [InlineData("B-PER B-PER I-PER", "PER 0-1, PER 1-3", "PER 0-1, PER 1-3")]
    [InlineData("O I-LOC B-LOC", "LOC 1-2, LOC 2-3", "LOC 2-3")]
    [InlineData("B-PER O I-PER", "PER 0-1, PER 2-3", "PER 0-1")]
    [InlineData("O O", "", "")]
    public void Tags_are_read_as_seqeval_reads_them(string tags, string lenient, string strict)
    {
        Assert.Equal(lenient, Describe(EntitySpans.Find(tags.Split(' '), EntityScheme.Lenient)));
        Assert.Equal(strict, Describe(EntitySpans.Find(tags.Split(' '), EntityScheme.StrictIob2)));
    }

    [Fact]
    public void Types_may_hold_hyphens_and_may_be_missing()
    {
        Assert.Equal("A-B 0-2, _ 2-4", Describe(EntitySpans.Find(["B-A-B", "I-A-B", "B", "I"], EntityScheme.StrictIob2)));
    }

    [Fact]
    public void Ids_and_names_give_the_same_entities() => Gen.Int[0, 6].Array[0, 20].Sample(ids =>
    {
        string[] names = [.. ids.Select(id => Labels.Names[id])];
        foreach (var scheme in Enum.GetValues<EntityScheme>())
        {
            Assert.Equal(EntitySpans.Find(names, scheme), EntitySpans.Find(ids, Labels, scheme));
        }
    });

    [Fact]
    public void Entities_never_overlap_and_strict_ones_begin_where_lenient_ones_do() => Gen.Int[0, 6].Array[0, 20].Sample(ids =>
    {
        var lenient = EntitySpans.Find(ids, Labels, EntityScheme.Lenient);
        var strict = EntitySpans.Find(ids, Labels, EntityScheme.StrictIob2);
        Assert.All(lenient.Zip(lenient.Skip(1)), pair => Assert.True(pair.First.End <= pair.Second.Start));
        Assert.Subset(lenient.ToHashSet(), strict.ToHashSet());
        Assert.Equal(ids.Count(id => id > 0), lenient.Sum(entity => entity.Length));
    });

    [Theory]
    [InlineData("S-PER")]
    [InlineData("PER")]
    [InlineData("")]
    [InlineData("BPER")]
    public void A_tag_of_another_scheme_is_refused_by_name(string tag)
    {
        var error = Assert.Throws<ArgumentException>(() => EntitySpans.Find([tag], EntityScheme.Lenient));
        Assert.Contains($"'{tag}' is no IOB2 tag", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(-1)]
    public void An_id_of_another_label_set_is_refused(int id)
    {
        var error = Assert.Throws<ArgumentOutOfRangeException>(() => EntitySpans.Find([0, id], Labels, EntityScheme.Lenient));
        Assert.Contains("ids 0 to 6", error.Message, StringComparison.Ordinal);
    }

    private static string Describe(IEnumerable<Entity> entities) => string.Join(", ", entities.Select(entity => $"{entity.Type} {entity.Start}-{entity.End}"));
}
