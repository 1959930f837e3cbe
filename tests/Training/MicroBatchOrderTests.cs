using NotebookLib.Batching;
using NotebookLib.Training;

namespace NotebookLib.Tests.Training;

public class MicroBatchOrderTests
{
    private const long Seed = 42;

    [Theory]
    [InlineData(10, 4, 2)] // 4, 4 and 2 rows an epoch
    [InlineData(5, 1, 1)]
    [InlineData(3, 8, 4)] // an epoch is one micro-batch
    public void Micro_batches_read_each_epochs_order_from_its_beginning_to_its_end(int rows, int batchSize, int accumulation)
    {
        var plan = Plan(rows, batchSize, accumulation);
        var expected = Enumerable.Range(0, 9).SelectMany(epoch => BatchOrder.Reference(rows, Seed, epoch).Batches(batchSize)).ToList();

        // Forwards, and each by itself, as after a stop.
        var order = new MicroBatchOrder(plan, Seed);
        Assert.Equal(expected, Enumerable.Range(0, expected.Count).Select(number => order.RowsOf(number).ToArray()));
        Assert.Equal(expected, Enumerable.Range(0, expected.Count).Select(number => new MicroBatchOrder(plan, Seed).RowsOf(number).ToArray()));
    }

    [Fact]
    public void An_update_has_the_micro_batches_up_to_the_one_that_makes_it()
    {
        Assert.Equal([10L, 11], new MicroBatchOrder(Plan(10, 4, 2), Seed).MicroBatchesOfUpdate(10));
        Assert.Equal([11L], new MicroBatchOrder(Plan(10, 4, 2), Seed).MicroBatchesOfUpdate(11));
        // Three micro-batches an epoch, eight to an update: the epoch's end makes one as well.
        Assert.Equal([0L, 1, 2], new MicroBatchOrder(Plan(10, 4, 8), Seed).MicroBatchesOfUpdate(0));
        Assert.Equal([6L, 7], new MicroBatchOrder(Plan(10, 4, 8), Seed).MicroBatchesOfUpdate(6));
    }

    private static TrainingPlan Plan(int rows, int batchSize, int accumulation) =>
        new(new() { BatchSize = batchSize, AccumulationSteps = accumulation }, rows);
}
