using NotebookLib.Platform;
using Parquet;
using Parquet.Schema;

namespace NotebookLib.Data;

/// <summary>
/// Writes sentences as Parquet in MultiNERD's form: <c>tokens</c> list of strings, <c>ner_tags</c> list of int32, <c>lang</c> string; label names in the
/// metadata as Python's datasets library keeps them. <see cref="SentenceReader"/> reads it back.
/// </summary>
internal static class ParquetSentences
{
    private const string Language = "en";

    /// <summary>Writes a file, atomically; sentences are taken one row group at a time.</summary>
    /// <param name="path">The target.</param>
    /// <param name="sentences">The rows.</param>
    /// <param name="labels">Names the tag ids.</param>
    /// <param name="rowGroupSize">Sentences in a row group, which a reader holds in memory at once.</param>
    /// <exception cref="ArgumentException">A sentence's lengths differ, or a tag is not of <paramref name="labels"/>.</exception>
    /// <exception cref="IOException">The file cannot be written; an old one is untouched.</exception>
    public static void Write(string path, IEnumerable<Sentence> sentences, LabelSet labels, int rowGroupSize = 10_000)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rowGroupSize, 1);
        AtomicFile.Write(path, stream => Task.Run(() => WriteAsync(stream, sentences, labels, rowGroupSize)).GetAwaiter().GetResult());
    }

    private static async Task WriteAsync(Stream stream, IEnumerable<Sentence> sentences, LabelSet labels, int rowGroupSize)
    {
        var tokens = new ListField("tokens", new DataField("element", typeof(string), isNullable: true));
        var tags = new ListField("ner_tags", new DataField("element", typeof(int), isNullable: true));
        var language = new DataField("lang", typeof(string), isNullable: true);
        var schema = new ParquetSchema(tokens, tags, language);
        var writer = await ParquetWriter.CreateAsync(schema, stream, Packing(tokens, language)).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            writer.CustomMetadata = new Dictionary<string, string> { [LabelNames.MetadataKey] = LabelNames.Describe(labels) };
            foreach (var group in sentences.Chunk(rowGroupSize))
            {
                await WriteGroupAsync(writer, schema, group, labels).ConfigureAwait(false);
            }
        }
    }

    // What pyarrow, DuckDB and Spark all read.
    private static ParquetOptions Packing(ListField tokens, DataField language)
    {
        var packing = new ParquetOptions { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = System.IO.Compression.CompressionLevel.Optimal };
        packing.ColumnEncodingHints[tokens.Item.Path.ToString()] = EncodingHint.Dictionary;
        packing.ColumnEncodingHints[language.Path.ToString()] = EncodingHint.Dictionary;
        return packing;
    }

    private static async Task WriteGroupAsync(ParquetWriter writer, ParquetSchema schema, Sentence[] rows, LabelSet labels)
    {
        foreach (var row in rows)
        {
            row.ThrowIfUnfit(labels);
        }

        // Optional lists of optional values.
        var (definitions, repetitions) = Levels([.. rows.Select(row => row.Words.Count)], 3);
        var words = rows.SelectMany(row => row.Words).Select(word => word.AsMemory()).ToArray();
        var tags = rows.SelectMany(row => row.Tags).ToArray();
        var languages = Enumerable.Repeat(Language.AsMemory(), rows.Length).ToArray();
        using var group = writer.CreateRowGroup();
        var fields = schema.DataFields;
        await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(fields[0], words, definitions, repetitions, default).ConfigureAwait(false);
        await group.WriteAllPartsAsync<int>(fields[1], tags, definitions, repetitions, default).ConfigureAwait(false);
        await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(fields[2], languages, Enumerable.Repeat(1, rows.Length).ToArray(), null, default)
            .ConfigureAwait(false);
        group.CompleteValidate();
    }

    /// <summary>The levels of an optional list whose values lie at a definition level; 1 is an empty list, repetition 0 starts a row.</summary>
    /// <param name="lengths">Values of each row.</param>
    /// <param name="value">Definition level of a value that is there.</param>
    internal static (int[] Definitions, int[] Repetitions) Levels(IReadOnlyList<int> lengths, int value)
    {
        var (definitions, repetitions) = (new List<int>(), new List<int>());
        foreach (var length in lengths)
        {
            for (var i = 0; i < Math.Max(length, 1); i++)
            {
                definitions.Add(length == 0 ? 1 : value);
                repetitions.Add(i == 0 ? 0 : 1);
            }
        }

        return ([.. definitions], [.. repetitions]);
    }
}
