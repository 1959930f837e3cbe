using NotebookLib.Inference;
using NotebookLib.Metrics;
using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>What a model is worth on the test split: piece by piece as the Trainer scores, and word by word through the back-alignment as the published table does.</summary>
/// <param name="Pieces">Loss and scores over pieces.</param>
/// <param name="Words">Tags, scores, losses and confidences over words.</param>
/// <param name="Errors">What went wrong, entity by entity.</param>
public sealed record Judgement(EvaluationResult Pieces, JudgedSplit Words, ErrorAnalysis Errors)
{
    /// <summary>Tests a model.</summary>
    /// <param name="plan">The experiment.</param>
    /// <param name="data">Its sentences.</param>
    /// <param name="model">The model to test.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static Judgement Of(ExperimentPlan plan, ExperimentData data, ExperimentModel model, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        var policy = new PrecisionPolicy(plan.Training.Precision, model.Network.parameters().First().device_type);
        var pieces = TokenEvaluation.Run(model.Network, data.Labels, data.TestRows, plan.Training.EvaluationBatchSize, precision: policy, cancellation: cancellation);
        using var precision = policy.Enter();
        var words = new SplitJudge(data.Tokenizer, new ModelPieceScorer(model.Network, plan.Training.EvaluationBatchSize), data.Labels).Judge(data.Test, cancellation);
        var known = data.Train.Count > 0 ? data.Known : null;
        return new(pieces, words, ErrorAnalysis.Of(words.Sentences, data.Labels, known));
    }
}
