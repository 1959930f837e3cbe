using System.Numerics;
using Parquet;
using Parquet.Schema;

namespace NotebookLib.Data;

/// <summary>Sentences from a Parquet file, one row group in memory at a time.</summary>
internal sealed class ParquetFormat(TagTable tags, ReaderOptions options)
{
    private readonly WordCache _cache = new();

    public IEnumerable<ParsedRow> Read(string path)
    {
        using var source = ParquetSource.Open(path);
        if (options.Language is not null && source.Language is null)
        {
            throw DataFormatException.ForFile(path, $"has no column lang (of strings), and only '{options.Language}' is wanted; set Language to null to read every row.");
        }

        var names = source.LabelNames();
        var row = 0L;
        for (var index = 0; index < source.RowGroupCount; index++)
        {
            var group = source.ReadGroup(index, reader => ReadAsync(reader, source));
            for (var i = 0; i < group.Words.RowCount; i++)
            {
                yield return Parse(++row, group, i, names);
            }
        }
    }

    private async Task<RowGroup> ReadAsync(ParquetRowGroupReader reader, ParquetSource source)
    {
        ThrowIfTooLarge(reader, source.Tokens);
        ThrowIfTooLarge(reader, source.Tags);
        var words = await ParquetListColumn<ReadOnlyMemory<char>>.ReadAsync(reader, source.Tokens).ConfigureAwait(false);
        var type = source.Tags.ClrType;
        Tags group = ParquetSource.IsText(type) ? await ReadNames(reader, source.Tags).ConfigureAwait(false)
            : type == typeof(int) ? await ReadIds<int>(reader, source.Tags).ConfigureAwait(false)
            : type == typeof(long) ? await ReadIds<long>(reader, source.Tags).ConfigureAwait(false)
            : type == typeof(short) ? await ReadIds<short>(reader, source.Tags).ConfigureAwait(false)
            : type == typeof(sbyte) ? await ReadIds<sbyte>(reader, source.Tags).ConfigureAwait(false)
            : type == typeof(byte) ? await ReadIds<byte>(reader, source.Tags).ConfigureAwait(false)
            : type == typeof(ushort) ? await ReadIds<ushort>(reader, source.Tags).ConfigureAwait(false)
            : await ReadIds<uint>(reader, source.Tags).ConfigureAwait(false);
        var languages = new string?[words.RowCount];
        if (options.Language is not null)
        {
            await reader.ReadAsync(source.Language!, languages).ConfigureAwait(false);
        }

        return new(words, group, languages);
    }

    private void ThrowIfTooLarge(ParquetRowGroupReader reader, DataField field)
    {
        var count = reader.GetMetadata(field)?.MetaData?.NumValues ?? throw new InvalidDataException($"column {field.Path} is missing");
        if (count < 0 || count > options.MaxWordsPerRowGroup || reader.RowCount < 0 || reader.RowCount > count)
        {
            throw new InvalidDataException($"it claims {reader.RowCount} rows and {count} values in column {field.Path}; "
                + $"expected at most {options.MaxWordsPerRowGroup} values (MaxWordsPerRowGroup), and no more rows than values");
        }
    }

    private static async Task<Tags> ReadIds<T>(ParquetRowGroupReader reader, DataField field)
        where T : struct, IBinaryInteger<T>
    {
        var column = await ParquetListColumn<T>.ReadAsync(reader, field).ConfigureAwait(false);
        return new(column.Starts, column.HasNull, i => long.CreateChecked(column.Values[i]), null);
    }

    private static async Task<Tags> ReadNames(ParquetRowGroupReader reader, DataField field)
    {
        var column = await ParquetListColumn<ReadOnlyMemory<char>>.ReadAsync(reader, field).ConfigureAwait(false);
        return new(column.Starts, column.HasNull, null, i => column.Values[i]);
    }

    private ParsedRow Parse(long number, RowGroup group, int row, IReadOnlyList<string>? names)
    {
        if (group.Words.HasNull(row) || group.Tags.HasNull(row))
        {
            return ParsedRow.Wrong(number, $"column {(group.Words.HasNull(row) ? "tokens" : "ner_tags")} is null or holds a null.");
        }

        var (start, end) = (group.Words.Starts[row], group.Words.Starts[row + 1]);
        var (tagStart, tagEnd) = (group.Tags.Starts[row], group.Tags.Starts[row + 1]);
        if (end - start != tagEnd - tagStart)
        {
            return ParsedRow.Wrong(number, $"{end - start} words but {tagEnd - tagStart} tags; expected one tag per word.");
        }

        if (end - start > options.MaxWordsPerSentence)
        {
            return ParsedRow.Wrong(number, $"{end - start} words, more than {options.MaxWordsPerSentence}; raise MaxWordsPerSentence if that is right.");
        }

        var mapped = new int[end - start];
        for (var i = 0; i < mapped.Length; i++)
        {
            if (Map(group.Tags, tagStart + i, names, out mapped[i]) is { } problem)
            {
                return ParsedRow.Wrong(number, $"ner_tags, word {i}: {problem}");
            }
        }

        var words = new string[mapped.Length];
        for (var i = 0; i < words.Length; i++)
        {
            words[i] = _cache.Get(group.Words.Values[start + i].Span);
        }

        return new(number, new Sentence(words, mapped), group.Languages[row], null);
    }

    private string? Map(Tags column, int index, IReadOnlyList<string>? names, out int mapped)
    {
        if (column.Name is { } nameAt)
        {
            return tags.TryMap(_cache.Get(nameAt(index).Span), out mapped);
        }

        var id = column.Id!(index);
        return names is not null && id >= 0 && id < names.Count ? tags.TryMap(names[(int)id], out mapped) : tags.TryMap(id, out mapped);
    }

    /// <summary>The columns of one row group.</summary>
    private sealed record RowGroup(ParquetListColumn<ReadOnlyMemory<char>> Words, Tags Tags, string?[] Languages);

    /// <summary>The tag column, of ids or of names, whatever its width in the file.</summary>
    private sealed record Tags(int[] Starts, Func<int, bool> HasNull, Func<int, long>? Id, Func<int, ReadOnlyMemory<char>>? Name);
}
