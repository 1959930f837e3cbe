using NotebookLib.Batching;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Batching;

public class BatchTests
{
    private static readonly EncodedSentence Long = new([1, 8, 9, 7, 2], [-100, 3, 4, 0, -100], [-1, 0, 0, 1, -1]);
    private static readonly EncodedSentence Short = new([1, 5, 2], [-100, 1, -100], [-1, 0, -1]);

    [Fact]
    public void Rows_are_padded_to_the_longest_with_zero_zero_and_minus_one_hundred()
    {
        using var batch = Batch.Pad([Short, Long]);

        Assert.Equal([2, 5], batch.InputIds.shape);
        Assert.All([batch.InputIds, batch.AttentionMask, batch.Labels], tensor => Assert.Equal(ScalarType.Int64, tensor.dtype));
        Assert.Equal([1, 5, 2, 0, 0, 1, 8, 9, 7, 2], batch.InputIds.data<long>().ToArray());
        Assert.Equal([1, 1, 1, 0, 0, 1, 1, 1, 1, 1], batch.AttentionMask.data<long>().ToArray());
        Assert.Equal([-100, 1, -100, -100, -100, -100, 3, 4, 0, -100], batch.Labels.data<long>().ToArray());
        Assert.Equal([3, 5], batch.Lengths);
        Assert.Equal((2, 5, 8, 4), (batch.RowCount, batch.PaddedLength, batch.PieceCount, batch.LabelledCount));
    }

    [Fact]
    public void A_batch_of_chosen_rows_holds_them_in_the_chosen_order()
    {
        using var batch = Batch.Pad([Short, Long, Short], [1, 0]);

        Assert.Equal([5, 3], batch.Lengths);
    }

    [Fact]
    public void A_batch_outlives_the_scope_it_was_made_in_and_dies_when_disposed()
    {
        Batch batch;
        using (NewDisposeScope())
        {
            batch = Batch.Pad([Long]);
        }

        Assert.Equal(1 + 8 + 9 + 7 + 2, batch.InputIds.sum().item<long>());
        batch.Dispose();
        Assert.All([batch.InputIds, batch.AttentionMask, batch.Labels], tensor => Assert.True(tensor.IsInvalid));
    }

    [Fact]
    public void Many_batches_leave_no_tensors_behind()
    {
        Batch.Pad([Long]).Dispose();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        for (var i = 0; i < 100; i++)
        {
            Batch.Pad([Short, Long]).Dispose();
        }

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Rows_that_make_no_batch_are_refused()
    {
        Assert.Contains("at least one row", Assert.Throws<ArgumentException>(() => Batch.Pad([])).Message, StringComparison.Ordinal);
        var error = Assert.Throws<ArgumentException>(() => Batch.Pad([new EncodedSentence([1, 2], [0], [-1, -1])]));
        Assert.Contains("2 piece ids and 1 labels", error.Message, StringComparison.Ordinal);
    }
}
