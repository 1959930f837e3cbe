using NotebookLib.Model;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>A task to whose passes something happens, and which counts them.</summary>
/// <param name="inner">The task itself.</param>
/// <param name="happen">Gets the number of a pass's first micro-batch, how many it has, and their losses; gives the losses that the loop sees, or throws.</param>
internal sealed class FaultyTask(ITrainingTask inner, Func<long, int, Tensor, Tensor>? happen = null) : ITrainingTask
{
    /// <summary>Micro-batches of every pass that was begun.</summary>
    public List<int> Passes { get; } = [];

    public nn.Module Model => inner.Model;

    public int RowCount => inner.RowCount;

    public int EvaluationRowCount => inner.EvaluationRowCount;

    public string DataFingerprint => inner.DataFingerprint;

    public TrainedRows? TrainedRows => inner.TrainedRows;

    public IReadOnlyDictionary<string, byte[]> RandomStates => inner.RandomStates;

    public bool TakesGroups => inner.TakesGroups;

    public bool ReadsLate => inner.ReadsLate;

    public int? PiecesThatFit(int longest, ScalarType productType) => inner.PiecesThatFit(longest, productType);

    public int TokensOf(int row) => inner.TokensOf(row);

    public double LossWeightOf(int row) => inner.LossWeightOf(row);

    public Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> microBatches, long first, double? divisor)
    {
        Passes.Add(microBatches.Count);
        var losses = inner.ComputeLosses(microBatches, first, divisor);
        return happen is null ? losses : happen(first, microBatches.Count, losses);
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
