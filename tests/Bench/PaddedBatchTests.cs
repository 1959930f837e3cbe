using NotebookLib.Batching;
using NotebookLib.Bench.Reference;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Bench;

public class PaddedBatchTests
{
    [Fact]
    public void Rows_are_padded_to_the_longest_with_zero_zero_and_minus_one_hundred()
    {
        using var batch = PaddedBatch.Pad(
            [new EncodedSentence([1, 5, 2], [-100, 1, -100], [-1, 0, -1]), new([1, 8, 9, 7, 2], [-100, 3, 4, 0, -100], [-1, 0, 0, 1, -1])]);

        Assert.Equal([2, 5], batch.InputIds.shape);
        Assert.All([batch.InputIds, batch.AttentionMask, batch.Labels], tensor => Assert.Equal(ScalarType.Int64, tensor.dtype));
        Assert.Equal([1, 5, 2, 0, 0, 1, 8, 9, 7, 2], batch.InputIds.data<long>().ToArray());
        Assert.Equal([1, 1, 1, 0, 0, 1, 1, 1, 1, 1], batch.AttentionMask.data<long>().ToArray());
        Assert.Equal([-100, 1, -100, -100, -100, -100, 3, 4, 0, -100], batch.Labels.data<long>().ToArray());
    }
}
