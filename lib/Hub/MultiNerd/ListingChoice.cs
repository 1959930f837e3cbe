using NotebookLib.Data;

namespace NotebookLib.Hub;

/// <summary>
/// Which rows of a listing are the data set's own. Four cases: the known number of rows as they are (sentences that occur twice within it belong to it);
/// the whole listing twice, as datasets 2.15 gave it (its first half); each row's double elsewhere, and anything else (each different sentence once).
/// </summary>
/// <param name="IsKept">Per English row, in file order.</param>
/// <param name="KeptCount">How many are kept.</param>
/// <param name="Reason">Which case it was, for people.</param>
internal sealed record ListingChoice(IReadOnlyList<bool> IsKept, int KeptCount, string Reason)
{
    /// <summary>Chooses.</summary>
    /// <param name="rows">The English rows, in file order.</param>
    /// <param name="knownCount">How many sentences the known source has; null when nothing is known.</param>
    public static ListingChoice Make(IEnumerable<Sentence> rows, int? knownCount)
    {
        var seen = new SeenSentences();
        var hashes = rows.Select(seen.HashOf).ToList();
        var half = hashes.Count / 2;
        if (hashes.Count == knownCount)
        {
            return Keep(hashes, _ => true, "each row as listed");
        }

        if (hashes.Count > 1 && hashes.Count % 2 == 0 && hashes.Take(half).SequenceEqual(hashes.Skip(half)))
        {
            return Keep(hashes, row => row < half, "the listing came twice; its first half");
        }

        var distinct = new HashSet<UInt128>();
        return Keep(hashes, row => distinct.Add(hashes[row]), "each different sentence once, where it first appears");
    }

    private static ListingChoice Keep(List<UInt128> hashes, Func<int, bool> isKept, string reason)
    {
        var kept = new bool[hashes.Count];
        for (var row = 0; row < kept.Length; row++)
        {
            kept[row] = isKept(row);
        }

        return new ListingChoice(kept, kept.Count(keep => keep), reason);
    }
}
