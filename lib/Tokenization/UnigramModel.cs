namespace NotebookLib.Tokenization;

/// <summary>
/// Splits normalised text into the pieces with the best sum of scores (Kudo 2018, "Subword Regularization", §3.2), with the fast tokenizer's treatment of
/// unknown characters: each costs the lowest score − 10, has no byte fallback, and neighbours fuse into one piece. Port of the search in
/// huggingface/tokenizers, tokenizers/src/models/unigram/model.rs (<c>encode_optimized</c>, 02cc5359): sums in float64, the first of equally good paths wins.
/// </summary>
internal sealed class UnigramModel
{
    private const double UnknownPenalty = 10;

    private readonly PieceTrie _trie;
    private readonly double[] _scores;
    private readonly double _unknownScore;
    private readonly int _unknownId;

    // By byte, −1 where the vocabulary has no piece for it; null without fallback.
    private readonly int[]? _byteIds;

    /// <summary>Prepares a model for searching.</summary>
    /// <param name="pieces">The vocabulary, in id order.</param>
    /// <param name="unknownId">Which of them stands for unknown text.</param>
    /// <param name="hasByteFallback">Whether unknown text becomes the pieces of its bytes (<c>&lt;0x41&gt;</c>) where the vocabulary has all of them.</param>
    public UnigramModel(IReadOnlyList<VocabularyPiece> pieces, int unknownId, bool hasByteFallback = false)
    {
        _trie = PieceTrie.Build(pieces);
        _scores = [.. pieces.Select(piece => piece.Score)];
        _unknownId = unknownId;
        _unknownScore = _scores.Min() - UnknownPenalty;
        _byteIds = hasByteFallback
            ? [.. Enumerable.Range(0, 256).Select(value => FindPiece(System.Text.Encoding.UTF8.GetBytes(Invariant($"<0x{value:X2}>"))))] : null;
    }

    /// <summary>The id of a whole piece, or −1.</summary>
    public int FindPiece(ReadOnlySpan<byte> text) => _trie.Find(text);

    /// <summary>Splits one pre-token.</summary>
    /// <param name="text">UTF-8, N bytes.</param>
    /// <param name="workspace">
    /// Receives the pieces: <see cref="ViterbiWorkspace.Ids"/> and <see cref="ViterbiWorkspace.Ends"/> (byte positions); pieces of single bytes share the end
    /// of the text that they spell.
    /// </param>
    /// <returns>How many pieces there are.</returns>
    public int Split(ReadOnlySpan<byte> text, ViterbiWorkspace workspace)
    {
        var nodes = workspace.NodesFor(text.Length);
        for (var start = 0; start < text.Length;)
        {
            var characterEnd = start + LengthOfCharacter(text[start]);
            var scoreHere = nodes[start].Score;
            var hasSingle = false;
            var trieNode = PieceTrie.Root;
            for (var end = start; end < text.Length;)
            {
                trieNode = _trie.Step(trieNode, text[end++]);
                if (trieNode < 0)
                {
                    break;
                }

                var id = _trie.PieceAt(trieNode);
                if (id >= 0)
                {
                    Offer(ref nodes[end], scoreHere + _scores[id], start, id);
                    hasSingle |= end == characterEnd;
                }
            }

            if (!hasSingle)
            {
                Offer(ref nodes[characterEnd], scoreHere + _unknownScore, start, _unknownId);
            }

            start = characterEnd;
        }

        return Backtrack(text, nodes, workspace);
    }

    private static void Offer(ref ViterbiWorkspace.Node node, double score, int start, int id)
    {
        if (node.Start < 0 || score > node.Score)
        {
            node = new ViterbiWorkspace.Node(score, start, id);
        }
    }

    private int Backtrack(ReadOnlySpan<byte> text, Span<ViterbiWorkspace.Node> nodes, ViterbiWorkspace workspace)
    {
        var count = 0;
        for (var end = text.Length; end > 0; end = nodes[end].Start)
        {
            count += _byteIds is not null && nodes[end].Id == _unknownId ? end - nodes[end].Start : 1;
        }

        workspace.Reserve(count);
        var at = count;
        for (var end = text.Length; end > 0;)
        {
            var (start, isFused) = (nodes[end].Start, false);
            while (nodes[end].Id == _unknownId && start > 0 && nodes[start].Id == _unknownId)
            {
                (start, isFused) = (nodes[start].Start, true);
            }

            var id = isFused ? IdOfFused(text[start..end]) : nodes[end].Id;
            if (id == _unknownId && HasAllBytes(text[start..end]))
            {
                for (var value = end - 1; value >= start; value--)
                {
                    (workspace.Ids[--at], workspace.Ends[at]) = (_byteIds![text[value]], end);
                }
            }
            else
            {
                (workspace.Ids[--at], workspace.Ends[at]) = (id, end);
            }

            end = start;
        }

        return workspace.DropFirst(at, count);
    }

    /// <summary>Whether unknown text goes as bytes; text that spells the unknown piece is that piece.</summary>
    private bool HasAllBytes(ReadOnlySpan<byte> text)
    {
        if (_byteIds is null || _trie.Find(text) >= 0)
        {
            return false;
        }

        foreach (var value in text)
        {
            if (_byteIds[value] < 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The reference looks the fused text up again, so a run of unknowns that spells a piece becomes that piece.</summary>
    private int IdOfFused(ReadOnlySpan<byte> text) => _trie.Find(text) is >= 0 and var id ? id : _unknownId;

    private static int LengthOfCharacter(byte first) => first switch
    {
        < 0x80 => 1,
        < 0xE0 => 2,
        < 0xF0 => 3,
        _ => 4,
    };
}

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
