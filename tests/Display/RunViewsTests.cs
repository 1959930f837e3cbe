using NotebookLib.Charts;
using NotebookLib.Display;
using NotebookLib.Html;
using NotebookLib.Training;

namespace NotebookLib.Tests.Display;

public class RunViewsTests
{
    private static readonly RunSummary Summary = new()
    {
        Device = "cpu, 2 threads",
        TotalParameters = 1000,
        TrainedParameters = 900,
        TrainingRows = 12800,
        EvaluationRows = 1280,
        Versions = new Dictionary<string, string> { ["libtorch"] = "2.10" },
        Commit = "0123456789abcdef",
        Settings = new TrainingSettings { MaximumUpdates = 100, WarmupUpdates = 5 },
    };

    private static readonly TrainingHistory History = new(
        [new(10, 0.1, 2.5, 5e-5, 1, 1000, 10), new(20, 0.2, 1.5, 2.5e-5, 1, 3000, 20) { MemoryBytes = 3L << 30 }],
        [Evaluation(10, 0.4, true), Evaluation(20, 0.6, true)]);

    private static readonly TrainingResult Result =
        new(TrainingEnd.Finished, "all 100 updates are made", 100, History, "/out/checkpoint-100", "/out/best", Summary, 125, 0.5, ["a <notice>"]);

    [Fact]
    public void The_plan_and_the_result_are_cards()
    {
        var plan = RunCard.Plan(Summary).ToText();
        Assert.Matches(@"updates +100  \(100 an epoch, 5 of warm-up\)", plan);
        Assert.Matches(@"versions +libtorch 2.10  \(commit 01234567\)", plan);
        Assert.Matches("learning rate +5e-5, linear", plan);

        var card = RunCard.Result(Result);
        Assert.Matches(@"best evaluation +f1 0.6000 at update 20", card.ToText());
        Assert.Matches(@"speed +2,000 tokens/s", card.ToText());
        Assert.Matches(@"time +2:05 min", card.ToText());
        Assert.Contains("a &lt;notice&gt;", card.ToHtml(), StringComparison.Ordinal);
        // Once is enough.
        Assert.Contains("Nothing is trained", RunCard.Plan(null).ToText(), StringComparison.Ordinal);
        Assert.Equal(("", ""), (RunCard.Result(null).ToText(), RunCard.Result(null).ToHtml()));
    }

    [Fact]
    public void A_run_without_logs_or_evaluations_has_a_card_too()
    {
        var text = RunCard.Result(Result with { History = TrainingHistory.Empty, BestFolder = null }).ToText();

        Assert.Contains("none: nothing was evaluated", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Curves_come_from_the_saved_history()
    {
        // Two values are smoothed with a third of the past: 2.5^(1/4) · 1.5^(3/4) = 1.7043.
        Assert.StartsWith("training loss from 2.5000 to 1.7043 ", TrainingCharts.Loss(History).Summary, StringComparison.Ordinal);
        Assert.Equal("F1 from 0.400 to 0.600 (lowest 0.400, highest 0.600)", TrainingCharts.Scores(History).Summary);
        Assert.StartsWith("learning rate from 5", TrainingCharts.LearningRate(History).Summary, StringComparison.Ordinal);
        Assert.Equal("tokens per second from 1,000 to 3,000 (lowest 1,000, highest 3,000); memory in GiB from 3.00 to 3.00 (lowest 3.00, highest 3.00)",
            TrainingCharts.Speed(History).Summary);
        Assert.True(TrainingCharts.Scores(TrainingHistory.Empty).IsEmpty);
    }

    [Fact]
    public void Live_curves_are_drawn_anew_after_each_evaluation()
    {
        var host = new ListHost();
        var curves = new LiveCurves { Host = host };

        curves.RunStarted(Summary, new());
        curves.StepLogged(History.Steps[0]);
        curves.EvaluationDone(History.Evaluations[0], null!);

        Assert.Equal([true, true, false, false], host.Shown.SelectMany(view => ((StackView)view).Views).Select(view => ((Chart)view).IsEmpty));
        curves.RunEnded(Result);
        Assert.Equal("", host.Shown[^1].ToHtml());
        new LiveCurves { Host = new TextHost(TextWriter.Null) }.EvaluationDone(History.Evaluations[0], null!);
    }

    private static LoggedEvaluation Evaluation(int update, double f1, bool isBest) =>
        new(update, update / 100.0, new Dictionary<string, double> { ["loss"] = 0.25, ["f1"] = f1 }, new Dictionary<string, double>(), 1, isBest);

    private sealed class ListHost : INotebookHost, IDisplayHandle
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
