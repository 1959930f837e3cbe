using NotebookLib.Model;
using NotebookLib.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

/// <summary>A task that is another one in everything; what derives from it changes a part.</summary>
internal abstract class ForwardingTask(ITrainingTask inner) : ITrainingTask
{
    public nn.Module Model => inner.Model;

    public int RowCount => inner.RowCount;

    public int EvaluationRowCount => inner.EvaluationRowCount;

    public string DataFingerprint => inner.DataFingerprint;

    public string EvaluationFingerprint => inner.EvaluationFingerprint;

    public Parameter? Table => inner.Table;

    public IReadOnlyList<IReadOnlyList<Parameter>> Layers => inner.Layers;

    public TrainedRows? TrainedRows => inner.TrainedRows;

    public IReadOnlyDictionary<string, byte[]> RandomStates => inner.RandomStates;

    public bool TakesGroups => inner.TakesGroups;

    public bool ReadsLate => inner.ReadsLate;

    public int? PiecesThatFit(ScalarType productType) => inner.PiecesThatFit(productType);

    public int TokensOf(int row) => inner.TokensOf(row);

    public long[] TableRowsOf(IEnumerable<ReadOnlyMemory<int>> microBatches) => inner.TableRowsOf(microBatches);

    public virtual IDisposable WatchLayers(Action<int> done) => inner.WatchLayers(done);

    public void SkipRandom(int microBatches) => inner.SkipRandom(microBatches);

    public double LossWeightOf(int row) => inner.LossWeightOf(row);

    public virtual Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> microBatches, long first, double? divisor) =>
        inner.ComputeLosses(microBatches, first, divisor);

    public IDisposable HoldWeights() => inner.HoldWeights();

    public virtual EvaluationResult Evaluate(PrecisionPolicy precision, CancellationToken cancellation) => inner.Evaluate(precision, cancellation);

    public object Describe(int row) => inner.Describe(row);

    public void SaveWeights(string folder) => inner.SaveWeights(folder);

    public void LoadWeights(string folder) => inner.LoadWeights(folder);

    public IEnumerable<string> FindContradictions(string folder) => inner.FindContradictions(folder);

    public void Seed(long seed) => inner.Seed(seed);

    public void RestoreRandomStates(IReadOnlyDictionary<string, byte[]> states) => inner.RestoreRandomStates(states);

    public void Dispose() => inner.Dispose();
}
