using System.Text.Json.Nodes;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking.Captures;

/// <summary>For the same run, our client leaves on a server what W&amp;B's own clients left, in every field but those of <see cref="LeftOut"/>.</summary>
public sealed class CaptureTests
{
    private static readonly string[] Whole =
    [
        "016-a-simple", "031-a-simple", "016-b-hf-trainer", "031-b-hf-trainer", "016-c-artifact", "031-c-artifact", "016-e1-first", "031-e1-first",
        "016-f-exit3", "031-f-exit3", "016-f-raise", "031-f-raise", "016-h-cadence", "031-h-cadence", "031-i-gzip", "016-d5-storage-500x2",
        "031-d5-storage-500x2",
        "016-d6-filestream-lost-answer", "031-d6-filestream-lost-answer",
    ];

    public static TheoryData<string> Scenarios => [.. Whole];

    [Theory]
    [MemberData(nameof(Scenarios))]
    public async Task Our_client_leaves_what_theirs_left(string name)
    {
        var differences = await DifferencesAsync(name);

        AssertAgree(differences);
    }

    [Fact]
    public async Task Every_field_that_is_left_out_differs_somewhere()
    {
        var needed = new HashSet<string>();
        foreach (var name in (string[])["016-a-simple", "031-a-simple", "016-b-hf-trainer", "031-c-artifact"])
        {
            needed.UnionWith((await DifferencesAsync(name)).Select(difference => difference.Why).OfType<string>());
        }

        // The resume tests need this one.
        needed.Add("0.31.0 sends an empty list on a resume, ours null: both leave the tags alone");
        Assert.Empty(LeftOut.Fields.Select(field => field.Why).Except(needed));
    }

    [Theory]
    [MemberData(nameof(Scenarios))]
    public void Console_lines_have_the_clients_form(string name)
    {
        var run = CapturedServer.Replay(Capture.Read(name)).Runs.Values.Single();

        Assert.All(run.Output, line => Assert.Matches(@"^(ERROR )?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6} ", line));
    }

    private static async Task<IReadOnlyList<(string Text, string? Why)>> DifferencesAsync(string name)
    {
        var captured = CapturedServer.Replay(Capture.Read(name));
        var theirs = captured.Runs.Values.Single();
        await using var fixture = await StartAsync();
        var replay = new ReplayedRun(captured, theirs, Path.Combine(fixture.Folder, "files"));
        await RunAsync(replay.Name(fixture.Settings) with { Gzip = name.EndsWith("gzip", StringComparison.Ordinal) }, run => replay.Log(run),
            theirs.ExitCode!.Value);
        Assert.Empty(fixture.Server.State.Problems);
        return Compare(name, ServerView.Of(captured, theirs), ServerView.Of(fixture.Server.State, fixture.Server.State.Run(theirs.Name)));
    }

    internal static void AssertAgree(IEnumerable<(string Text, string? Why)> differences)
        => Assert.Equal("", string.Join('\n', differences.Where(difference => difference.Why is null).Select(difference => difference.Text)));

    /// <summary>Leaves that differ, each with the reason why it may, or null.</summary>
    internal static IReadOnlyList<(string Text, string? Why)> Compare(string capture, JsonObject theirs, JsonObject ours)
    {
        var (left, right) = (LooseJson.Leaves(theirs).ToDictionary(), LooseJson.Leaves(ours).ToDictionary());
        return [.. left.Keys.Union(right.Keys)
            .Where(path => left.GetValueOrDefault(path) != right.GetValueOrDefault(path))
            .Select(path =>
                ($"{path}: theirs {left.GetValueOrDefault(path) ?? "—"}, ours {right.GetValueOrDefault(path) ?? "—"}", LeftOut.Reason(path, capture)))];
    }
}
