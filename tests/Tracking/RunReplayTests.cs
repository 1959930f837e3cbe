using System.Text.Json.Nodes;
using NotebookLib.Tracking;

namespace NotebookLib.Tests.Tracking;

/// <summary>What a journal's records come to, one by one: lines and their numbers, summary, sessions, marks.</summary>
public sealed class RunReplayTests
{
    private readonly RunReplay _replay = new();

    [Fact]
    public void Each_stream_is_numbered_by_itself()
    {
        var lines = Play(Session(), Row(0, """{"_step":0,"_runtime":1.5}"""), new(JournalKind.Event, 0, """{"cpu":3}"""), Output(0), Row(1, """{"_step":4}"""));

        Assert.Equal([(StreamKind.History, 0, 0L), (StreamKind.Events, 0, 0L), (StreamKind.Output, 0, 0L), (StreamKind.History, 0, 1L)],
            lines.Select(line => (line.Kind, line.Session, line.Number)));
        Assert.Equal("cpu", Assert.Single(lines[1].Members).Key);
        Assert.Equal("said", lines[2].Output!.Text);
        Assert.Equal(new StreamCounts(2, 1, 1), _replay.Counts);
        Assert.Equal((5, 1.5, 0, false), (_replay.NextStep, _replay.RuntimeSeconds, _replay.DamagedLines, _replay.HasOwnSteps));
        Assert.Null(_replay.OpenRow);
    }

    [Fact]
    public void Counts_are_those_of_the_streams()
    {
        var counts = new StreamCounts(7, 5, 3);

        Assert.Equal([7, 5, 3], Enum.GetValues<StreamKind>().Select(stream => counts[stream]));
        Assert.Equal(new StreamCounts(9, 6, 3), counts + new StreamCounts(2, 1, 0));
        Assert.Equal(new StreamCounts(5, 4, 3), counts - new StreamCounts(2, 1, 0));
        Assert.Equal([new(8, 5, 3), new(7, 8, 3), new(7, 5, 8)], Enum.GetValues<StreamKind>().Select(stream => counts.Reaching(stream, 8)));
        Assert.All(Enum.GetValues<StreamKind>(), stream => Assert.Equal(counts, counts.Reaching(stream, 1)));
    }

    [Fact]
    public void Parts_of_one_number_are_one_row_and_the_next_number_completes_it()
    {
        Assert.Empty(Play(Session(), Part(0, """{"_step":3,"a":1}"""), Part(0, """{"b":2,"a":5}""")));
        Assert.Equal((0L, 3L), _replay.OpenRow);
        Assert.Equal((1, true), (_replay.Rows, _replay.HasOwnSteps));

        var line = Assert.Single(Play(Part(1, """{"c":1}""")));

        Assert.Equal((0L, """{"_step":3,"a":5,"b":2}""", true), (line.Number, line.Json, line.HasOwnStep));
        Assert.Equal((1L, 4L), _replay.OpenRow);
        Assert.Equal(1, Assert.Single(_replay.CloseRow()).Number);
        Assert.Empty(_replay.CloseRow());
    }

    [Fact]
    public void A_whole_row_completes_the_parts_of_its_number_and_closes_those_of_another()
    {
        Assert.Equal("""{"a":1,"b":2}""", Assert.Single(Play(Session(), Part(0, """{"a":1}"""), Row(0, """{"b":2}"""))).Json);
        Assert.Equal([1L, 2L], Play(Part(1, "{}"), Row(2, "{}")).Select(line => line.Number));
    }

    [Fact]
    public void A_session_a_mark_and_the_end_complete_a_row()
    {
        Assert.Equal(0, Assert.Single(Play(Session(), Part(0, "{}"), Session(1))).Number);
        Assert.Equal(1, Assert.Single(Play(Part(1, "{}"), Mark("here", 2))).Number);
        var last = Assert.Single(Play(Part(2, "{}"), new(JournalKind.Exit, 0, """{"code":3,"runtimeSeconds":9}""")));

        Assert.Equal((2L, 1), (last.Number, last.Session));
        Assert.Equal((3, 9.0, 9.0), (_replay.Exit!.Code, _replay.RuntimeSeconds, _replay.Summary.RuntimeSeconds));
        Play(Session(2));
        Assert.Null(_replay.Exit);
    }

    [Fact]
    public void A_return_to_a_mark_supersedes_what_came_behind_it()
    {
        var lines = Play(Session(), Row(0, """{"_step":0,"loss":4}"""), Row(1, """{"_step":1,"loss":3}"""), Kept(), Mark("early", 1, 1), Mark("here", 2, 2),
            Row(2, """{"_step":2,"loss":2}"""), Kept(), Part(3, """{"_step":9}"""), Mark("late", 4, 10), Output(0),
            new(JournalKind.Summary, 0, """{"loss":"pinned"}"""), Return("here", 2, 2), Row(2, """{"_step":2,"loss":1}"""));

        Assert.Equal([false, false, true, true, false, false], lines.Select(_replay.IsSuperseded));
        Assert.Equal([0, 0, 0, 0, 0, 1], lines.Select(line => line.Returns));
        Assert.Equal((3, 3, 1, false), (_replay.Rows, _replay.NextStep, _replay.KeptRows, _replay.HasOwnSteps));
        Assert.Equal([2L], _replay.Returns);
        Assert.Equal(["early", "here"], _replay.Marks.Keys.Order());
        Assert.Equal("1", Summary()["loss"]!.ToJsonString());
    }

