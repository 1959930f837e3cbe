using NotebookLib.Data;

namespace NotebookLib.Hub;

/// <summary>MultiNERD's English part as Parquet files.</summary>
/// <param name="Folder">Holds the files and their manifest.</param>
/// <param name="Manifest">Source, hashes, counts, licence.</param>
public sealed record MultiNerdFiles(string Folder, MultiNerdManifest Manifest)
{
    /// <summary>The Parquet file of a split.</summary>
    /// <param name="split">train, validation or test.</param>
    /// <exception cref="ArgumentException">That split was not asked for.</exception>
    public string PathOf(string split) => Manifest.Splits.TryGetValue(split, out var made)
        ? Path.Combine(Folder, made.File)
        : throw new ArgumentException($"split '{split}' is not here; expected one of {string.Join(", ", Manifest.Splits.Keys)}", nameof(split));

    /// <summary>The sentences of a split, streaming.</summary>
    /// <param name="split">train, validation or test.</param>
    /// <param name="target">Give tags as ids of this set (System B); null for System A's.</param>
    /// <param name="asPublished">The whole listing twice, as the original notebooks had it.</param>
    /// <inheritdoc cref="PathOf" path="/exception"/>
    public SentenceSource Open(string split, LabelSet? target = null, bool asPublished = false)
        => SentenceReader.Open(PathOf(split), LabelSet.SystemA,
            new ReaderOptions { Target = target, Scheme = TagScheme.Iob2, Rows = asPublished ? RowListing.Published : RowListing.AsListed });

    /// <summary>What differs from the source that the original notebooks had; empty when nothing does.</summary>
    public IReadOnlyList<string> Differences =>
    [
        .. Manifest.Splits.Where(split => split.Value is { KnownSentences: not null, IsKnown: false }).Select(split => Invariant(
            $"{split.Key}: {split.Value.Sentences:N0} sentences, the original notebooks had {split.Value.KnownSentences:N0}: ")
                + Invariant($"{Manifest.Repository} changed (commit {Manifest.Revision[..8]}), so scores are not comparable with the published ones")),
    ];
}
