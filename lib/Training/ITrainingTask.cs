using NotebookLib.Model;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace NotebookLib.Training;

/// <summary>What the training loop needs to know of a task: rows, a loss, an evaluation, and how its weights are kept.</summary>
internal interface ITrainingTask : IDisposable
{
    /// <summary>The model; its parameters that require a gradient are trained.</summary>
    nn.Module Model { get; }

    /// <summary>Training rows.</summary>
    int RowCount { get; }

    /// <summary>Evaluation rows; 0 for none.</summary>
    int EvaluationRowCount { get; }

    /// <summary>A hash over the training rows, so that a run is not continued on other data.</summary>
    string DataFingerprint { get; }

    /// <summary>
    /// The rows of the embedding table that the training rows can reach, where only they are to be trained; null trains the table like any other parameter.
    /// </summary>
    TrainedRows? TrainedRows => null;

    /// <summary>The same over the evaluation rows.</summary>
    string EvaluationFingerprint => "";

    /// <summary>The table of which a micro-batch gives a gradient to its own rows alone; null where there is none, or it is not trained.</summary>
    Parameter? Table => null;

    /// <summary>Those rows for some micro-batches together, each once.</summary>
    long[] TableRowsOf(IEnumerable<ReadOnlyMemory<int>> microBatches) => [];

    /// <summary>Parameters of each layer that <see cref="WatchLayers"/> tells of, first to last.</summary>
    IReadOnlyList<IReadOnlyList<Parameter>> Layers => [];

    /// <summary>Until the result is disposed, a backward pass tells when a layer's parameters have their gradients, the last one first; it need not.</summary>
    IDisposable WatchLayers(Action<int> done) => new Platform.Ending(null);

    /// <summary>The task's generators go on as if micro-batches had been trained.</summary>
    void SkipRandom(int microBatches)
    {
    }

    /// <summary>Pieces of a row, padding not counted.</summary>
    int TokensOf(int row);

    /// <summary>What a row adds to the loss's divisor.</summary>
    double LossWeightOf(int row);

    /// <summary>Whether <see cref="ComputeLosses"/> takes several micro-batches at once, in the precision that is on in this thread.</summary>
    bool TakesGroups => false;

    /// <summary>Whether a look at a value on the device holds everything up there, so that losses and norms are read as seldom as can be.</summary>
    bool ReadsLate => false;

    /// <summary>Pieces that memory holds at once beside what is there now, by an estimate; null where nothing is known.</summary>
    /// <param name="productType">Element type of the matrix products.</param>
    int? PiecesThatFit(ScalarType productType) => null;

    /// <summary>Bytes that a training will take beside what is there now, by an estimate, for weights and for a pass; null where nothing is known.</summary>
    /// <param name="productType">Element type of the matrix products.</param>
    (long Weights, long Activations)? BytesToCome(ScalarType productType) => null;

    /// <summary>Forward pass and losses of micro-batches.</summary>
    /// <param name="microBatches">Which rows; several only where <see cref="TakesGroups"/> says so.</param>
    /// <param name="first">The first one's number since the start, for tasks that draw at random.</param>
    /// <param name="divisor">The whole update's divisor, or null for each micro-batch's own mean.</param>
    /// <returns>A loss for each, with its graph, in the caller's dispose scope.</returns>
    Tensor ComputeLosses(IReadOnlyList<ReadOnlyMemory<int>> microBatches, long first, double? divisor);

    /// <summary>Promises that the weights stay as they are until the result is disposed: around the micro-batches of an update.</summary>
    IDisposable HoldWeights();

    /// <summary>
    /// Scores the evaluation rows, in evaluation mode and without gradients; leaves the model in training mode. Ranks do it together.
    /// </summary>
    EvaluationResult Evaluate(PrecisionPolicy precision, CancellationToken cancellation);

    /// <summary>What a row holds, for the file that keeps a batch that went wrong.</summary>
    object Describe(int row);

    /// <summary>Saves the weights as a loadable model, or as a loadable adapter, into an existing folder.</summary>
    void SaveWeights(string folder);

    /// <summary>Fills the model with the weights that <see cref="SaveWeights"/> wrote.</summary>
    void LoadWeights(string folder);

    /// <summary>Why the weights in a checkpoint's folder do not continue this model, a line each; empty when they do.</summary>
    IEnumerable<string> FindContradictions(string folder);

    /// <summary>Seeds the task's own random generators.</summary>
    void Seed(long seed);

    /// <summary>States of the task's own random generators, by name.</summary>
    IReadOnlyDictionary<string, byte[]> RandomStates { get; }

    /// <summary>Sets what <see cref="RandomStates"/> gave.</summary>
    void RestoreRandomStates(IReadOnlyDictionary<string, byte[]> states);
}