    [Fact]
    public void A_row_that_waits_for_parts_goes_with_what_is_superseded()
    {
        Assert.Empty(Play(Session(), Part(1, "{}"), Return("lost", 1, 1)));
        Assert.Equal([0L], Play(Part(0, "{}"), Return("lost", 1, 1)).Select(line => line.Number));
    }

    [Fact]
    public void Numbers_that_fall_are_a_return_whose_line_is_lost()
    {
        var lines = Play(Session(), Row(0, "{}"), Row(1, "{}"), Row(2, "{}"), Row(1, "{}"), Part(2, "{}"), Part(2, "{}"), Part(2, "{}"));

        Assert.Equal([false, true, true, false], lines.Select(_replay.IsSuperseded));
        Assert.Equal([1L], _replay.Returns);
        Play(Part(1, "{}"));
        Assert.Equal([1L, 1L], _replay.Returns);
    }

    [Theory]
    [InlineData('R', 0)]
    [InlineData('H', 1)]
    [InlineData('C', 1)]
    public void What_stands_before_the_first_session_is_of_one_whose_line_is_lost_but_for_the_header(char first, int sessions)
    {
        Play(first is 'R' ? Header(1) : new((JournalKind)first, 0, "{}"));

        Assert.Equal(sessions, _replay.Sessions.Count);
    }

    [Fact]
    public void Lost_sessions_keep_their_places_up_to_a_thousand()
    {
        Play(Session(), Row(0, "{}"), Session(3), Base(5, 100));

        Assert.Equal([0, 1, 1, 0, 1, 1], _replay.Sessions.Select(session => session.Start.Rows));
        Assert.Equal([null, null, null, null, null, 100L], _replay.Sessions.Select(session => session.Base?.History));
        Assert.Contains("names session 1007 after 6", Assert.Throws<InvalidDataException>(() => Play(Session(1007))).Message, StringComparison.Ordinal);
        Play(Session(1006));
        Assert.Equal(1007, _replay.Sessions.Count);
    }

    [Fact]
    public void A_place_whose_sessions_line_is_lost_begins_where_the_damage_was_or_where_the_places_say()
    {
        // The line of session 1 is damaged, rows 1 and 2 are its own, and its place stands behind them.
        Play(Session(), Row(0, "{}"), Row(1, "{}") with { FollowsDamage = true }, Row(2, "{}"), Base(1, 40));
        Assert.Equal(1, _replay.Sessions[1].Start.Rows);

        // Nobody else wrote in between: 43 on the server is 3 lines behind 40, whatever was damaged here.
        Play(Row(3, "{}"), Row(4, "{}"), Base(2, 43));
        Assert.Equal(4, _replay.Sessions[2].Start.Rows);
    }

    [Theory]
    [InlineData(7, 0)]
    [InlineData(0, 7)]
    public void Places_apart_by_steps_or_time_say_nothing_of_lines_between(long step, double runtimeSeconds)
    {
        Play(Session(), Base(0, 40), Row(0, "{}"), Row(1, "{}"),
            new(JournalKind.Base, 1, JournalJson.WriteText(new SessionBase(50, 0, 0, step, runtimeSeconds))));

        Assert.Equal(2, _replay.Sessions[1].Start.Rows);
    }

    [Fact]
    public void What_the_server_had_fills_gaps_and_replaces_nothing()
    {
        Play(Session(), new(JournalKind.Config, 0, """{"lr":1,"seed":2}"""), new(JournalKind.Config, 0, """{"seed":3}"""), Row(0, """{"_step":0,"loss":1}"""),
            Place("""{"loss":9,"old":8,"_wandb":{"x":1}}""", """{"lr":9,"host":"a"}"""),
            Mark("here", 0), Return("here", 0));

        Assert.Equal([("host", "\"a\""), ("lr", "1"), ("seed", "3")], _replay.Config.OrderBy(pair => pair.Key).Select(pair => (pair.Key, pair.Value)));
        Assert.Equal("""{"_step":7,"loss":1,"old":8,"_wandb":{"runtime":100}}""", _replay.Summary.ToJson(7, 100.9));
    }

    [Fact]
    public void A_summary_has_the_last_values_but_those_that_were_set_stay()
    {
        Play(Session(), new(JournalKind.Summary, 0, """{"best":1,"gone":null}"""));
        Assert.Equal("""{"best":1,"_wandb":{"runtime":0}}""", _replay.Summary.ToJson(5, 0.5));
        var version = _replay.Summary.Version;

        Play(Row(0, """{"_step":2,"_runtime":3.5,"loss":2,"best":7}"""), Row(1, """{"_step":3,"loss":1}"""));

        Assert.Equal("""{"best":1,"_step":3,"_runtime":3.5,"loss":1,"_wandb":{"runtime":3}}""", _replay.Summary.ToJson());
        Assert.True(_replay.Summary.Version > version);
    }

