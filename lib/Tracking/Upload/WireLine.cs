using System.Globalization;

namespace NotebookLib.Tracking;

/// <summary>Turns a journal's line into the server's: its number there, and steps and times moved behind those of a resumed run.</summary>
internal static class WireLine
{
    /// <summary>The line's number on the server.</summary>
    public static long Offset(StreamLine line, ReplaySession session, SessionBase place) => line.Number - First(session.Start, line.Kind) + line.Kind switch
    {
        StreamKind.History => place.History,
        StreamKind.Events => place.Events,
        _ => place.Output,
    };

    /// <summary>
    /// The session that wrote the line. A session whose own line is damaged is told only by its place, which stands behind its first lines:
    /// those came as the session's before it, and their numbers say better.
    /// </summary>
    /// <param name="line">The line.</param>
    /// <param name="sessions">All sessions of the journal.</param>
    public static int Session(StreamLine line, IReadOnlyList<ReplaySession> sessions)
    {
        var session = line.Session;
        while (session + 1 < sessions.Count && First(sessions[session + 1].Start, line.Kind) <= line.Number)
        {
            session++;
        }

        return session;
    }

    /// <summary>The line's text on the server.</summary>
    public static string Text(StreamLine line, SessionBase place) => line.Kind switch
    {
        StreamKind.Output => Output(JournalJson.Read<OutputLine>(line.Json)),
        _ when (place.Step == 0 || line.HasOwnStep) && place.RuntimeSeconds == 0 => line.Json,
        _ => JsonMembers.Join(JsonMembers.Split(line.Json).Select(member => member.Key switch
        {
            "_step" when !line.HasOwnStep =>
                new(member.Key, (long.Parse(member.Value, CultureInfo.InvariantCulture) + place.Step).ToString(CultureInfo.InvariantCulture)),
            "_runtime" =>
                new(member.Key, (double.Parse(member.Value, CultureInfo.InvariantCulture) + place.RuntimeSeconds).ToString("R", CultureInfo.InvariantCulture)),
            _ => member,
        })),
    };

    /// <summary>The number of a session's first line.</summary>
    private static long First(SessionStart start, StreamKind stream) => stream switch
    {
        StreamKind.History => start.Rows,
        StreamKind.Events => start.Events,
        _ => start.Lines,
    };

    /// <summary>"ISO time text", standard error with "ERROR " before it; UTC (WANDB.md §4, console).</summary>
    private static string Output(OutputLine line)
        => $"{(line.IsError ? "ERROR " : "")}{line.Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff", CultureInfo.InvariantCulture)} {line.Text}";
}
