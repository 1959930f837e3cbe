using System.Globalization;
using System.Text.Json.Nodes;

namespace NotebookLib.Tracking;

/// <summary>
/// Agrees with the server on which run this is and where its lines begin. A session's lines begin once and for all: the decision is written
/// to the journal before the first line is sent.
/// </summary>
/// <param name="api">The server.</param>
/// <param name="run">The journal so far.</param>
/// <param name="state">What we know of the server.</param>
/// <param name="isOurs">Whether the journal has a line of a stream, a number and a time, superseded or not.</param>
/// <param name="writeBase">Writes a session's place to the journal.</param>
internal sealed class RunConnector(
    WandbApi api, RunReplay run, SyncState state, Func<StreamKind, long, double, bool> isOurs, Action<int, SessionBase> writeBase)
{
    private readonly RunHeader _header = run.Header!;

    /// <summary>Asks, decides, and makes or updates the run.</summary>
    /// <param name="askStatus">Whether the server may know the run: always, except for a new run with a new random id.</param>
    /// <param name="cancel">Gives up.</param>
    /// <returns>The run there, where each session's lines begin, and the configuration that was sent.</returns>
    /// <exception cref="TrackingException">Refused, by the server or by us: nothing was changed there.</exception>
    public async Task<(RunPlace Place, IReadOnlyList<SessionBase> Bases, string Config)> ConnectAsync(bool askStatus, CancellationToken cancel)
    {
        await api.CheckKeyAsync(cancel).ConfigureAwait(false);
        var entity = state.Entity ?? _header.Entity;
        var status = askStatus ? await api.ResumeStatusAsync(entity, state.Project ?? _header.Project, _header.RunId, cancel).ConfigureAwait(false) : null;
        var bases = Decide(status);
        var config = RunConfig.ToJson(run);
        var place = await api.UpsertBucketAsync(Variables(status, entity, config), cancel).ConfigureAwait(false);
        state.SetPlace(place);
        return (place, bases, config);
    }

    private List<SessionBase> Decide(ResumeAnswer? status)
    {
        var isFirstContact = state.StorageId is null && run.Sessions.All(session => session.Base is null);
        var hasLines = status is { Lines: { Rows: > 0 } or { Events: > 0 } or { Output: > 0 } };
        if (isFirstContact)
        {
            CheckResume(status is not null, hasLines);
        }

        var isForeign = hasLines && (isFirstContact || !EndsWithOurs(status!));
        List<SessionBase> bases = [];
        for (var i = 0; i < run.Sessions.Count; i++)
        {
            bases.Add(run.Sessions[i].Base ?? Place(i, bases.LastOrDefault(), status, isForeign));
        }

        if (isForeign && run.Sessions is [.., { Base: not null }])
        {
            throw Foreign(status!);
        }

        for (var i = 0; i < bases.Count; i++)
        {
            if (run.Sessions[i].Base is null)
            {
                writeBase(i, bases[i]);
                run.SetBase(i, bases[i]);
            }
        }

        Forget(status, bases);
        return bases;
    }

    private void CheckResume(bool exists, bool hasLines)
    {
        var name = $"run \"{_header.RunId}\" in project \"{_header.Project}\"";
        if (_header.Resume is ResumeMode.Must && !exists)
        {
            throw new TrackingException(TrackingFault.RunMissing,
                $"{name} must be resumed, but the server has no such run; check WANDB_RUN_ID, or use resume \"allow\"");
        }

        if (exists && (_header.Resume is ResumeMode.Never || (_header.Resume is null && hasLines)))
        {
            throw new TrackingException(
                TrackingFault.RunExists, $"{name} exists on the server already; choose another WANDB_RUN_ID, or set WANDB_RESUME=allow to continue it");
        }
    }

    /// <summary>A session's place: behind the session before it, or behind what others wrote.</summary>
    private SessionBase Place(int index, SessionBase? before, ResumeAnswer? status, bool isForeign)
    {
        var start = run.Sessions[index].Start;
        var isLast = index == run.Sessions.Count - 1;
        if (isForeign && isLast)
        {
            if (state.Sent.Rows < start.Rows)
            {
                throw Foreign(status!);
            }

            return BehindOthers(status!, start);
        }

        return before is null
            ? SessionBase.At(default, 0, 0)
            : SessionBase.At(before.First + start.First - run.Sessions[index - 1].Start.First, before.Step, before.RuntimeSeconds);
    }

    private static SessionBase BehindOthers(ResumeAnswer status, SessionStart start)
    {
        var summary = status.Summary is { } text ? Members(text) : [];
        var last = status.HistoryTail.Count > 0 ? Members(status.HistoryTail[^1]) : summary;
        var runtimes = status.HistoryTail.Concat(status.EventsTail).Select(line => Number(Members(line), "_runtime"))
            .Append(summary.TryGetValue("_wandb", out var block) ? Number(Members(block), "runtime") : 0);
        var step = status.Lines.Rows == 0 ? 0 : (long)Number(last, "_step") + 1;
        return SessionBase.At(
            status.Lines, step - start.NextStep, Math.Max(0, runtimes.Max() - start.RuntimeSeconds), status.Summary, OlderConfig(status.Config));
    }

    /// <summary>What others configured, without the client's own block: this process's values win, but theirs do not disappear.</summary>
    private static string? OlderConfig(string? config) => config is null ? null : JsonMembers.Join(Members(config)
        .Where(member => member.Key != "_wandb")
        .Select(member => KeyValuePair.Create(member.Key, Members(member.Value).GetValueOrDefault("value", "null"))));

    /// <summary>Whether the last line on the server is one that this folder wrote; told by its time, which is unique to the microsecond.</summary>
    private bool EndsWithOurs(ResumeAnswer status)
    {
        var (stream, tail) = status.Lines.Rows > 0 ? (StreamKind.History, status.HistoryTail) : (StreamKind.Events, status.EventsTail);
        if (tail.Count == 0)
        {
            return true;
        }

        for (var i = run.Sessions.Count - 1; i >= 0; i--)
        {
            if (run.Sessions[i] is { Base: { } place } session)
            {
                var last = (session.Start.First - place.First + status.Lines)[stream] - 1;
                return last >= 0 && isOurs(stream, last, Number(Members(tail[^1]), "_timestamp"));
            }
        }

        return false;
    }

    /// <summary>Lines that the server no longer has count as not sent.</summary>
    private void Forget(ResumeAnswer? status, List<SessionBase> bases)
    {
        // Without a session there is no line either.
        if (state.StorageId is null || bases.Count == 0)
        {
            return;
        }

        var there = (status?.Lines ?? default) - bases[^1].First + run.Sessions[^1].Start.First;
        state.SetReached(there.Rows);
        state.SetSent(there.Zip(state.Sent, (lines, sent) => Math.Clamp(lines, 0, sent)));
    }

    private TrackingException Foreign(ResumeAnswer status) => new(
        TrackingFault.ForeignLines,
        $"run \"{_header.RunId}\": the server has {status.Lines.Rows} rows, the last of which this folder did not write, "
            + $"and {run.Rows - state.Sent.Rows} rows wait here; "
        + "another process has continued the run. Nothing was overwritten; sync this folder under a new id");

    private JsonObject Variables(ResumeAnswer? status, string? entity, string config) => new()
    {
        ["id"] = status?.StorageId ?? state.StorageId,
        ["name"] = _header.RunId,
        ["project"] = state.Project ?? _header.Project,
        ["entity"] = entity,
        ["groupName"] = _header.Group,
        ["displayName"] = _header.Name,
        ["notes"] = _header.Notes,
        ["config"] = config,
        ["host"] = _header.Host,
        ["program"] = _header.Program,
        ["jobType"] = _header.JobType,
        ["tags"] = _header.Tags.Count == 0 ? null : WandbApi.Array(_header.Tags),
    };

    /// <summary>A line's time, which names it.</summary>
    internal static double TimeOf(StreamLine line) => Number(new(line.Members.DistinctBy(member => member.Key)), "_timestamp");

    private static Dictionary<string, string> Members(string json)
    {
        try
        {
            return new(JsonMembers.Split(json));
        }
        catch (FormatException)
        {
            // A line that others wrote in a form we do not know: it is not ours, and has no numbers for us.
            return [];
        }
    }

    private static double Number(Dictionary<string, string> members, string name)
        => members.TryGetValue(name, out var text) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && double.IsFinite(number) ? number : 0;
}
