using NotebookLib.Kernels;

namespace NotebookLib.Tests.Kernels;

public sealed class RaggedShapeTests
{
    [Fact]
    public void A_text_that_the_kernels_cannot_count_through_is_refused()
    {
        var error = Assert.Throws<ArgumentException>(() => new RaggedShape([3, 23_200]));

        Assert.Contains("23,200 pieces; expected at most 16,384", error.Message, StringComparison.Ordinal);
    }
}
