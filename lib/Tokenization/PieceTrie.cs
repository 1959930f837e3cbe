using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace NotebookLib.Tokenization;

/// <summary>
/// All pieces of a vocabulary as one prefix tree over UTF-8 bytes, laid out as a double array (Aoe 1989): the child of node s by byte c is at
/// <c>Base(s) + c</c> if that slot's parent is s. One step costs one memory access, which is what the Viterbi search spends its time on.
/// </summary>
internal sealed class PieceTrie
{
    /// <summary>The node from which a search starts.</summary>
    public const int Root = 0;

    private readonly Slot[] _slots;

    private PieceTrie(Slot[] slots) => _slots = slots;

    /// <summary>Moves from a node along one byte.</summary>
    /// <returns>The child, or −1 when no piece goes on like this.</returns>
    public int Step(int node, byte label)
    {
        var child = _slots[node].Base + label;
        return _slots[child].Parent == node ? child : -1;
    }

    /// <summary>The id of the piece that ends at a node; −1 when none does.</summary>
    public int PieceAt(int node) => _slots[node].Id;

    /// <summary>Finds a whole piece.</summary>
    /// <returns>Its id, or −1.</returns>
    public int Find(ReadOnlySpan<byte> text)
    {
        var node = Root;
        foreach (var label in text)
        {
            node = Step(node, label);
            if (node < 0)
            {
                return -1;
            }
        }

        return _slots[node].Id;
    }

    /// <summary>Builds the tree; time and memory grow with the bytes of all pieces.</summary>
    /// <param name="pieces">In id order; of those that are there twice the last one counts, empty ones are never found.</param>
    public static PieceTrie Build(IReadOnlyList<VocabularyPiece> pieces) => new(new PieceTrieBuilder(pieces).Build());

    /// <summary>One node: where its children begin, whose child it is, and which piece ends here.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Slot
    {
        /// <summary>Slot of the child by byte 0.</summary>
        public int Base;

        /// <summary>Slot of the parent.</summary>
        public int Parent;

        /// <summary>Id of the piece that ends here, or −1.</summary>
        public int Id;
    }
}

/// <summary>
/// Builds a <see cref="PieceTrie"/>. Places nodes breadth first, so that the upper levels, which every search touches, lie together in memory.
/// </summary>
internal sealed class PieceTrieBuilder(IReadOnlyList<VocabularyPiece> pieces)
{
    /// <summary>A node with several children tries this many free places before it moves behind the end: keeps building linear for any vocabulary.</summary>
    private const int Attempts = 64;

    /// <summary>Children are placed from here on, so that a base is never negative.</summary>
    private const int FirstChild = 256;

    /// <summary>The parent of a slot that nobody has taken.</summary>
    private const int Free = -2;

    private readonly (byte[] Text, int Id)[] _keys = SortedKeys(pieces);
    private readonly List<byte> _labels = [];
    private readonly List<(int From, int To)> _ranges = [];
    private PieceTrie.Slot[] _slots = [];
    private int _lastTaken = FirstChild;

    // The free slots as a ring through slot 0: next and previous free slot.
    private int[] _next = [];
    private int[] _previous = [];

    /// <summary>Lays out all pieces.</summary>
    public PieceTrie.Slot[] Build()
    {
        Grow(1024);
        Take(PieceTrie.Root, parent: -1);
        var waiting = new Queue<(int Node, int From, int To, int Depth)>();
        waiting.Enqueue((PieceTrie.Root, 0, _keys.Length, 0));
        while (waiting.TryDequeue(out var item))
        {
            var from = SetPiece(item.Node, item.From, item.To, item.Depth);
            if (from == item.To)
            {
                continue;
            }

            FindChildren(from, item.To, item.Depth);
            var start = FindPlace();
            _slots[item.Node].Base = start;
            for (var child = 0; child < _labels.Count; child++)
            {
                Take(start + _labels[child], item.Node);
                waiting.Enqueue((start + _labels[child], _ranges[child].From, _ranges[child].To, item.Depth + 1));
            }
        }

        return Trimmed();
    }

