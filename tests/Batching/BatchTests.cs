using NotebookLib.Batching;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Batching;

public class BatchTests
{
    private static readonly EncodedSentence Long = new([1, 8, 9, 7, 2], [-100, 3, 4, 0, -100], [-1, 0, 0, 1, -1]);
    private static readonly EncodedSentence Short = new([1, 5, 2], [-100, 1, -100], [-1, 0, -1]);

    [Fact]
    public void Sentences_lie_one_after_another_without_padding()
    {
        using var batch = Batch.Of([Short, Long]);

        Assert.All([batch.InputIds, batch.Labels], tensor => Assert.Equal(ScalarType.Int64, tensor.dtype));
        Assert.Equal([1, 5, 2, 1, 8, 9, 7, 2], batch.InputIds.data<long>().ToArray());
        Assert.Equal([-100, 1, -100, -100, 3, 4, 0, -100], batch.Labels.data<long>().ToArray());
        Assert.Equal([3, 5], batch.Lengths);
        Assert.Equal((2, 8, 4), (batch.RowCount, batch.PieceCount, batch.LabelledCount));
    }

    [Fact]
    public void Micro_batches_stay_apart()
    {
        using var batch = Batch.OfGroups([[Short, Long], [Long]]);

        Assert.Equal([[3, 5], [5]], batch.Groups);
        Assert.Equal([8, 5], batch.PiecesOfGroups);
        Assert.Equal([3, 5, 5], batch.Lengths);
        Assert.Equal([1, 5, 2, 1, 8, 9, 7, 2, 1, 8, 9, 7, 2], batch.Ids);
        Assert.Equal(1 + 3 + 3, batch.LabelledCount);
    }

    [Fact]
    public void A_batch_outlives_the_scope_it_was_made_in_and_dies_when_disposed()
    {
        Batch batch;
        using (NewDisposeScope())
        {
            batch = Batch.Of([Long]);
        }

        Assert.Equal(1 + 8 + 9 + 7 + 2, batch.InputIds.sum().item<long>());
        batch.Dispose();
        Assert.All([batch.InputIds, batch.Labels], tensor => Assert.True(tensor.IsInvalid));
    }

    [Fact]
    public void Many_batches_leave_no_tensors_behind()
    {
        Batch.Of([Long]).Dispose();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        for (var i = 0; i < 100; i++)
        {
            Batch.Of([Short, Long]).Dispose();
        }

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Rows_that_make_no_batch_are_refused()
    {
        Assert.Contains("at least one row", Assert.Throws<ArgumentException>(() => Batch.Of([])).Message, StringComparison.Ordinal);
        var error = Assert.Throws<ArgumentException>(() => Batch.Of([new EncodedSentence([1, 2], [0], [-1, -1])]));
        Assert.Contains("2 piece ids and 1 labels", error.Message, StringComparison.Ordinal);
        Assert.Contains("at least one row", Assert.Throws<ArgumentException>(() => Batch.OfGroups([])).Message, StringComparison.Ordinal);
        Assert.Contains("at least one row", Assert.Throws<ArgumentException>(() => Batch.OfGroups([[Short], []])).Message, StringComparison.Ordinal);
        Assert.Contains("0 piece ids and 0 labels", Assert.Throws<ArgumentException>(() => Batch.Of([Short, new([], [], [])])).Message);
    }
}
