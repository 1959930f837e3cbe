namespace NotebookLib.Tracking;

/// <summary>What a line of the journal says; the letter stands in the file.</summary>
internal enum JournalKind : byte
{
    /// <summary>The run's header: the first line.</summary>
    Run = (byte)'R',

    /// <summary>A process begins to write.</summary>
    Session = (byte)'N',

    /// <summary>Where on the server a session's lines begin.</summary>
    Base = (byte)'B',

    /// <summary>Configuration values.</summary>
    Config = (byte)'C',

    /// <summary>A metric's definition.</summary>
    Metric = (byte)'M',

    /// <summary>A whole history row.</summary>
    Row = (byte)'H',

    /// <summary>A part of a history row: parts with one number are one row.</summary>
    Part = (byte)'P',

    /// <summary>A row that stays here: too long for the wire, or too late for its step.</summary>
    Kept = (byte)'L',

    /// <summary>A place to which the run may come back: how many rows there are when a checkpoint is made.</summary>
    Mark = (byte)'K',

    /// <summary>The run goes on from a mark: rows and summary values behind it are superseded.</summary>
    Return = (byte)'G',

    /// <summary>Summary values beyond the rows' last ones.</summary>
    Summary = (byte)'S',

    /// <summary>A sample of the machine's state.</summary>
    Event = (byte)'E',

    /// <summary>A line of console output.</summary>
    Output = (byte)'O',

    /// <summary>An artifact to upload.</summary>
    Artifact = (byte)'A',

    /// <summary>The run ended.</summary>
    Exit = (byte)'X',
}

/// <summary>One line of the journal.</summary>
/// <param name="Kind">What it says.</param>
/// <param name="Number">The line's number in its stream (rows, events, output, sessions), else 0.</param>
/// <param name="Json">A JSON object; rows may hold bare NaN and Infinity.</param>
/// <param name="FollowsDamage">Whether the line before it was damaged and passed over.</param>
internal readonly record struct JournalRecord(JournalKind Kind, long Number, string Json, bool FollowsDamage = false);
