using NotebookLib.Model;
using NotebookLib.Tests.Model;
using NotebookLib.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>An embedding table of which only the rows in the data are trained, against the same table trained whole.</summary>
public sealed class TrainedRowsTests : IDisposable
{
    private static readonly TrainingSettings Settings = new() { WeightDecay = 0.1 };
    private static readonly int[] Named = [7, 3, 3, 29, 0, 12];
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly Parameter _whole;
    private readonly Parameter _table;
    private readonly TrainedRows _rows;

    public TrainedRowsTests()
    {
        using var generator = new Generator(5);
        var values = randn(40, 20, generator: generator);
        (_whole, _table) = (new Parameter(values.clone()), new Parameter(values.clone()));
        _rows = new(_table, Named);
    }

    public void Dispose()
    {
        _rows.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(100)]
    public void Every_row_ends_as_if_the_whole_table_had_been_trained_to_the_bit(int catchUpEvery)
    {
        using AdamWOptimiser whole = new(new([("table", _whole)], []), Settings), some = new(new([("table", _table)], []), Settings, _rows);
        for (var update = 1; update <= 13; update++)
        {
            Backward(update);
            Step(whole, update);
            Step(some, update);
            if (update % catchUpEvery == 0)
            {
                _rows.CatchUp();
            }
        }

        _rows.CatchUp();
        Numbers.AssertClose(_table, _whole, 0, "table");
        Assert.Null(_table.grad);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_state_fits_an_optimiser_of_the_other_kind(bool fromRows)
    {
        using AdamWOptimiser whole = new(new([("table", _whole)], []), Settings), some = new(new([("table", _table)], []), Settings, _rows);
        Backward(1);
        Step(whole, 1);
        Step(some, 1);
        Backward(2);
        _rows.CatchUp();
        var (giver, taker) = fromRows ? (some, whole) : (whole, some);
        var state = giver.StateTensors(withGradients: true).ToDictionary(pair => pair.Key, pair => pair.Value.clone());
        taker.ClearGradients();

        taker.Restore(state, 1);
        Step(whole, 2);
        Step(some, 2);

        _rows.CatchUp();
        Numbers.AssertClose(_table, _whole, 0, "table");
    }

    [Fact]
    public void A_state_with_rows_outside_the_table_is_refused()
    {
        using var some = new AdamWOptimiser(new([("table", _table)], []), Settings, _rows);
        var state = some.StateTensors(withGradients: false).ToDictionary();
        state["rows.table"] = tensor(new long[] { 0, 3, 7, 12, 40 });

        Assert.Contains("damaged", Assert.Throws<InvalidDataException>(() => some.Restore(state, 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Looking_up_a_row_that_was_not_named_is_an_error_that_names_it()
    {
        var sum = RowLookup.Run(_table, tensor(new long[] { 3, 4 }), _rows).sum();

        Assert.Contains("row 4", Assert.Throws<InvalidOperationException>(() => BackwardPass.Run(sum)).Message, StringComparison.Ordinal);
    }

    private void Backward(int seed)
    {
        using var generator = new Generator((ulong)seed);
        // Not every row in every update: those left out move by their moments all the same.
        var ids = tensor(seed % 2 == 0 ? new long[] { 3, 7, 3, 0 } : new long[] { 29, 12, 3 });
        var weights = randn(ids.shape[0], 20, generator: generator);
        BackwardPass.Run((RowLookup.Run(_whole, ids) * weights).sum());
        BackwardPass.Run((RowLookup.Run(_table, ids, _rows) * weights).sum());
    }

    private static void Step(AdamWOptimiser optimiser, int update)
    {
        optimiser.Step(1e-2 / update);
        optimiser.ClearGradients();
    }
}
