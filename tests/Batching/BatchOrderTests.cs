using System.Text.Json;
using CsCheck;
using NotebookLib.Batching;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Batching;

public class BatchOrderTests
{
    [Fact]
    public void The_first_epochs_of_seed_42_are_the_recorded_ones()
    {
        // reference/training/full-linear-uneven/trainer_state.json: the first eleven of 70 rows in each epoch; the third is seeded 45, not 44.
        Assert.Equal([22, 15, 30, 50, 28, 55, 66, 12, 7, 2, 68], BatchOrder.Reference(70, 42, 0).Rows[..11]);
        Assert.Equal([38, 58, 65, 1, 17, 30, 22, 61, 43, 44, 41], BatchOrder.Reference(70, 42, 1).Rows[..11]);
        Assert.Equal([47, 42, 13, 56, 52, 69, 67, 59, 9, 48, 6], BatchOrder.Reference(70, 42, 2).Rows[..11]);
    }

    [Theory]
    [InlineData("full-linear")]
    [InlineData("full-linear-uneven")]
    [InlineData("lora-cosine")]
    public void The_recorded_order_of_real_runs_comes_out_across_epochs(string run)
    {
        using var state = JsonDocument.Parse(File.ReadAllText(Repository.Shared("reference", "training", run, "trainer_state.json")));
        using var data = JsonDocument.Parse(File.ReadAllText(Repository.Shared("reference", "training", run, "data.json")));
        int[] recorded = [.. state.RootElement.GetProperty("order").EnumerateArray().Select(row => row.GetInt32())];
        var rowCount = data.RootElement.GetProperty("train").GetArrayLength();
        var batchSize = state.RootElement.GetProperty("args").GetProperty("per_device_train_batch_size").GetInt32();

        int[] ours = [.. Enumerable.Range(0, 100).SelectMany(epoch => BatchOrder.Reference(rowCount, 42, epoch).Batches(batchSize)).SelectMany(rows => rows)
            .Take(recorded.Length)];

        Assert.Equal(recorded, ours);
        Assert.True(recorded.Length > rowCount, "the record spans more than one epoch");
    }

    [Fact]
    public void Every_order_takes_each_row_once_and_the_results_go_back_where_they_belong() =>
        Gen.Int[1, 60].Array[0, 50].Sample(lengths =>
        {
            foreach (var order in (RowOrder[])[BatchOrder.Reference(lengths.Length, 7, 3), BatchOrder.SortedByLength(lengths),
                BatchOrder.Sequential(lengths.Length)])
            {
                Assert.Equal(Enumerable.Range(0, lengths.Length), order.Rows.Order());
                Assert.Equal(lengths, order.PutBack([.. order.Rows.Select(row => lengths[row])]));
            }
        });

    [Fact]
    public void Sorted_batches_begin_with_the_longest_and_keep_ties_in_order() =>
        Assert.Equal([1, 4, 0, 2, 3], BatchOrder.SortedByLength([5, 9, 5, 2, 9]).Rows);

    [Fact]
    public void The_last_batch_may_be_smaller()
    {
        var order = BatchOrder.Sequential(70);

        Assert.Equal([6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 4], order.Batches(6).Select(batch => batch.Length));
    }

    [Fact]
    public void Drawing_an_order_leaves_the_global_random_state_alone()
    {
        // The CPU generator's state as a whole, compared byte by byte.
        using var before = CPUState();
        _ = BatchOrder.Reference(1000, 42, 0);
        using var after = CPUState();

        Assert.True(before.equal(after).all().item<bool>());

        static Tensor CPUState() => random.get_rng_state();
    }

    [Fact]
    public void Wrong_numbers_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => BatchOrder.Reference(-1, 42, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => BatchOrder.Reference(10, 42, -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => BatchOrder.Sequential(3).Batches(0).Count());
        Assert.Throws<ArgumentException>(() => BatchOrder.Sequential(3).PutBack([1, 2]));
        Assert.Empty(BatchOrder.Reference(0, 42, 0).Rows);
    }
}
