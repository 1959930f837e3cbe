namespace NotebookLib.Tokenization;

/// <summary>Buffers that one thread uses again and again while it tokenizes; they carry nothing from one call to the next.</summary>
internal sealed class ViterbiWorkspace
{
    /// <summary>Buffers for longer texts than this are not kept.</summary>
    private const int LargestKept = 1 << 20;

    [ThreadStatic]
    private static ViterbiWorkspace? s_ofThread;

    private Node[] _nodes = new Node[256];
    private byte[] _bytes = new byte[256];

    /// <summary>The best way to reach a byte position: its score, where its last piece starts (−1: not reached yet), and that piece.</summary>
    public record struct Node(double Score, int Start, int Id);

    /// <summary>This thread's workspace.</summary>
    public static ViterbiWorkspace OfThread => s_ofThread ??= new();

    /// <summary>Ids of the pieces found.</summary>
    public int[] Ids { get; private set; } = new int[64];

    /// <summary>Where each piece ends, in bytes; it starts where the one before it ends.</summary>
    public int[] Ends { get; private set; } = new int[64];

    /// <summary>Nodes for positions 0 to <paramref name="length"/>, none reached but the first.</summary>
    public Span<Node> NodesFor(int length)
    {
        if (_nodes.Length <= length)
        {
            _nodes = new Node[Math.Max(length + 1, _nodes.Length * 2)];
        }

        var nodes = _nodes.AsSpan(0, length + 1);
        nodes.Fill(new Node(0, -1, 0));
        return nodes;
    }

    /// <summary>A buffer for UTF-8 text.</summary>
    public Span<byte> BytesFor(int length)
    {
        if (_bytes.Length < length)
        {
            _bytes = new byte[Math.Max(length, _bytes.Length * 2)];
        }

        return _bytes.AsSpan(0, length);
    }

    /// <summary>Makes room for pieces.</summary>
    public void Reserve(int count)
    {
        if (Ids.Length < count)
        {
            (Ids, Ends) = (new int[Math.Max(count, Ids.Length * 2)], new int[Math.Max(count, Ids.Length * 2)]);
        }
    }

    /// <summary>Moves the pieces [from, count) to the front.</summary>
    /// <returns>How many there are.</returns>
    public int DropFirst(int from, int count)
    {
        if (from > 0)
        {
            Ids.AsSpan(from, count - from).CopyTo(Ids);
            Ends.AsSpan(from, count - from).CopyTo(Ends);
        }

        return count - from;
    }

    /// <summary>Gives back buffers that an unusually long text has made large.</summary>
    public void Trim()
    {
        if (_nodes.Length > LargestKept || _bytes.Length > LargestKept || Ids.Length > LargestKept)
        {
            s_ofThread = null;
        }
    }
}