    private int SetPiece(int node, int from, int to, int depth)
    {
        if (from < to && _keys[from].Text.Length == depth)
        {
            _slots[node].Id = _keys[from].Id;
            return from + 1;
        }

        return from;
    }

    private void FindChildren(int from, int to, int depth)
    {
        _labels.Clear();
        _ranges.Clear();
        while (from < to)
        {
            var label = _keys[from].Text[depth];
            var end = from + 1;
            while (end < to && _keys[end].Text[depth] == label)
            {
                end++;
            }

            _labels.Add(label);
            _ranges.Add((from, end));
            from = end;
        }
    }

    private int FindPlace()
    {
        var attempts = 0;
        for (var free = _next[0]; free != 0 && attempts < Attempts; free = _next[free], attempts++)
        {
            if (Fits(free - _labels[0]))
            {
                return free - _labels[0];
            }
        }

        return Reachable(_lastTaken + 1);
    }

    /// <summary>Makes room for every child of a node whose children begin at <paramref name="start"/>.</summary>
    private int Reachable(int start)
    {
        if (start + byte.MaxValue >= _slots.Length)
        {
            Grow((start + byte.MaxValue + 1) * 3 / 2);
        }

        return start;
    }

    private bool Fits(int start)
    {
        Reachable(start);
        for (var child = 1; child < _labels.Count; child++)
        {
            if (_slots[start + _labels[child]].Parent != Free)
            {
                return false;
            }
        }

        return true;
    }

    private void Take(int slot, int parent)
    {
        _slots[slot].Parent = parent;
        _lastTaken = Math.Max(_lastTaken, slot);
        if (slot >= FirstChild)
        {
            _next[_previous[slot]] = _next[slot];
            _previous[_next[slot]] = _previous[slot];
        }
    }

    private void Grow(int size)
    {
        var old = _slots.Length;
        Array.Resize(ref _slots, size);
        Array.Resize(ref _next, size);
        Array.Resize(ref _previous, size);
        for (var slot = old; slot < size; slot++)
        {
            _slots[slot] = new PieceTrie.Slot { Parent = Free, Id = -1 };
            if (slot >= FirstChild)
            {
                var last = _previous[0];
                (_next[last], _previous[slot], _next[slot], _previous[0]) = (slot, last, 0, slot);
            }
        }
    }

    /// <summary>Cuts the free end, but keeps room for every byte after the last base, so that <see cref="PieceTrie.Step"/> never leaves the array.</summary>
    private PieceTrie.Slot[] Trimmed() => _slots.AsSpan(0, Math.Min(_slots.Length, _lastTaken + byte.MaxValue + 1)).ToArray();

    /// <summary>Sorts by bytes: first by eight of them at once, as numbers, which settles most; then the rest of those that are alike so far.</summary>
    private static (byte[] Text, int Id)[] SortedKeys(IReadOnlyList<VocabularyPiece> pieces)
    {
        var keys = new (byte[] Text, int Id)[pieces.Count];
        var beginnings = new ulong[keys.Length];
        Span<byte> eight = stackalloc byte[sizeof(ulong)];
        for (var id = 0; id < keys.Length; id++)
        {
            var text = System.Text.Encoding.UTF8.GetBytes(pieces[id].Text);
            keys[id] = (text, id);
            eight.Clear();
            text.AsSpan(0, Math.Min(text.Length, eight.Length)).CopyTo(eight);
            beginnings[id] = BinaryPrimitives.ReadUInt64BigEndian(eight);
        }

        Array.Sort(beginnings, keys);
        for (int from = 0, to; from < keys.Length; from = to)
        {
            to = from + 1;
            while (to < keys.Length && beginnings[to] == beginnings[from])
            {
                to++;
            }

            keys.AsSpan(from..to).Sort((one, other) =>
                one.Text.AsSpan().SequenceCompareTo(other.Text) is not 0 and var order ? order : one.Id.CompareTo(other.Id));
        }

        return [.. keys.Where((key, at) => key.Text.Length > 0 && !(at + 1 < keys.Length && keys[at + 1].Text.AsSpan().SequenceEqual(key.Text)))];
    }
}
