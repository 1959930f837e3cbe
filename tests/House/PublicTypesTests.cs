namespace NotebookLib.Tests.House;

/// <summary>The library's door stays narrow: what a notebook or a program on the package calls is public, the rest is not.</summary>
public sealed class PublicTypesTests
{
    private const int Most = 120;

    [Fact]
    public void No_more_types_are_public_than_a_reader_can_know()
    {
        var types = typeof(NotebookLib.Data.Sentence).Assembly.GetExportedTypes().Select(type => type.FullName).ToList();

        Assert.True(types.Count <= Most, $"{types.Count} public types; expected at most {Most}. Make internal what no notebook and no program calls.");
        Assert.Contains("NotebookLib.Inference.EntityTagger", types);
    }
}
