using System.Diagnostics;
using System.Globalization;
using NotebookLib.Html;
using NotebookLib.Metrics;
using NotebookLib.Model;
using NotebookLib.Platform;
using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>Scores of another tagger on the same test split.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Scores">Over words, seqeval's default mode.</param>
/// <param name="UnseenF1">F1 over entities that training never saw, or null.</param>
/// <param name="Seconds">What its training took, or null.</param>
public sealed record BaselineScores(string Name, SequenceScores Scores, double? UnseenF1, double? Seconds);

/// <summary>What a run has to beat: memory alone, and the same network without what the experiment is about.</summary>
public static class Baselines
{
    /// <summary>Scores the baselines of an experiment on its test split, and puts the run beside them.</summary>
    /// <param name="plan">When it compares, a second network is trained with the same settings; a head alone has none, it would be compared with itself.</param>
    /// <param name="data">Its sentences.</param>
    /// <param name="fit">The run's training.</param>
    /// <param name="judgement">The run's scores.</param>
    /// <returns>A table, the run last; an empty view where nothing is trained.</returns>
    public static HtmlView Compare(ExperimentPlan plan, ExperimentData data, Fit fit, Judgement judgement)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(fit);
        ArgumentNullException.ThrowIfNull(judgement);
        if (!plan.Trains)
        {
            return new EmptyView("What training is worth", "Nothing is trained in this profile.");
        }

        BaselineScores[] others = [Lookup(data), .. plan.Compares && plan.Method != Method.Head ? [Second(plan, data)] : Array.Empty<BaselineScores>()];
        return Table(data.TestTitle, others, new("this run", judgement.Words.Scores, judgement.Errors.Unseen?.F1, fit.Result?.ElapsedSeconds));
    }

    /// <summary>The training entities, learned by heart.</summary>
    public static BaselineScores Lookup(ExperimentData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        var lookup = LookupBaseline.Of(data.Train, data.Labels);
        var judged = data.Test.Select(sentence => new JudgedSentence(sentence.Words, sentence.Tags, lookup.Tag(sentence.Words)));
        return new("training's entities by heart, longest match first", lookup.Score(data.Test), ErrorAnalysis.Of(judged, data.Labels, data.Known).Unseen?.F1, null);
    }

    /// <summary>The same network without pre-training; for LoRA with its head alone, which is what the published run came to.</summary>
    public static BaselineScores Second(ExperimentPlan plan, ExperimentData data)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        var isFull = plan.Method == Method.Full;
        var training = plan.Training with { OutputFolder = Path.Combine(plan.OutputFolder, "comparison"), SaveEvery = Interval.Never, ExistingRun = ExistingRun.Replace };
        var second = plan with { Training = training, Adapters = plan.Adapters is null ? null : plan.Adapters with { TrainsHeadOnly = true } };
        using var model = ExperimentModel.LoadAsync(second, data).GetAwaiter().GetResult();
        if (isFull)
        {
            WeightInitializer.Initialize(model.Network, model.Network.Config, plan.Training.Seed);
        }

        var clock = Stopwatch.StartNew();
        _ = Fit.Run(second, data, model);
        var seconds = clock.Elapsed.TotalSeconds;
        var judgement = Judgement.Of(second, data, model, Interruption.Token);
        Directory.Delete(training.OutputFolder, recursive: true);
        return new(
            isFull ? "the same network from random weights" : "the head alone on frozen features, as the published run",
            judgement.Words.Scores, judgement.Errors.Unseen?.F1, seconds);
    }

    private static TableView Table(string split, IReadOnlyList<BaselineScores> others, BaselineScores run) => new(
        "What training is worth",
        [new("tagger"), new("F1", true), new("precision", true), new("recall", true), new("F1, mean of types", true), new("F1, entities never seen", true), new("training", true)],
        [.. others.Select(other => Line(other, Mark.None)), Line(run, Mark.Best)],
        $"{split}, words, 0 to 1.",
        "Entities never seen: those whose very words training never had as an entity. Time with evaluations.");

    private static Row Line(BaselineScores scores, Mark mark) => new(
        [
            scores.Name, new(Share(scores.Scores.Micro.F1), Bar: scores.Scores.Micro.F1), Share(scores.Scores.Micro.Precision), Share(scores.Scores.Micro.Recall),
            Share(scores.Scores.Macro.F1), Share(scores.UnseenF1), scores.Seconds is { } seconds ? Invariant($"{seconds:0} s") : "",
        ],
        mark);

    private static string Share(double? value) => value?.ToString("0.000", CultureInfo.InvariantCulture) ?? "";
}
