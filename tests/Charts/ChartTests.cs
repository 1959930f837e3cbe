using System.Text.Json;
using NotebookLib.Charts;
using NotebookLib.Metrics;
using NotebookLib.Platform;
using NotebookLib.Training;

namespace NotebookLib.Tests.Charts;

[Collection(nameof(ChartTests))]
[CollectionDefinition(nameof(ChartTests), DisableParallelization = true)]
public class ChartTests
{
    private static readonly TrainingHistory History = new([Step(10, 3.4), Step(20, 1.2), Step(30, double.NaN)], [Evaluation(30, 0.4, loss: 0.9)]);

    [Fact]
    public void A_loss_chart_holds_its_curves_as_plotly_reads_them()
    {
        var chart = TrainingCharts.Loss(History);

        using var figure = JsonDocument.Parse(chart.FigureJson);
        var traces = figure.RootElement.GetProperty("data").EnumerateArray().ToList();
        Assert.Equal(["training, as logged", "training, smoothed", "evaluation"], traces.Select(trace => trace.GetProperty("name").GetString()));
        Assert.Equal([3.4, 1.2], traces[0].GetProperty("y").EnumerateArray().Select(y => y.GetDouble()));
        // Mean of ln 3.4 and ln 1.2 with a third of the past: weights 2/9 and 6/9, divided by their sum.
        Assert.Equal([3.4, Math.Exp(((2 * Math.Log(3.4)) + (6 * Math.Log(1.2))) / 8)],
            traces[1].GetProperty("y").EnumerateArray().Select(y => y.GetDouble()), (a, b) => Math.Abs(a - b) < 1e-12);
        Assert.Equal("log", figure.RootElement.GetProperty("layout").GetProperty("yaxis").GetProperty("type").GetString());
        Assert.Contains("update %{x:,d}<br>evaluation loss %{y:.4f} nats", traces[2].GetProperty("hovertemplate").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_curve_of_a_single_point_is_a_mark()
    {
        var chart = TrainingCharts.LearningRate(new([Step(10, 1)], []));
        var longer = TrainingCharts.LearningRate(new([Step(10, 1), Step(20, 1)], []));

        Assert.Equal(["lines+markers", "lines"], new[] { chart, longer }.Select(shown =>
        {
            using var figure = JsonDocument.Parse(shown.FigureJson);
            return figure.RootElement.GetProperty("data")[0].GetProperty("mode").GetString();
        }));
    }

    [Fact]
    public void The_published_curve_is_stretched_to_our_run_and_keeps_its_own_updates_for_the_hover_box()
    {
        var published = new PublishedCurves("base-A", 6153, Curve.Empty, new([257, 5911], [0.866, 0.922]));

        var chart = TrainingCharts.Scores(new([], [Evaluation(50, 0.5), Evaluation(100, 0.7)]), published);

        using var figure = JsonDocument.Parse(chart.FigureJson);
        var behind = figure.RootElement.GetProperty("data")[0];
        Assert.Equal("F1, published base-A", behind.GetProperty("name").GetString());
        Assert.Equal([257 * 100 / 6153.0, 5911 * 100 / 6153.0], behind.GetProperty("x").EnumerateArray().Select(x => x.GetDouble()));
        Assert.Equal("257", behind.GetProperty("text")[0].GetString());
        Assert.Contains("6,153 updates drawn at the length of ours", chart.Subtitle, StringComparison.Ordinal);
    }

    [Fact]
    public void The_best_f1_is_marked()
    {
        var chart = TrainingCharts.Scores(new([], [Evaluation(1, 0.4), Evaluation(2, 0.8), Evaluation(3, 0.7)]));

        using var figure = JsonDocument.Parse(chart.FigureJson);
        var best = figure.RootElement.GetProperty("data").EnumerateArray().Last();
        Assert.Equal("best F1", best.GetProperty("name").GetString());
        Assert.Equal(2, best.GetProperty("x")[0].GetDouble());
        Assert.Equal("star", best.GetProperty("marker").GetProperty("symbol").GetString());
    }

    [Fact]
    public void A_run_shorter_than_the_interval_between_logs_is_promised_no_curve()
    {
        var text = TrainingCharts.Loss(TrainingHistory.Empty).ToText();

        Assert.Contains("a run shorter than the interval between logs has none", text, StringComparison.Ordinal);
    }

    public static TheoryData<string> EmptyCharts => [.. Empties.Keys];

    private static Dictionary<string, Func<Chart>> Empties { get; } = new()
    {
        ["loss"] = () => TrainingCharts.Loss(TrainingHistory.Empty),
        ["loss that is never finite"] = () => TrainingCharts.Loss(new([Step(1, double.NaN)], [])),
        ["learning rate"] = () => TrainingCharts.LearningRate(TrainingHistory.Empty),
        ["scores"] = () => TrainingCharts.Scores(TrainingHistory.Empty),
        ["speed"] = () => TrainingCharts.Speed(TrainingHistory.Empty),
        ["counts without splits"] = () => DataCharts.EntityCounts([]),
        ["counts without entities"] = () => DataCharts.EntityCounts([new("test", 1, 2, 2, new Dictionary<string, int> { ["PER"] = 0 }, null)]),
        ["lengths"] = () => DataCharts.Lengths([]),
        ["per type"] = () => ScoreCharts.PerType([]),
        ["confusion"] = () => ScoreCharts.Confusion(ErrorAnalysis.Of([], NotebookLib.Data.LabelSet.SystemB)),
        ["calibration"] = () => ScoreCharts.Calibration(new Calibration()),
    };

    [Theory]
    [MemberData(nameof(EmptyCharts))]
    public void A_chart_without_data_says_so_instead(string name)
    {
        var chart = Empties[name]();

        Assert.True(chart.IsEmpty);
        Assert.Contains("nl-empty", chart.ToHtml(), StringComparison.Ordinal);
        Assert.DoesNotContain("nl-plot", chart.ToHtml(), StringComparison.Ordinal);
        Assert.Contains(chart.Title, chart.ToText(), StringComparison.Ordinal);
    }

    [Fact]
    public void Names_from_data_cannot_leave_their_place_in_the_page()
    {
        var chart = ScoreCharts.PerType([new("</script><script>alert('x')</script>", 0.5, 3), new("%{x}'\" onload=", 0.5, 2)]);

        var html = HtmlOf(chart);

        Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
        using var figure = JsonDocument.Parse(chart.FigureJson);
        var labels = figure.RootElement.GetProperty("data")[0].GetProperty("y").EnumerateArray().Select(y => y.GetString()).ToList();
        Assert.Equal("&lt;/script>&lt;script>alert('x')&lt;/script>  (3)", labels[0]);
        Assert.Equal("%&#123;x}'\" onload=  (2)", labels[1]);
        var attribute = html.Split("data-figure='")[1].Split('\'')[0];
        Assert.DoesNotContain('<', attribute);
        Assert.Equal(chart.FigureJson, System.Net.WebUtility.HtmlDecode(attribute));
    }

    [Fact]
    public void Plotly_is_carried_once_and_never_where_the_host_embeds_it()
    {
        AppContext.SetData(HostContract.PlotlySlot, true);
        try
        {
            Assert.DoesNotContain("plotly.js v2", LengthChart().ToHtml(), StringComparison.Ordinal);
        }
        finally
        {
            AppContext.SetData(HostContract.PlotlySlot, null);
        }

        PlotlyScript.ForgetCarrier();
        var (first, second) = (LengthChart(), LengthChart());
        Assert.Contains("plotly.js v2.28.0", first.ToHtml(), StringComparison.Ordinal);
        Assert.DoesNotContain("plotly.js v2", second.ToHtml(), StringComparison.Ordinal);
        Assert.Contains("plotly.js v2.28.0", first.ToHtml(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_saved_chart_is_one_page_with_everything_inside()
    {
        var path = Path.Combine(Path.GetTempPath(), $"chart-{Guid.NewGuid():N}.html");
        try
        {
            LengthChart().SaveHtml(path);

            var page = File.ReadAllText(path);
            Assert.StartsWith("<!doctype html>", page, StringComparison.Ordinal);
            Assert.Equal(2, page.Split("plotly.js v2.28.0").Length);
            Assert.DoesNotContain("src=", page[..page.IndexOf("plotly.js v", StringComparison.Ordinal)], StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Plotly_lives_in_a_context_of_its_own_with_its_own_FSharp_Core()
    {
        Assert.NotEmpty(LengthChart().FigureJson);

        var context = System.Runtime.Loader.AssemblyLoadContext.All.Single(context => context.Name == "NotebookLib.Charts");
        var names = context.Assemblies.Select(assembly => assembly.GetName()).ToList();
        Assert.Contains(names, name => name.Name == "Plotly.NET" && name.Version!.Major == 6);
        Assert.Contains(names, name => name.Name == "FSharp.Core" && name.Version >= new Version(10, 1));
        Assert.DoesNotContain(AppDomain.CurrentDomain.GetAssemblies(), assembly => assembly.GetName().Name == "Plotly.NET"
            && System.Runtime.Loader.AssemblyLoadContext.GetLoadContext(assembly) == System.Runtime.Loader.AssemblyLoadContext.Default);
    }

    [Fact]
    public void A_histogram_counts_every_sentence()
    {
        var chart = DataCharts.Lengths([3, 3, 4, 150]);

        using var figure = JsonDocument.Parse(chart.FigureJson);
        var bars = figure.RootElement.GetProperty("data")[0];
        // 151 possible lengths in at most 60 bins: 3 lengths a bin, so 3 to 5 and 150 to 152.
        Assert.Equal([3, 1], bars.GetProperty("y").EnumerateArray().Select(y => y.GetDouble()));
        Assert.Equal(["3 to 5", "150 to 152"], bars.GetProperty("text").EnumerateArray().Select(text => text.GetString()));
        Assert.Equal("4 sentences; half have at most 4 pieces, 95 % at most 150, the longest 150.", chart.Summary);
    }

    [Fact]
    public void The_calibration_error_weighs_each_group_by_its_size()
    {
        var calibration = new Calibration();
        for (var answer = 0; answer < 40; answer++)
        {
            calibration.Add(answer < 10 ? 0.65 : 0.95, answer % 2 == 0 || answer >= 10);
        }

        var chart = ScoreCharts.Calibration(calibration);

        // 10 answers given with 0.65, half of them right; 30 with 0.95, all right.
        Assert.Equal("Expected calibration error 0.0750 over 40 answers.", chart.Summary);
    }

    private static LoggedStep Step(int update, double loss) => new(update, 0.1, loss, 1e-3, 1, 1000, update);

    private static LoggedEvaluation Evaluation(int update, double f1, double loss = 1) => new(
        update, 0.1, new Dictionary<string, double> { ["loss"] = loss, ["precision"] = f1, ["recall"] = f1, ["f1"] = f1 },
        new Dictionary<string, double>(), 1, true);

    private static Chart LengthChart() => DataCharts.Lengths([1, 2, 2, 5]);

    /// <summary>The fragment without plotly.js, whoever carried it.</summary>
    private static string HtmlOf(Chart chart)
    {
        AppContext.SetData(HostContract.PlotlySlot, true);
        try
        {
            return chart.ToHtml();
        }
        finally
        {
            AppContext.SetData(HostContract.PlotlySlot, null);
        }
    }
}
