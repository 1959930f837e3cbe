using AngleSharp.Html.Parser;
using Microsoft.Extensions.Time.Testing;
using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Training;

namespace NotebookLib.Tests.Display;

public sealed class LivePanelTests
{
    private readonly FakeTimeProvider _time = new();

    // 100 updates of 16 × 8 sentences, a log every 10, an evaluation of 1,280 sentences every 25.
    internal static readonly RunSummary Summary = new()
    {
        Device = "cpu, 2 threads",
        TotalParameters = 1000,
        TrainedParameters = 900,
        TrainingRows = 12800,
        EvaluationRows = 1280,
        Commit = "unknown",
        Settings = new TrainingSettings { MaximumUpdates = 100, LogEvery = 10, EvaluateEvery = 25 },
    };

    private static RunSummary Planned(int updates) => Summary with { Settings = Summary.Settings with { MaximumUpdates = updates } };

    [Fact]
    public void The_panel_is_drawn_at_most_once_a_second()
    {
        var host = new RecordingHost();
        using var panel = Panel(host);
        panel.RunStarted(Summary, new());

        for (var i = 1; i <= 10; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(100));
            panel.StepLogged(Step(i, i / 10.0));
        }

        // Once at the start, once when the second was over.
        Assert.Equal(2, host.Shown.Count);
    }

    [Fact]
    public void The_clock_goes_on_between_logs()
    {
        var host = new RecordingHost();
        using var panel = Panel(host);
        panel.RunStarted(Summary, new());

        _time.Advance(TimeSpan.FromSeconds(90));

        Assert.Equal(91, host.Shown.Count);
        Assert.Contains("elapsed 1:30 min", host.Shown[^1].ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_time_left_includes_the_evaluations_that_are_still_due()
    {
        using var panel = Panel(new RecordingHost());
        panel.RunStarted(Summary, new());

        Advance(20);
        panel.StepLogged(Step(10, 20));
        // 2 s an update. Nothing is evaluated yet: 1,280 sentences forward take a third of 10 updates, 6.67 s each; four are due. 90·2 + 4·6.67 = 206.7 s.
        Assert.Contains("left, evaluations included 3:27 min", Text(panel), StringComparison.Ordinal);

        Advance(30);
        panel.StepLogged(Step(25, 50));
        Advance(10);
        panel.EvaluationDone(Evaluation(25, 0.5, isBest: true, seconds: 10), null!);
        // 75 updates of 2 s and three evaluations of 10 s.
        Assert.Contains("left, evaluations included 3:00 min", Text(panel), StringComparison.Ordinal);

        // 10 s for the evaluation, 10 s for five updates: the evaluation's time is not taken for training.
        Advance(10);
        panel.StepLogged(Step(30, 70));
        Assert.Contains("left, evaluations included 2:50 min", Text(panel), StringComparison.Ordinal);

        // Five seconds later, before the next log, it is five seconds less.
        Advance(5);
        Assert.Contains("left, evaluations included 2:45 min", Text(panel), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_is_resumed_waits_for_a_stretch_of_known_length()
    {
        using var panel = Panel(new RecordingHost());
        panel.RunStarted(Summary, new());

        panel.StepLogged(Step(60, 500));
        Assert.Contains("left, evaluations included not known yet", Text(panel), StringComparison.Ordinal);

        panel.StepLogged(Step(70, 520));
        // 30 updates of 2 s; evaluations at 75 and 100, 6.67 s each.
        Assert.Contains("left, evaluations included 1:13 min", Text(panel), StringComparison.Ordinal);
    }

    [Fact]
    public void The_best_evaluation_is_marked_and_stays_in_sight()
    {
        var host = new RecordingHost();
        using var panel = Panel(host);
        panel.RunStarted(Planned(1000), new());
        panel.EvaluationDone(Evaluation(25, 0.9, isBest: true), null!);
        for (var i = 2; i <= 20; i++)
        {
            panel.EvaluationDone(Evaluation(25 * i, 0.5, isBest: false), null!);
        }

        var document = new HtmlParser().ParseDocument(host.Shown[^1].ToHtml());

        var best = Assert.Single(document.QuerySelectorAll("tr.nl-best"));
        Assert.StartsWith("★ 25", best.TextContent, StringComparison.Ordinal);
        Assert.Equal(13, document.QuerySelectorAll("tbody tr").Length);
        Assert.Contains("7 earlier evaluations are not shown", document.Body!.TextContent, StringComparison.Ordinal);
    }

    [Fact]
    public void The_end_is_shown_at_once_and_the_clock_stops()
    {
        var host = new RecordingHost();
        using var panel = Panel(host);
        panel.RunStarted(Summary, new());
        panel.StepLogged(Step(100, 50));
        panel.RunEnded(new(TrainingEnd.Finished, "all 100 updates are made", 100, TrainingHistory.Empty, "folder", null, Summary, 50, 0.1, []));
        var count = host.Shown.Count;

        _time.Advance(TimeSpan.FromMinutes(1));

        Assert.Equal(count, host.Shown.Count);
        Assert.Contains("finished: all 100 updates are made", host.Shown[^1].ToText(), StringComparison.Ordinal);
        Assert.Contains("nl-done", host.Shown[^1].ToHtml(), StringComparison.Ordinal);
        Assert.DoesNotContain("left", host.Shown[^1].ToText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(25, 20, "Update 25 of 25, epoch 0.25 · finished")]
    [InlineData(6, 0, "Update 6 of 6, epoch 0.06 · finished")]
    public void At_the_end_it_stands_at_the_last_update_also_when_that_was_not_logged(int updates, int logged, string expected)
    {
        var summary = Planned(updates);
        using var panel = Panel(new RecordingHost());
        panel.RunStarted(summary, new());
        for (var update = 10; update <= logged; update += 10)
        {
            panel.StepLogged(Step(update, update));
        }

        panel.RunEnded(new(TrainingEnd.Finished, "all updates are made", updates, TrainingHistory.Empty, "folder", null, summary, 50, 0.1, []));

        Assert.Contains(expected, Text(panel), StringComparison.Ordinal);
        Assert.Contains("aria-valuenow=\"100\"", panel.View!.ToHtml(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_failure_is_shown_escaped()
    {
        var host = new RecordingHost();
        using var panel = Panel(host);
        panel.RunStarted(Summary, new());
        panel.RunFailed(new InvalidOperationException("<script>boom</script>"));

        Assert.Contains("failed: InvalidOperationException: &lt;script&gt;boom&lt;/script&gt;", host.Shown[^1].ToHtml(), StringComparison.Ordinal);
        Assert.Contains("nl-progress nl-failed", host.Shown[^1].ToHtml(), StringComparison.Ordinal);
    }

    [Fact]
    public void Where_nothing_can_be_replaced_it_writes_a_line_now_and_then()
    {
        using var lines = new StringWriter { NewLine = "\n" };
        using var panel = new LivePanel("", new TextHost(lines), _time, () => 3L << 30);
        panel.RunStarted(Summary, new());
        for (var i = 1; i <= 20; i++)
        {
            Advance(1);
            panel.StepLogged(Step(i, i));
        }

        panel.EvaluationDone(Evaluation(20, 0.5, isBest: true, seconds: 61), null!);
        panel.RunEnded(new(TrainingEnd.Stopped, "cancelled", 20, TrainingHistory.Empty, "folder", null, Summary, 20, 0.1, []));

        Assert.Equal(
            [
                "training: 100 updates of 16 per micro-batch × 8 micro-batches = 128 sentences per update; 900 of 1,000 parameters; cpu, 2 threads, float32",
                "update 15/100 (15 %) · loss 0.0667 · lr 5e-5 · 1,000 tokens/s · 3.0 GiB · left 1:38 min",
                "evaluation at 20 · loss 0.2500 · F1 0.500 · 1:01 min · best so far",
                "stopped: cancelled; best at update 20",
            ],
            lines.ToString().TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public void The_curve_stays_small_however_long_the_run()
    {
        var host = new RecordingHost();
        using var panel = Panel(host);
        panel.RunStarted(Planned(100_000), new());
        for (var i = 1; i <= 10_000; i++)
        {
            panel.StepLogged(Step(i * 10, i * 0.0001));
        }

        _time.Advance(TimeSpan.FromSeconds(1));

        var svg = new HtmlParser().ParseDocument(host.Shown[^1].ToHtml()).QuerySelector("polyline")!;
        Assert.InRange(svg.GetAttribute("points")!.Split(' ').Length, 100, 200);
    }

    // What it costs in time is measured in the bench (`tracking`); here, that a log between two drawings builds no view and grows nothing.
    [Fact]
    public void A_log_between_two_drawings_draws_nothing_and_leaves_next_to_nothing_behind()
    {
        const int Logs = 2000;
        var host = new RecordingHost();
        using var panel = Panel(host);
        panel.RunStarted(Planned(Logs), new());
        var steps = Enumerable.Range(1, Logs).Select(i => Step(i, i)).ToArray();
        panel.StepLogged(steps[0]);
        var before = GC.GetAllocatedBytesForCurrentThread();

        foreach (var step in steps[1..])
        {
            panel.StepLogged(step);
        }

        var allocated = (GC.GetAllocatedBytesForCurrentThread() - before) / Logs;
        Assert.Single(host.Shown);
        Assert.True(allocated < 500, $"{allocated} bytes a log; the panel's page has thousands");
    }

    private LivePanel Panel(INotebookHost host) => new("", host, _time, () => 2L << 30);

    private void Advance(double seconds) => _time.Advance(TimeSpan.FromSeconds(seconds));

    private static string Text(LivePanel panel) => panel.View!.ToText();

    private static LoggedStep Step(int update, double elapsed) => new(update, update / 100.0, 1.0 / Math.Max(1, update), 5e-5, 1.5, 1000, elapsed);

    private static LoggedEvaluation Evaluation(int update, double f1, bool isBest, double seconds = 1) =>
        new(update, update / 100.0, new Dictionary<string, double> { ["loss"] = 0.25, ["f1"] = f1 }, new Dictionary<string, double>(), seconds, isBest);

    private sealed class RecordingHost : INotebookHost, IDisplayHandle
    {
        public List<HtmlView> Shown { get; } = [];

        public bool CanUpdate => true;

        public IDisplayHandle Show(object value)
        {
            Update(value);
            return this;
        }

        public void Update(object value) => Shown.Add((HtmlView)value);
    }
}
