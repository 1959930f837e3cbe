using System.Text.Json;
using NotebookLib.Data;
using NotebookLib.Platform;
using Parquet;
using Parquet.Schema;

namespace NotebookLib.Annotation;

/// <summary>
/// Makes a Parquet file of annotated texts in JSON lines: sentences as <see cref="ParquetSentences"/> writes them, with text, entities, file and line beside
/// them.
/// </summary>
internal static class AnnotationParquet
{
    private const int RowsInGroup = 10_000;
    private const int LettersInGroup = 32 << 20;

    /// <summary>Writes the file, atomically; one row group is in memory at a time.</summary>
    /// <param name="path">The target.</param>
    /// <param name="lines">JSON lines as <see cref="AnnotationWriter"/> writes them for Parquet; read once.</param>
    /// <param name="labels">Names the tags.</param>
    public static void Write(string path, IEnumerable<string> lines, LabelSet labels) =>
        AtomicFile.Write(path, stream => Task.Run(() => WriteAsync(path, stream, lines, labels)).GetAwaiter().GetResult());

    private sealed record Row(string Text, string[] Words, int[] Tags, (int Start, int End, string Type, float Score, string Text)[] Entities, string File,
        long Line);

    private static async Task WriteAsync(string path, Stream stream, IEnumerable<string> lines, LabelSet labels)
    {
        var tokens = new ListField("tokens", new DataField("element", typeof(string), isNullable: true));
        var tags = new ListField("ner_tags", new DataField("element", typeof(int), isNullable: true));
        var entities = new ListField("entities",
            new StructField("element", new DataField<int>("start"), new DataField<int>("end"), new DataField("type", typeof(string), isNullable: true),
            new DataField<float>("score"), new DataField("text", typeof(string), isNullable: true)));
        var schema = new ParquetSchema(new DataField("text", typeof(string), isNullable: true), tokens, tags, entities,
            new DataField("file", typeof(string), isNullable: true), new DataField<long>("line"));
        var packing = new ParquetOptions { CompressionMethod = CompressionMethod.Zstd, CompressionLevel = System.IO.Compression.CompressionLevel.Optimal };
        var writer = await ParquetWriter.CreateAsync(schema, stream, packing).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            writer.CustomMetadata = new Dictionary<string, string> { [LabelNames.MetadataKey] = LabelNames.Describe(labels) };
            var (rows, letters, number) = (new List<Row>(), 0L, 0L);
            foreach (var line in lines)
            {
                number++;
                rows.Add(Parse(path, number, line, labels));
                letters += line.Length;
                if (rows.Count == RowsInGroup || letters > LettersInGroup)
                {
                    await WriteGroupAsync(writer, schema, rows).ConfigureAwait(false);
                    rows.Clear();
                    letters = 0;
                }
            }

            if (rows.Count > 0)
            {
                await WriteGroupAsync(writer, schema, rows).ConfigureAwait(false);
            }
        }
    }

    private static Row Parse(string path, long number, string line, LabelSet labels)
    {
        try
        {
            using var json = StrictJson.Parse(line);
            return Parse(json.RootElement, labels);
        }
        catch (Exception damage) when (damage is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            // Lines of an earlier process, which was killed.
            throw new InvalidDataException(Invariant($"{AnnotationPart.PathOf(path)}:{number}: not a row of ours any more ({damage.Message.TrimEnd('.')}); ")
                + "begin anew (restart), which throws away what an earlier run had done.", damage);
        }
    }

    private static Row Parse(JsonElement row, LabelSet labels)
    {
        return new(
            row.GetProperty("text").Text(),
            [.. row.GetProperty("tokens").EnumerateArray().Select(word => word.Text())],
            [.. row.GetProperty("ner_tags").EnumerateArray().Select(tag => labels.FindId(tag.Text()) ?? throw new FormatException($"tag {tag}"))],
            [.. row.GetProperty("entities").EnumerateArray().Select(entity => (entity.GetProperty("start").GetInt32(), entity.GetProperty("end").GetInt32(),
                entity.GetProperty("type").Text(), entity.GetProperty("score").GetSingle(), entity.GetProperty("text").Text()))],
            row.GetProperty("file").Text(),
            row.GetProperty("line").GetInt64());
    }

    private static async Task WriteGroupAsync(ParquetWriter writer, ParquetSchema schema, List<Row> rows)
    {
        using var group = writer.CreateRowGroup();
        var fields = schema.DataFields;
        var present = Enumerable.Repeat(1, rows.Count).ToArray();
        var words = ParquetSentences.Levels([.. rows.Select(row => row.Words.Length)], 3);
        // A structure that is there is one level, each of its texts that is there another.
        var (numbers, texts) = (LevelsOf(fields[3]), LevelsOf(fields[5]));
        var entities = rows.SelectMany(row => row.Entities).ToArray();
        await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(fields[0], rows.Select(row => row.Text.AsMemory()).ToArray(), present, null, default)
            .ConfigureAwait(false);
        await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(fields[1], rows.SelectMany(row => row.Words).Select(word => word.AsMemory()).ToArray(),
            words.Definitions, words.Repetitions, default).ConfigureAwait(false);
        await group.WriteAllPartsAsync<int>(fields[2], rows.SelectMany(row => row.Tags).ToArray(), words.Definitions, words.Repetitions, default)
            .ConfigureAwait(false);
        await group.WriteAllPartsAsync<int>(fields[3], entities.Select(entity => entity.Start).ToArray(), numbers.Definitions, numbers.Repetitions, default)
            .ConfigureAwait(false);
        await group.WriteAllPartsAsync<int>(fields[4], entities.Select(entity => entity.End).ToArray(), numbers.Definitions, numbers.Repetitions, default)
            .ConfigureAwait(false);
        await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(fields[5], entities.Select(entity => entity.Type.AsMemory()).ToArray(), texts.Definitions,
            texts.Repetitions, default).ConfigureAwait(false);
        await group.WriteAllPartsAsync<float>(fields[6], entities.Select(entity => entity.Score).ToArray(), numbers.Definitions, numbers.Repetitions, default)
            .ConfigureAwait(false);
        await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(fields[7], entities.Select(entity => entity.Text.AsMemory()).ToArray(), texts.Definitions,
            texts.Repetitions, default).ConfigureAwait(false);
        await group.WriteAllPartsAsync<ReadOnlyMemory<char>>(fields[8], rows.Select(row => row.File.AsMemory()).ToArray(), present, null, default)
            .ConfigureAwait(false);
        await group.WriteAllPartsAsync<long>(fields[9], rows.Select(row => row.Line).ToArray(), null, null, default).ConfigureAwait(false);
        group.CompleteValidate();

        (int[] Definitions, int[] Repetitions) LevelsOf(DataField field) =>
            ParquetSentences.Levels([.. rows.Select(row => row.Entities.Length)], field.MaxDefinitionLevel);
    }
}
