namespace NotebookLib.Tokenization;

/// <summary>
/// Splits normalised text into the pieces with the best sum of scores (Kudo 2018, "Subword Regularization", §3.2), with the fast tokenizer's treatment of
/// unknown characters: each costs the lowest score − 10, has no byte fallback, and neighbours fuse into one piece. Port of the search in huggingface/tokenizers,
/// tokenizers/src/models/unigram/model.rs (<c>encode_optimized</c>, 02cc5359): sums in float64, the first of equally good paths wins.
/// </summary>
internal sealed class UnigramModel
{
    private const double UnknownPenalty = 10;

    private readonly PieceTrie _trie;
    private readonly double _unknownScore;
    private readonly int _unknownId;

    /// <summary>Prepares a model for searching.</summary>
    public UnigramModel(SentencePieceModel model)
    {
        _trie = PieceTrie.Build(model.Pieces);
        _unknownId = model.UnknownId;
        _unknownScore = model.Pieces.Min(piece => piece.Score) - UnknownPenalty;
    }

    /// <summary>The id of a whole piece, or −1.</summary>
    public int FindPiece(ReadOnlySpan<byte> text) => _trie.Find(text);

    /// <summary>Splits one pre-token.</summary>
    /// <param name="text">UTF-8, N bytes.</param>
    /// <param name="workspace">Receives the pieces: <see cref="ViterbiWorkspace.Ids"/> and <see cref="ViterbiWorkspace.Ends"/> (byte positions).</param>
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

                var (id, score) = _trie.PieceAt(trieNode);
                if (id >= 0)
                {
                    Offer(ref nodes[end], scoreHere + score, start, id);
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
            count++;
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

            workspace.Ids[--at] = isFused ? IdOfFused(text[start..end]) : nodes[end].Id;
            workspace.Ends[at] = end;
            end = start;
        }

        return workspace.DropFirst(at, count);
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
