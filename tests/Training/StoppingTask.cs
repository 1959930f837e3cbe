using NotebookLib.Model;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>A task that something happens to while it computes its n-th micro-batch: its run is cancelled, as by Ctrl-C at that moment, or dies of an exception, as by a kill.</summary>
internal sealed class StoppingTask(ITrainingTask inner, Action happen, int microBatches) : ITrainingTask
{
    private int _computed;

    public nn.Module Model => inner.Model;

    public int RowCount => inner.RowCount;

    public int EvaluationRowCount => inner.EvaluationRowCount;

    public string DataFingerprint => inner.DataFingerprint;

    public IReadOnlyDictionary<string, byte[]> RandomStates => inner.RandomStates;

    public int? PiecesThatFit(int longest, ScalarType productType) => inner.PiecesThatFit(longest, productType);

    public int TokensOf(int row) => inner.TokensOf(row);

    public double LossWeightOf(int row) => inner.LossWeightOf(row);

    public TrainedRows? TrainedRows => inner.TrainedRows;

    public bool TakesGroups => inner.TakesGroups;

    public bool ReadsLate => inner.ReadsLate;

    public Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> rows, long first, double? divisor)
    {
        if (_computed < microBatches && (_computed += rows.Count) >= microBatches)
        {
            happen();
        }

        return inner.ComputeLosses(rows, first, divisor);
    }

    public IDisposable HoldWeights() => inner.HoldWeights();

    public EvaluationResult Evaluate(PrecisionPolicy precision, CancellationToken cancellation) => inner.Evaluate(precision, cancellation);

    public object Describe(int row) => inner.Describe(row);

    public void SaveWeights(string folder) => inner.SaveWeights(folder);

    public void LoadWeights(string folder) => inner.LoadWeights(folder);

    public IEnumerable<string> FindContradictions(string folder) => inner.FindContradictions(folder);

    public void Seed(long seed) => inner.Seed(seed);

    public void RestoreRandomStates(IReadOnlyDictionary<string, byte[]> states) => inner.RestoreRandomStates(states);

    public void Dispose() => inner.Dispose();
}
