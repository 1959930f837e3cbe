using System.Globalization;
using NotebookLib.Training;
using static NotebookLib.Platform.NumberText;

namespace NotebookLib.Display;

/// <summary>The panel as lines of text, for hosts where nothing can be replaced.</summary>
internal static class PanelLines
{
    /// <summary>The line at the start.</summary>
    public static string Start(RunSummary summary) => string.Create(
        CultureInfo.InvariantCulture,
        $"training: {summary.Updates:N0} updates of {summary.EffectiveBatch}; {summary.TrainedParameters:N0} of {summary.TotalParameters:N0} parameters; "
            + $"{summary.Device}, {summary.Precision}");

    /// <summary>A line about the last logged stretch.</summary>
    public static string Step(PanelState state, long memoryBytes)
    {
        var step = state.LastStep!;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"update {step.Update:N0}/{state.Summary.Updates:N0} ({state.Share:0 %}) · loss {step.Loss:0.0000} · lr {Rate(step.LearningRate)} · "
                + $"{step.TokensPerSecond:N0} tokens/s · "
                + $"{Gigabytes(memoryBytes)}{(OnDevice(step) is { Length: > 0 } device ? " · GPU " + device : "")} · left "
                + $"{Left(state.SecondsLeft())}");
    }

    /// <summary>What a CUDA device tells of itself: memory, and how busy it was; empty on a CPU.</summary>
    public static string OnDevice(LoggedStep? step) => step is not { DeviceMemoryBytes: > 0 } ? ""
        : string.Create(CultureInfo.InvariantCulture, $"{Gigabytes(step.DeviceMemoryBytes)} of {Gigabytes(step.DeviceMemoryTotalBytes)}")
            + (step.DeviceUtilisation is { } share ? string.Create(CultureInfo.InvariantCulture, $", {share:0 %} busy") : "");

    /// <summary>A line about an evaluation.</summary>
    public static string Evaluation(LoggedEvaluation evaluation)
    {
        var metrics = string.Join(" · ", LivePanelView.Metrics.Where(metric => evaluation.Metrics.ContainsKey(metric.Key))
            .Select(metric => $"{metric.Name} {evaluation.Metrics[metric.Key].ToString(metric.Format, CultureInfo.InvariantCulture)}"));
        return Invariant($"evaluation at {evaluation.Update:N0} · {metrics} · ")
            + Invariant($"{Duration(evaluation.ElapsedSeconds)}{(evaluation.IsBest ? " · best so far" : "")}");
    }

    /// <summary>The line at the end.</summary>
    public static string End(PanelState state) => state.EndText
        + (state.Best is { } best ? Invariant($"; best at update {best.Update:N0}") : "");

    /// <summary>How a run ended, as a word.</summary>
    public static string WordFor(TrainingEnd end) => end switch
    {
        TrainingEnd.Finished => "finished",
        TrainingEnd.StoppedEarly => "stopped early",
        _ => "stopped",
    };

    /// <summary>Time left, or what is said while it is not known.</summary>
    public static string Left(double? seconds) => seconds is { } known ? Duration(known) : "not known yet";
}
