using NotebookLib.Batching;
using NotebookLib.Html;
using NotebookLib.Model;
using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Experiments;

/// <summary>One thing that must hold before a long run is worth its time.</summary>
/// <param name="Name">What was tried.</param>
/// <param name="Expected">In words.</param>
/// <param name="Found">In words.</param>
/// <param name="Holds">Whether it held.</param>
public sealed record SanityFinding(string Name, string Expected, string Found, bool Holds);

/// <summary>
/// Three checks of a minute, before a run of hours: an untrained head knows nothing, one batch can be learned by heart, an evaluation goes through. The model is
/// afterwards as it was before.
/// </summary>
public static class SanityCheck
{
    private const int OverfitRows = 8;
    private const int OverfitUpdates = 40;
    private const double OverfitShare = 0.2;

    /// <summary>Runs the checks.</summary>
    /// <param name="plan">The experiment.</param>
    /// <param name="data">Its sentences.</param>
    /// <param name="model">Its model; its weights are put back bit for bit.</param>
    /// <returns>A table of findings; an empty view where nothing is trained.</returns>
    public static HtmlView Run(ExperimentPlan plan, ExperimentData data, ExperimentModel model)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        return plan.Trains
            ? Table(Find(plan, data, model))
            : new EmptyView("Before the long run", "Nothing is trained in this profile, so there is nothing to check.");
    }

    /// <summary>Runs the checks and gives the findings.</summary>
    /// <inheritdoc cref="Run" path="/param"/>
    public static IReadOnlyList<SanityFinding> Find(ExperimentPlan plan, ExperimentData data, ExperimentModel model)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        var rows = BatchOrder.Reference(data.TrainRows.Count, plan.Training.Seed, 0).Rows.Take(OverfitRows).Select(row => data.TrainRows[row]).ToList();
        model.Network.eval();
        return [FirstLoss(plan, model, rows), Overfit(plan, model, rows), TwoBatches(plan, data, model)];
    }

    private static SanityFinding FirstLoss(ExperimentPlan plan, ExperimentModel model, List<EncodedSentence> rows)
    {
        var labels = model.Network.Config.Labels.Count;
        var loss = LossOf(plan, model, rows);
        var isNew = model.Report.Missing.Count > 0;
        return new(
            "First loss",
            isNew ? Invariant($"near ln {labels} = {Math.Log(labels):0.00}: a new head knows nothing") : "below that of a new head: the head is trained already",
            Invariant($"{loss:0.00} nats"),
            isNew ? Math.Abs(loss - Math.Log(labels)) < 0.75 : loss < Math.Log(labels));
    }

    private static SanityFinding Overfit(ExperimentPlan plan, ExperimentModel model, List<EncodedSentence> rows)
    {
        var trained = model.Network.parameters().Where(parameter => parameter.requires_grad).ToList();
        using var scope = NewDisposeScope();
        var before = trained.Select(parameter => parameter.detach().clone()).ToList();
        try
        {
            // Four times the schedule's peak: a batch that stays the same bears it, and forty updates must do.
            var settings = plan.Training with { LearningRate = 4 * plan.Training.LearningRate };
            var first = LossOf(plan, model, rows);
            using var optimiser = new AdamWOptimiser(ParameterGroups.Of(model.Network), settings);
            for (var update = 0; update < OverfitUpdates; update++)
            {
                using var step = NewDisposeScope();
                BackwardPass.Run(Loss(plan, model, rows));
                optimiser.ClipGradients(optimiser.GradientNorm(), 1);
                optimiser.Step(settings.LearningRate);
                optimiser.ClearGradients();
            }

            var last = LossOf(plan, model, rows);
            return new(
                "One batch by heart",
                Invariant($"{OverfitUpdates} updates on {rows.Count} sentences bring their loss below {OverfitShare:0 %} of the first"),
                Invariant($"{first:0.00} → {last:0.000} nats"),
                last < OverfitShare * first);
        }
        finally
        {
            using var quiet = no_grad();
            foreach (var (parameter, old) in trained.Zip(before))
            {
                parameter.copy_(old);
            }
        }
    }

    private static SanityFinding TwoBatches(ExperimentPlan plan, ExperimentData data, ExperimentModel model)
    {
        var size = plan.Training.EvaluationBatchSize;
        var rows = data.ValidationRows.Take(2 * size).ToList();
        if (rows.Count == 0)
        {
            return new("An evaluation", "two batches go through", "there are no validation sentences: no evaluation, no best model", true);
        }

        var policy = new PrecisionPolicy(plan.Training.Precision, model.Network.parameters().First().device_type);
        var result = TokenEvaluation.Run(model.Network, data.Labels, rows, size, precision: policy);
        return new(
            "An evaluation",
            "two batches go through",
            Invariant($"{rows.Count} sentences: loss {result.Loss:0.00} nats, F1 {result.Scores!.Micro.F1:0.000} (untrained)"),
            double.IsFinite(result.Loss));
    }

    private static double LossOf(ExperimentPlan plan, ExperimentModel model, List<EncodedSentence> rows)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        return Loss(plan, model, rows).to(ScalarType.Float32).item<float>();
    }

    private static Tensor Loss(ExperimentPlan plan, ExperimentModel model, List<EncodedSentence> rows)
    {
        var device = model.Network.parameters().First().device;
        using var batch = Batch.Pad(rows, device);
        using var precision = new PrecisionPolicy(plan.Training.Precision, device.type).Enter();
        return Model.DebertaV2ForTokenClassification.Loss(model.Network.call(batch.InputIds, batch.AttentionMask), batch.Labels);
    }

    private static TableView Table(IReadOnlyList<SanityFinding> findings) => new(
        "Before the long run",
        [new("check"), new("expected"), new("found"), new("")],
        [.. findings.Select(finding => new Row([finding.Name, finding.Expected, finding.Found, new(finding.Holds ? "holds" : "does not hold", finding.Holds ? Mark.Good : Mark.Bad)]))],
        note: findings.All(finding => finding.Holds) ? "The weights are as they were before." : "Look into what does not hold before you spend hours on the run.");
}
