namespace NotebookLib.Tracking;

/// <summary>The three line-numbered streams of a run.</summary>
internal enum StreamKind
{
    History,
    Events,
    Output,
}

/// <summary>How many lines of each stream, or the number of the next one in each.</summary>
internal readonly record struct StreamCounts(long Rows, long Events, long Output)
{
    public long this[StreamKind stream] => stream switch { StreamKind.History => Rows, StreamKind.Events => Events, _ => Output };

    public static StreamCounts operator +(StreamCounts left, StreamCounts right) => left.Zip(right, (a, b) => a + b);

    public static StreamCounts operator -(StreamCounts left, StreamCounts right) => left.Zip(right, (a, b) => a - b);

    /// <summary>At least so many of a stream.</summary>
    public StreamCounts Reaching(StreamKind stream, long count) => stream switch
    {
        StreamKind.History => this with { Rows = Math.Max(Rows, count) },
        StreamKind.Events => this with { Events = Math.Max(Events, count) },
        _ => this with { Output = Math.Max(Output, count) },
    };

    public StreamCounts Zip(StreamCounts other, Func<long, long, long> join)
        => new(join(Rows, other.Rows), join(Events, other.Events), join(Output, other.Output));
}

/// <summary>One line as the server will hold it, but with the journal's own number.</summary>
/// <param name="Kind">The stream.</param>
/// <param name="Session">The session that wrote it (<see cref="RunReplay.Sessions"/>).</param>
/// <param name="Number">The line's number in the journal, counted over all sessions.</param>
/// <param name="Json">The record's text.</param>
internal readonly record struct StreamLine(StreamKind Kind, int Session, long Number, string Json)
{
    /// <summary>Names and raw values of a row or an event.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Members { get; init; } = [];

    /// <summary>What a line of console output says.</summary>
    public OutputLine? Output { get; init; }

    /// <summary>Whether the user numbers the steps: they are then the server's as they are.</summary>
    public bool HasOwnStep { get; init; }

    /// <summary>How often the run had come back to a mark when the line was written (<see cref="RunReplay.IsSuperseded"/>).</summary>
    public int Returns { get; init; }

    /// <summary>The same with other members.</summary>
    public StreamLine With(IEnumerable<KeyValuePair<string, string>> members)
        => this with { Members = [.. members], Json = JsonMembers.Join(members) };
}
