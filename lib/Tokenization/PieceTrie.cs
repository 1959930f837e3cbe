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
