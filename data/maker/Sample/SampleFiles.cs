using NotebookLib.Data;

namespace NotebookLib.SampleMaker.Sample;

/// <summary>The sample as files: one Parquet file per split, in MultiNERD's form.</summary>
public static class SampleFiles
{
    /// <summary>Where a split lies.</summary>
    public static string PathOf(string folder, string split) => Path.Combine(folder, split + ".parquet");

    /// <summary>Writes all splits.</summary>
    public static void Write(SampleSplits splits, string folder)
    {
        ArgumentNullException.ThrowIfNull(splits);
        foreach (var split in splits.All)
        {
            ParquetSentences.Write(PathOf(folder, split.Name), split.Sentences, LabelSet.SystemA);
        }
    }

    /// <summary>Reads a split back.</summary>
    public static IReadOnlyList<Sentence> Read(string folder, string split) => [.. SentenceReader.Open(PathOf(folder, split), LabelSet.SystemA)];
}
