using System.Security.Cryptography;
using NotebookLib.Data;

namespace NotebookLib.Hub;

/// <summary>Makes one split's Parquet file from the Hub's JSON lines, streaming: two readings, one row group in memory, 16 bytes for each row.</summary>
internal static class SplitMaker
{
    // What the splits hold: distinct English sentences.
    private static readonly Dictionary<string, int> Known = new(StringComparer.Ordinal) { ["train"] = 131_280, ["validation"] = 16_410, ["test"] = 16_454 };

    /// <summary>Makes the file.</summary>
    /// <param name="split">train, validation or test.</param>
    /// <param name="source">The JSON lines.</param>
    /// <param name="sourceName">Their name at the Hub.</param>
    /// <param name="folder">Where the Parquet file goes.</param>
    /// <param name="cancel">Gives up; no half file is left.</param>
    /// <exception cref="DataFormatException">The source has wrong rows; all are listed with their lines.</exception>
    public static MultiNerdSplit Make(string split, string source, string sourceName, string folder, CancellationToken cancel)
    {
        var file = split + ".parquet";
        var path = Path.Combine(folder, file);
        int? known = Known[split];
        var rows = SentenceReader.Open(source, LabelSet.SystemA,
            new ReaderOptions { Language = "en", Rows = RowListing.AsListed, Format = DataFormat.Json, Scheme = TagScheme.Iob2 });
        var choice = ListingChoice.Make(Stoppable(rows, cancel), known);
        var summary = rows.Summary!;
        long words = 0, entities = 0;
        ParquetSentences.Write(path, Stoppable(rows, cancel).Where((_, row) => choice.IsKept[row]).Select(Count), LabelSet.SystemA);
        return new MultiNerdSplit(
            file, HashOf(path), new FileInfo(path).Length, sourceName, HashOf(source), summary.RowCount, summary.SentenceCount, choice.KeptCount,
            2L * choice.KeptCount, known, words, entities, choice.Reason);

        Sentence Count(Sentence sentence)
        {
            words += sentence.Words.Count;
            // Odd ids begin an entity.
            entities += sentence.Tags.Count(tag => tag % 2 == 1);
            return sentence;
        }
    }

    /// <summary>Whether a split's file is there with the manifest's hash.</summary>
    public static bool IsWhole(string folder, MultiNerdSplit split)
    {
        var path = Path.Combine(folder, split.File);
        return HubNames.IsSafeFile(split.File) && File.Exists(path) && new FileInfo(path).Length == split.Bytes && HashOf(path) == split.Sha256;
    }

    private static IEnumerable<Sentence> Stoppable(IEnumerable<Sentence> rows, CancellationToken cancel)
    {
        foreach (var row in rows)
        {
            cancel.ThrowIfCancellationRequested();
            yield return row;
        }
    }

    private static string HashOf(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }
}

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
