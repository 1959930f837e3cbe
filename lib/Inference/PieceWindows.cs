using NotebookLib.Tokenization;

namespace NotebookLib.Inference;

/// <summary>
/// Scores texts of any length: one that is longer than the network was made for goes through it in overlapping windows, and each piece has the scores of the
/// window in which it stands farthest from an end. Whatever is made of the scores afterwards sees one text, so nothing is lost or doubled where windows meet. A
/// piece has at least <see cref="ContextShare"/> of a window before and behind it, as far as the text reaches: a network that looks no farther gives what one
/// long pass gives.
/// </summary>
internal static class PieceWindows
{
    /// <summary>A part of a window's pieces: 63 of 510.</summary>
    public const int ContextShare = 8;

    /// <summary>Pieces whose scores are in memory at once; a longer batch is cut.</summary>
    private const int PiecesAtOnce = 1 << 16;

    /// <summary>Takes the scores of one piece.</summary>
    /// <param name="text">Which text.</param>
    /// <param name="piece">Which of its pieces, specials left out.</param>
    /// <param name="logits_K">Valid during the call.</param>
    public delegate void Reader(int text, int piece, ReadOnlySpan<float> logits_K);

    /// <summary>Scores texts, longest windows first.</summary>
    /// <param name="scorer">The network.</param>
    /// <param name="encodings">The texts.</param>
    /// <param name="read">Called once for each piece, in no order; never by two threads at once.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="InvalidOperationException">The scorer gives another number of scores than there are pieces and labels.</exception>
    public static void Score(IPieceScorer scorer, IReadOnlyList<Encoding> encodings, Reader read, CancellationToken cancellation)
    {
        List<Window> sorted = [.. Cut(encodings, scorer.MaximumPieces).OrderByDescending(window => window.Ids.Length)];
        for (var first = 0; first < sorted.Count;)
        {
            var (count, pieces) = (0, 0L);
            while (first + count < sorted.Count && (count == 0 || pieces + sorted[first + count].Ids.Length <= PiecesAtOnce))
            {
                pieces += sorted[first + count++].Ids.Length;
            }

            var slice = sorted.GetRange(first, count);
            var logits = scorer.Score([.. slice.Select(window => window.Ids)], cancellation);
            for (var i = 0; i < count; i++)
            {
                Give(slice[i], logits[i], scorer.Labels.Count, read);
            }

            first += count;
        }
    }

    /// <summary>Pieces of a text that go through the network together.</summary>
    /// <param name="Text">Which text.</param>
    /// <param name="Ids">With the specials at both ends.</param>
    /// <param name="Shift">What is added to a place in the window to have the place in the text.</param>
    /// <param name="From">First piece of the text whose scores are taken from here.</param>
    /// <param name="To">Behind the last one.</param>
    public readonly record struct Window(int Text, int[] Ids, int Shift, int From, int To);

    /// <summary>The windows of texts, in reading order.</summary>
    /// <param name="encodings">The texts.</param>
    /// <param name="maximum">Pieces of the longest window, specials among them.</param>
    public static List<Window> Cut(IReadOnlyList<Encoding> encodings, int maximum)
    {
        var windows = new List<Window>(encodings.Count);
        for (var text = 0; text < encodings.Count; text++)
        {
            Cut(encodings[text], text, maximum, windows);
        }

        return windows;
    }

    /// <summary>Gives the scores of a window's own pieces to a reader.</summary>
    /// <param name="window">The window.</param>
    /// <param name="logits_LK">What the network made of it.</param>
    /// <param name="labels">K.</param>
    /// <param name="read">Called once for each piece.</param>
    /// <exception cref="InvalidOperationException">There are not as many scores as pieces and labels.</exception>
    public static void Give(Window window, float[] logits_LK, int labels, Reader read)
    {
        if (logits_LK.Length != window.Ids.Length * labels)
        {
            throw new InvalidOperationException($"The scorer gave {logits_LK.Length} logits for {window.Ids.Length} pieces and {labels} labels; "
                + $"expected {window.Ids.Length * labels}.");
        }

        for (var piece = window.From; piece < window.To; piece++)
        {
            read(window.Text, piece, logits_LK.AsSpan((piece - window.Shift) * labels, labels));
        }
    }

    private static void Cut(Encoding encoding, int text, int maximum, List<Window> windows)
    {
        var (ids, wordIds) = (encoding.Ids, encoding.WordIds);
        var (before, end) = (0, ids.Length);
        while (before < end && wordIds[before] < 0)
        {
            before++;
        }

        while (end > before && wordIds[end - 1] < 0)
        {
            end--;
        }

        var behind = ids.Length - end;
        if (ids.Length <= maximum)
        {
            windows.Add(new(text, ids, 0, before, end));
            return;
        }

        var width = Math.Max(1, maximum - before - behind);
        var context = width / ContextShare;
        var step = Math.Max(1, width - (2 * context));
        for (var start = before; ; start += step)
        {
            // The last window ends where the text does, and so is as wide as the others.
            var isLast = start + width >= end;
            var first = isLast ? end - width : start;
            windows.Add(
                new(text, [.. ids[..before], .. ids[first..(first + width)], .. ids[end..]], first - before, start == before ? before : start + context,
                isLast ? end : start + step + context));
            if (isLast)
            {
                return;
            }
        }
    }
}
