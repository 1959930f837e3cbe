using System.Globalization;

namespace NotebookLib.Tracking;

/// <summary>Turns a journal's line into the server's: its number there, and steps and times moved behind those of a resumed run.</summary>
internal static class WireLine
{
    /// <summary>The line's number on the server.</summary>
    public static long Offset(StreamLine line, ReplaySession session, SessionBase place) => line.Kind switch
    {
        StreamKind.History => place.History + line.Number - session.Start.Rows,
        StreamKind.Events => place.Events + line.Number - session.Start.Events,
        _ => place.Output + line.Number - session.Start.Lines,
    };

    /// <summary>The line's text on the server.</summary>
    public static string Text(StreamLine line, SessionBase place) => line.Kind switch
    {
        StreamKind.Output => Output(JournalJson.Read<OutputLine>(line.Json)),
        _ when (place.Step == 0 || line.HasOwnStep) && place.RuntimeSeconds == 0 => line.Json,
        _ => JsonMembers.Join(JsonMembers.Split(line.Json).Select(member => member.Key switch
        {
            "_step" when !line.HasOwnStep => new(member.Key, (long.Parse(member.Value, CultureInfo.InvariantCulture) + place.Step).ToString(CultureInfo.InvariantCulture)),
            "_runtime" => new(member.Key, (double.Parse(member.Value, CultureInfo.InvariantCulture) + place.RuntimeSeconds).ToString("R", CultureInfo.InvariantCulture)),
            _ => member,
        })),
    };

    /// <summary>"ISO time text", standard error with "ERROR " before it; UTC (WANDB.md §4, console).</summary>
    private static string Output(OutputLine line)
        => $"{(line.IsError ? "ERROR " : "")}{line.Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff", CultureInfo.InvariantCulture)} {line.Text}";
}
