extern alias runner;

using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Time.Testing;
using NotebookLib.Tests.Data;
using runner::NotebookRunner.Running;
using runner::NotebookRunner.Sweeps;

namespace NotebookLib.Tests.Runner;

/// <summary>Claims on a clock that is turned by hand.</summary>
public sealed class PointClaimTests : IDisposable
{
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(60);

    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Of_many_that_see_a_point_free_one_takes_it_and_it_is_free_again_when_that_one_ended()
    {
        for (var round = 1; round <= 20; round++)
        {
            var seen = Claims().Look();
            Assert.Equal((round - 1, false), (seen.Number, seen.IsHeld));
            var takers = new PointClaim?[8];
            Parallel.For(0, takers.Length, i => takers[i] = Claims().Take(seen));

            using var taken = Assert.Single(takers.OfType<PointClaim>());
            Assert.True(Claims().Look().IsHeld);
            Assert.True(taken.End(RunStatus.Failed));
            Assert.Equal("failed", Claims().Look().Facts!.Ended);
        }
    }

    [Fact]
    public void A_holder_that_lives_keeps_its_point_and_one_that_gives_it_back_has_run_nothing()
    {
        var watch = Claims();
        using (Claims().Take(watch.Look()))
        {
            for (var looks = 0; looks < 50; looks++)
            {
                _time.Advance(s_lease / 4);
                Assert.True(watch.Look().IsHeld);
            }
        }

        Assert.Equal((false, "notRun"), (watch.Look().IsHeld, watch.Look().Facts!.Ended));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_claim_from_elsewhere_that_does_not_change_for_a_lease_is_dead_and_sleep_of_the_watcher_is_no_silence(bool isWritten)
    {
        // One that was made and not yet written says nothing, for as long.
        _folder.Write(".claim-1", isWritten ? JsonSerializer.Serialize(Elsewhere(beat: 7), JsonSerializerOptions.Web) : "");
        var watch = Claims();
        Assert.True(watch.Look().IsHeld);
        _time.Advance(TimeSpan.FromDays(1));
        Assert.True(watch.Look().IsHeld);
        for (var looks = 0; looks < 2; looks++)
        {
            _time.Advance(s_lease / 4);
            Assert.True(watch.Look().IsHeld);
        }

        _folder.Write(".claim-1", JsonSerializer.Serialize(Elsewhere(beat: 8), JsonSerializerOptions.Web));
        for (var looks = 0; looks < 4; looks++)
        {
            Assert.True(watch.Look().IsHeld);
            _time.Advance(s_lease / 4);
        }

        var dead = watch.Look();
        Assert.False(dead.IsHeld);
        using var claim = watch.Take(dead);
        Assert.NotNull(claim);
        Assert.True(Claims().Look().IsHeld);
    }

    [Fact]
    public async Task A_process_of_this_machine_that_is_gone_is_dead_at_once()
    {
        using var process = Process.Start("sleep", "1000");
        var mine = ClaimFacts.Mine("", "w", s_lease);
        Assert.SkipWhen(mine.Machine.Length == 0, "The system does not tell which processes live.");
        var start = (await File.ReadAllTextAsync($"/proc/{process.Id}/stat", TestContext.Current.CancellationToken)).Split(' ')[21];
        var theirs = mine with { Process = process.Id, ProcessStart = long.Parse(start, System.Globalization.CultureInfo.InvariantCulture) };
        _folder.Write(".claim-1", JsonSerializer.Serialize(theirs, JsonSerializerOptions.Web));
        Assert.True(Claims().Look().IsHeld);

        process.Kill();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.False(Claims().Look().IsHeld);

        // The number was given to another process.
        _folder.Write(".claim-2", JsonSerializer.Serialize(mine with { ProcessStart = mine.ProcessStart - 1 }, JsonSerializerOptions.Web));
        Assert.False(Claims().Look().IsHeld);
    }

    [Fact]
    public void Who_was_given_up_learns_it_at_the_next_beat_and_says_no_end()
    {
        using var slept = Claims().Take(default)!;
        var seen = Claims().Look();
        using var other = Claims().Take(seen)!;
        Assert.False(slept.Lost.IsCancellationRequested);

        _time.Advance(s_lease / 6);

        Assert.True(slept.Lost.IsCancellationRequested);
        Assert.False(slept.End(RunStatus.Ok));
        Assert.Equal((2, true), (Claims().Look().Number, Claims().Look().IsHeld));
        Assert.Null(Claims().Take(seen));
        Assert.True(other.End(RunStatus.Ok));
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("link")]
    [InlineData("pipe")]
    public void What_stands_in_a_claims_place_and_cannot_be_read_holds_the_point_for_a_lease(string kind)
    {
        var path = _folder.PathOf(".claim-1");
        if (kind == "pipe")
        {
            Assert.SkipWhen(OperatingSystem.IsWindows(), "No pipe is a file there.");
            Process.Start("mkfifo", [path]).WaitForExit();
        }
        else
        {
            _ = kind == "folder" ? Directory.CreateDirectory(path) : File.CreateSymbolicLink(path, _folder.PathOf("nothing"));
        }

        var watch = Claims();
        for (var looks = 0; looks < 4; looks++)
        {
            var seen = watch.Look();
            Assert.Equal((1, true, false), (seen.Number, seen.IsHeld, seen.Lives));
            Assert.Null(Claims().Take(default));
            _time.Advance(s_lease / 4);
        }

        using var claim = watch.Take(watch.Look());
        Assert.Equal((2, true), (Claims().Look().Number, claim is not null));
    }

    [Fact]
    public void A_number_is_not_given_again_where_earlier_claims_were_removed()
    {
        using var claim = Claims().Take(Claims().Look() with { Number = 6 });
        Assert.NotNull(claim);
        _folder.Write(".claim-99999999999999", "");
        _folder.Write(".claim-x", "");
        _folder.Write(".claim-08", "");

        Assert.Equal((7, true), (Claims().Look().Number, Claims().Look().IsHeld));
        Assert.True(claim.End(RunStatus.Ok));
        Assert.Equal("ok", Claims().Look().Facts!.Ended);
    }

    [Fact]
    public void Who_asks_for_a_longer_lease_is_given_it_within_reason()
    {
        foreach (var (number, seconds) in ((int, double)[])[(1, 600), (2, 1e300), (3, -5)])
        {
            _folder.Write($".claim-{number}", JsonSerializer.Serialize(Elsewhere(beat: 7) with { LeaseSeconds = seconds }, JsonSerializerOptions.Web));
            var watch = Claims();
            var silent = TimeSpan.Zero;
            while (watch.Look().IsHeld)
            {
                _time.Advance(TimeSpan.FromSeconds(15));
                silent += TimeSpan.FromSeconds(15);
            }

            Assert.Equal(seconds == 600 ? 600 : 60, silent.TotalSeconds);
        }
    }

    [Fact]
    public void Who_slept_and_was_given_up_learns_it_before_the_next_beat_where_it_asks()
    {
        using var slept = Claims().Take(default)!;
        Assert.True(slept.IsOurs);
        using var other = Claims().Take(Claims().Look())!;

        Assert.False(slept.IsOurs);
        Assert.True(slept.Lost.IsCancellationRequested);
    }

    [Fact]
    public void A_claim_from_elsewhere_is_known_to_live_when_it_was_seen_to_change()
    {
        _folder.Write(".claim-1", JsonSerializer.Serialize(Elsewhere(beat: 7), JsonSerializerOptions.Web));
        var watch = Claims();
        Assert.False(watch.Look().Lives);
        Assert.False(watch.Look().Lives);
        _folder.Write(".claim-1", JsonSerializer.Serialize(Elsewhere(beat: 8), JsonSerializerOptions.Web));
        Assert.True(watch.Look().Lives);
        Assert.True(watch.Look().Lives);
        _folder.Write(".claim-1", JsonSerializer.Serialize(Elsewhere(beat: 9) with { Ended = "ok" }, JsonSerializerOptions.Web));
        Assert.False(watch.Look().Lives);
        _folder.Write(".claim-2", JsonSerializer.Serialize(Elsewhere(beat: 0), JsonSerializerOptions.Web));
        Assert.True(watch.Look().Lives);
    }

    [Theory]
    [InlineData("[1]")]
    [InlineData("{\"holder\":null}")]
    [InlineData("{\"holder\":7}")]
    [InlineData("{")]
    public void What_is_no_claim_is_a_holder_that_says_nothing(string text)
    {
        _folder.Write(".claim-1", text);
        var seen = Claims().Look();

        Assert.Equal((1, null, true), (seen.Number, seen.Facts, seen.IsHeld));
    }

    [Fact]
    public void What_another_process_says_of_itself_commands_no_terminal()
    {
        using var output = new StringWriter { NewLine = "\n" };
        var point = SweepGrid.Parse(["seed=1"]).Points()[0];

        new SweepLines(output).End(SweepResult.Waiting(point) with { Status = RunStatus.Failed, Problem = "a\u001b]0;x\a\nb" }, "node\u001b[2J\r");

        Assert.Equal("[seed=1] FAILED: a\uFFFD]0;x\uFFFD\nb (0.00 s; by node\uFFFD[2J\uFFFD)\n", output.ToString());
    }

    private PointClaims Claims() => new(_folder.Root, s_lease, "", "w", _time);

    private static ClaimFacts Elsewhere(long beat) => new("node7, process 12", "another pid:[1]", 12, 34, "", "w", 60, beat, null);
}
