using NotebookLib.Batching;
using NotebookLib.Data;
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
internal sealed record SanityFinding(string Name, string Expected, string Found, bool Holds);

/// <summary>
/// Three checks of a minute, before a run of hours: an untrained head knows nothing, one batch can be learned by heart, an evaluation goes through. The model
/// is afterwards as it was before.
/// </summary>
public static class SanityCheck
{
    private const int OverfitRows = 8;
    private const int OverfitUpdates = 40;
    private const double OverfitShare = 0.2;

    /// <summary>Runs the checks.</summary>
    /// <param name="loaded">The model as it will be trained; its weights are put back bit for bit.</param>
    /// <param name="labels">Names the label ids.</param>
    /// <param name="training">Rows to train on; none leaves the first two checks out.</param>
    /// <param name="evaluation">Rows to evaluate on.</param>
    /// <param name="settings">How it will be trained.</param>
    /// <returns>A table of findings.</returns>
    public static TableView Run(
        Loaded<DebertaV2ForTokenClassification> loaded, LabelSet labels, IReadOnlyList<EncodedSentence> training, IReadOnlyList<EncodedSentence> evaluation,
        TrainingSettings settings) =>
        Table(Find(loaded, labels, training, evaluation, settings));

    /// <summary>Runs the checks and gives the findings.</summary>
    /// <inheritdoc cref="Run" path="/param"/>
    internal static IReadOnlyList<SanityFinding> Find(
        Loaded<DebertaV2ForTokenClassification> loaded, LabelSet labels, IReadOnlyList<EncodedSentence> training, IReadOnlyList<EncodedSentence> evaluation,
        TrainingSettings settings)
    {
        ArgumentNullException.ThrowIfNull(loaded);
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(evaluation);
        ArgumentNullException.ThrowIfNull(settings);
        var model = loaded.Model;
        model.eval();
        TokenEvaluation.RefuseForeignPieces(model, "training", training);
        var rows = training.Count == 0
            ? [] : BatchOrder.Reference(training.Count, settings.Seed, 0).Rows.Take(OverfitRows).Select(row => training[row]).ToList();
        return [.. rows.Count == 0 ? Array.Empty<SanityFinding>() : [FirstLoss(loaded, rows, settings), Overfit(model, rows, settings)],
            TwoBatches(model, labels, evaluation, settings), Lengths(model.Config, [.. training, .. evaluation])];
    }

    private static SanityFinding Lengths(DebertaConfig config, IReadOnlyList<EncodedSentence> rows)
    {
        var (most, longer) = (config.FarthestDistance, rows.Count(row => row.Length > config.FarthestDistance));
        return new(
            "Lengths",
            Invariant($"at most {most} pieces: the model does not tell greater distances apart"),
            Invariant($"the longest sentence has {rows.Select(row => row.Length).DefaultIfEmpty().Max()} ")
                + Invariant($"pieces{(longer == 0 ? "" : $"; {longer} of {rows.Count} are longer: split them")}"),
            longer == 0);
    }

    private static SanityFinding FirstLoss(Loaded<DebertaV2ForTokenClassification> loaded, List<EncodedSentence> rows, TrainingSettings settings)
    {
        var labels = loaded.Model.Config.Labels.Count;
        var loss = LossOf(loaded.Model, rows, settings);
        var isNew = loaded.Model.HasNewHead;
        return new(
            "First loss",
            isNew ? Invariant($"near ln {labels} = {Math.Log(labels):0.00}: a new head knows nothing")
                : "below that of a new head: the head is trained already",
            Invariant($"{loss:0.00} nats"),
            isNew ? Math.Abs(loss - Math.Log(labels)) < 0.75 : loss < Math.Log(labels));
    }

    private static SanityFinding Overfit(DebertaV2ForTokenClassification model, List<EncodedSentence> rows, TrainingSettings training)
    {
        var trained = model.parameters().Where(parameter => parameter.requires_grad).ToList();
        using var scope = NewDisposeScope();
        var before = trained.Select(parameter => parameter.detach().clone()).ToList();
        try
        {
            // Four times the schedule's peak: a batch that stays the same bears it, and forty updates must do.
            var settings = training with { LearningRate = 4 * training.LearningRate };
            var first = LossOf(model, rows, training);
            using var optimiser = new AdamWOptimiser(ParameterGroups.Of(model), settings);
            for (var update = 0; update < OverfitUpdates; update++)
            {
                using var step = NewDisposeScope();
                BackwardPass.Run(Loss(model, rows, training));
                optimiser.ClipGradients(optimiser.GradientNorm(), 1);
                optimiser.Step(settings.LearningRate);
                optimiser.ClearGradients();
            }

            var last = LossOf(model, rows, training);
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

    private static SanityFinding TwoBatches(DebertaV2ForTokenClassification model, LabelSet labels, IReadOnlyList<EncodedSentence> evaluation,
        TrainingSettings settings)
    {
        List<EncodedSentence> rows = [.. evaluation.Take(2 * settings.EvaluationBatchSize)];
        if (rows.Count == 0)
        {
            return new("An evaluation", "two batches go through", "there are no validation sentences: no evaluation, no best model", true);
        }

        var result = TokenEvaluation.Run(model, labels, rows, settings, keepPredictions: false);
        return new(
            "An evaluation",
            "two batches go through",
            Invariant($"{rows.Count} sentences: loss {result.Loss:0.00} nats, F1 {result.Scores!.Micro.F1:0.000} ")
                + Invariant($"({(model.HasNewHead ? "untrained" : "before this training")})"),
            double.IsFinite(result.Loss));
    }

    private static double LossOf(DebertaV2ForTokenClassification model, List<EncodedSentence> rows, TrainingSettings settings)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        return Loss(model, rows, settings).to(ScalarType.Float32).item<float>();
    }

    private static Tensor Loss(DebertaV2ForTokenClassification model, List<EncodedSentence> rows, TrainingSettings settings)
    {
        var device = model.parameters().First().device;
        using var batch = Batch.Of(rows, device);
        using var precision = new PrecisionPolicy(settings.Precision, device.type).Enter();
        return DebertaV2ForTokenClassification.Loss(model.Score(batch), batch.Labels);
    }

    private static TableView Table(IReadOnlyList<SanityFinding> findings) => new(
        "Before the long run",
        [new("check"), new("expected"), new("found"), new("")],
        [.. findings.Select(finding =>
            new Row([finding.Name, finding.Expected, finding.Found, new(finding.Holds ? "holds" : "does not hold", finding.Holds ? Mark.Good : Mark.Bad)]))],
        note: findings.All(finding => finding.Holds)
            ? "The weights are as they were before." : "Look into what does not hold before you spend hours on the run.");
}