    [Fact]
    public void Values_that_were_set_before_a_mark_stay_behind_a_return()
    {
        Play(Session(), new(JournalKind.Summary, 0, """{"best":1}"""), Mark("here", 0), Row(0, "{}"), Return("here", 0), Row(0, """{"best":7}"""));

        Assert.Equal("1", Summary()["best"]!.ToJsonString());
    }

    [Fact]
    public void Values_that_an_earlier_part_of_the_run_left_come_back_with_a_return()
    {
        Play(Session(), Mark("start", 0), Row(0, """{"old":1}"""), Place("""{"old":8}"""));
        Assert.Equal("1", Summary()["old"]!.ToJsonString());

        Play(Return("start", 0));

        Assert.Equal("8", Summary()["old"]!.ToJsonString());
        Assert.Equal(-1, _replay.Summary.Step);
    }

    [Fact]
    public void Steps_that_the_user_numbers_are_forgotten_with_the_rows_that_had_them()
    {
        Play(Session(), Row(0, """{"_step":0}"""), Mark("here", 1, 1), Part(1, """{"_step":70}"""), Return("here", 1, 1));

        Assert.False(_replay.HasOwnSteps);
    }

    [Fact]
    public void A_metric_is_what_it_was_defined_as_last()
    {
        Play(Session(), Metric("loss", null, "a"), Metric(null, "loss", "b"), Metric("f1", null, "d"), Metric("loss", null, "c"));

        Assert.Equal([("loss", null, "c"), (null, "loss", "b"), ("f1", null, "d")],
            _replay.Metrics.Select(metric => (metric.Name, metric.Glob, metric.StepMetric)));
    }

    [Fact]
    public void The_first_header_counts_and_a_newer_format_is_refused()
    {
        Play(Header(1), Header(1) with { Json = Header(1).Json.Replace("\"r\"", "\"other\"", StringComparison.Ordinal) });

        Assert.Equal("r", _replay.Header!.RunId);
        Assert.Contains("expected format 1, found 2", Assert.Throws<InvalidDataException>(() => new RunReplay().Apply(Header(2))).Message);
        Assert.Contains("unknown kind 'Z'", Assert.Throws<InvalidDataException>(() => Play(new JournalRecord((JournalKind)'Z', 0, "{}"))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_record_of_wrong_content_counts_as_damage_and_the_next_session_may_be_lost_there()
    {
        Play(Session(), Row(0, "{}"), new(JournalKind.Session, 1, "[]"), Row(1, "{}"), Base(1, 40));

        Assert.Equal((1, 2), (_replay.DamagedLines, _replay.Sessions.Count));
        Assert.Equal(1, _replay.Sessions[1].Start.Rows);
    }

    private List<StreamLine> Play(params JournalRecord[] records) => [.. records.SelectMany(_replay.Apply)];

    private JsonNode Summary() => JsonNode.Parse(_replay.Summary.ToJson())!;

    private static JournalRecord Session(long number = 0) => new(JournalKind.Session, number, JournalJson.WriteText(new SessionStart(0, 0, 0, 0, 0, default)));

    private static JournalRecord Base(long session, long history) =>
        new(JournalKind.Base, session, JournalJson.WriteText(new SessionBase(history, 0, 0, 0, 0)));

    private static JournalRecord Place(string summary, string? config = null) =>
        new(JournalKind.Base, 0, JournalJson.WriteText(new SessionBase(5, 0, 0, 7, 100, summary, config)));

    private static JournalRecord Row(long number, string json) => new(JournalKind.Row, number, json);

    private static JournalRecord Part(long number, string json) => new(JournalKind.Part, number, json);

    private static JournalRecord Kept() => new(JournalKind.Kept, 0, "{}");

    private static JournalRecord Mark(string name, long rows, long nextStep = 0) =>
        new(JournalKind.Mark, 0, JournalJson.WriteText(new RowMark(name, rows, nextStep)));

    private static JournalRecord Return(string name, long rows, long nextStep = 0) =>
        new(JournalKind.Return, 0, JournalJson.WriteText(new RowMark(name, rows, nextStep)));

    private static JournalRecord Output(long number) => new(JournalKind.Output, number, JournalJson.WriteText(new OutputLine(default, false, "said")));

    private static JournalRecord Metric(string? name, string? glob, string step) =>
        new(JournalKind.Metric, 0, JournalJson.WriteText(new MetricDefinition(name, glob, step, false, false, [])));

    private static JournalRecord Header(int format) =>
        new(JournalKind.Run, 0, JournalJson.WriteText(new RunHeader { RunId = "r", Project = "p", Format = format }));
}
