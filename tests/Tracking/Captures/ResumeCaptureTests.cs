using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>The resumes of the captures e1 to e6, on another machine than the first part.</summary>
public sealed class ResumeCaptureTests
{
    [Theory]
    [InlineData("016-e2-resume-must", ResumeMode.Must)]
    [InlineData("031-e2-resume-must", ResumeMode.Must)]
    [InlineData("016-e3-resume-allow-existing", ResumeMode.Allow)]
    [InlineData("031-e3-resume-allow-existing", ResumeMode.Allow)]
    public async Task A_resumed_run_is_continued_as_theirs(string name, ResumeMode mode)
    {
        var (captured, before, after) = Captured(name);
        var script = captured.Runs.Values.Single();
        await using var fixture = await StartAsync();
        CapturedServer.ReplayInto(fixture.Server.State, before);
        var first = CapturedServer.Replay(before).Runs.Values.Single();
        var replay = new ReplayedRun(captured, script, fixture.Folder);

        await RunAsync(replay.Name(fixture.Settings) with { Resume = mode }, run => replay.Log(run, first.History.Count, first.Output.Count),
            script.ExitCode!.Value);

        Assert.Empty(fixture.Server.State.Problems);
        CaptureTests.AssertAgree(CaptureTests.Compare(
            name, ServerView.Of(captured, script), ServerView.Of(fixture.Server.State, fixture.Server.State.Run(script.Name))));
        Assert.Equal(first.History, fixture.Server.State.Run(script.Name).History.Take(first.History.Count));
        Assert.Equal(after.Of("RunResumeStatus").Count, fixture.Server.Of("RunResumeStatus").Count);
    }

    [Theory]
    [InlineData("016-e4-resume-allow-new")]
    [InlineData("031-e4-resume-allow-new")]
    public async Task Allowed_and_new_is_a_new_run(string name)
    {
        var captured = CapturedServer.Replay(Capture.Read(name));
        var script = captured.Runs.Values.Single();
        await using var fixture = await StartAsync();
        var replay = new ReplayedRun(captured, script, fixture.Folder);

        await RunAsync(replay.Name(fixture.Settings) with { Resume = ResumeMode.Allow }, run => replay.Log(run), script.ExitCode!.Value);

        CaptureTests.AssertAgree(CaptureTests.Compare(
            name, ServerView.Of(captured, script), ServerView.Of(fixture.Server.State, fixture.Server.State.Run(script.Name))));
    }

    [Theory]
    [InlineData("016-e5-resume-must-missing", ResumeMode.Must, "the server has no such run")]
    [InlineData("031-e5-resume-must-missing", ResumeMode.Must, "the server has no such run")]
    [InlineData("016-e6-resume-never-existing", ResumeMode.Never, "exists on the server already")]
    [InlineData("031-e6-resume-never-existing", ResumeMode.Never, "exists on the server already")]
    public async Task What_theirs_refuses_ours_refuses_and_changes_nothing(string name, ResumeMode mode, string expected)
    {
        var (captured, before, after) = Captured(name);
        var runId = (string)after.Of("RunResumeStatus")[0].Variables["name"]!;
        await using var fixture = await StartAsync();
        CapturedServer.ReplayInto(fixture.Server.State, before);
        // Their client asked, and made nothing.
        Assert.Empty(after.Of("UpsertBucket"));

        var run = await RunAsync(fixture.Settings with { RunId = runId, Resume = mode }, run => SyncTests.LogRows(run, 2));

        Assert.Contains(expected, run.Status().Remark!, StringComparison.Ordinal);
        Assert.Equal((TrackingMode.Offline, 2), (run.Status().Mode, run.Status().RowsKept));
        Assert.Empty(fixture.Server.Of("UpsertBucket"));
        Assert.Equal(captured.Runs.Values.Select(stored => stored.History.Count), fixture.Server.State.Runs.Values.Select(stored => stored.History.Count));
    }

    /// <summary>What is on the server after the first run and the second, and both captures.</summary>
    private static (FakeWandb.FakeState Captured, Capture Before, Capture After) Captured(string name)
    {
        // e6 meets the simple run, the others the first part of their own.
        var (before, after) = (Capture.Read(name[..3] + (name[4..].StartsWith("e6", StringComparison.Ordinal) ? "-a-simple" : "-e1-first")),
            Capture.Read(name));
        return (CapturedServer.Replay(before, after), before, after);
    }
}
