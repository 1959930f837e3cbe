using System.Buffers.Binary;

namespace NotebookLib.Data;

/// <summary>A leaf column of a Parquet file.</summary>
/// <param name="Name">Its path without the groups that only make a list.</param>
/// <param name="Index">Its place among the leaf columns.</param>
/// <param name="Kind">What its values are.</param>
/// <param name="MaxDefinition">Definition level of a value that is there.</param>
/// <param name="MaxRepetition">How many lists it lies in.</param>
/// <param name="EntryDefinition">Definition level from which on a list has an entry; 0 outside of lists.</param>
internal sealed record ParquetColumn(string Name, int Index, ParquetKind Kind, int MaxDefinition, int MaxRepetition, int EntryDefinition)
{
    /// <summary>For messages.</summary>
    public string Description => (MaxRepetition > 0 ? "lists of " : "") + Kind switch
    {
        ParquetKind.Text => "texts",
        ParquetKind.Int32 or ParquetKind.Int64 or ParquetKind.UInt32 => "whole numbers",
        _ => "other values",
    };
}

/// <summary>What a column's values are, as far as sentences have a use for them.</summary>
internal enum ParquetKind
{
    Text,
    Int32,
    UInt32,
    Int64,
    Other,
}

/// <summary>
/// An open Parquet file: its columns, row groups and metadata. Own code rather than Parquet.Net, which writes our files: that one cannot read lists in data
/// pages of version 2, nor small integers in delta encoding, and a damaged footer can lead it round in circles.
/// </summary>
internal sealed class ParquetFile : IDisposable
{
    private const int MaxFooterBytes = 16 << 20;
    private const int MaxColumns = 10_000;

    private readonly FileStream _file;
    private readonly IReadOnlyList<ThriftStruct> _groups;

    private ParquetFile(FileStream file, ThriftStruct footer)
    {
        _file = file;
        Columns = ColumnsOf(footer.Structs(2));
        _groups = footer.Structs(4);
        Metadata = footer.Structs(5).GroupBy(pair => pair.Text(1) ?? "")
            .ToDictionary(pairs => pairs.Key, pairs => pairs.First().Text(2) ?? "", StringComparer.Ordinal);
    }

    public IReadOnlyList<ParquetColumn> Columns { get; }

    /// <summary>What the writer left beside the data, by key.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    public int GroupCount => _groups.Count;

    /// <exception cref="InvalidDataException">It is no Parquet file, is encrypted, or is damaged.</exception>
    public static ParquetFile Open(string path)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read);
        try
        {
            return new(file, Footer(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Whether a file begins as Parquet does, encrypted or not.</summary>
    public static bool IsParquet(ReadOnlySpan<byte> head) => head.StartsWith("PAR1"u8) || head.StartsWith("PARE"u8);

    public long RowCount(int group) => _groups[group].Required(3, "the number of rows");

    /// <summary>Reads one column of one row group.</summary>
    /// <param name="group">Index of the row group.</param>
    /// <param name="column">Which column.</param>
    /// <param name="mostValues">How many values it may have.</param>
    /// <param name="words">Shares equal texts.</param>
    /// <exception cref="InvalidDataException">It is damaged, too large, or packed in a way that is not known here; the message says what to do.</exception>
    public ParquetValues Read(int group, ParquetColumn column, int mostValues, WordPool words)
    {
        var chunks = _groups[group].Structs(1);
        ParquetEncodings.ThrowIf(chunks.Count != Columns.Count, $"row group {group} has {chunks.Count} columns, the schema {Columns.Count}");
        var chunk = chunks[column.Index];
        ParquetEncodings.ThrowIf(chunk.Struct(8) is not null || chunk.Struct(3) is null,
            $"column {column.Name} is encrypted; write the file without encryption");
        ParquetEncodings.ThrowIf(!string.IsNullOrEmpty(chunk.Text(1)), $"column {column.Name} lies in another file; write one file");
        var meta = chunk.Struct(3)!;
        var (count, rows) = (meta.Required(5, "the number of values"), RowCount(group));
        ParquetEncodings.ThrowIf(
            count < 0 || count > mostValues || rows < 0 || rows > count,
            $"it claims {rows} rows and {count} values in column {column.Name}; expected at most {mostValues} values (MaxWordsPerRowGroup), "
                + "and no more rows than values");
        if (count == 0)
        {
            return new([], new int[1], new HashSet<int>());
        }

        var (data, dictionary) = (meta.Required(9, "the place of the pages"), meta.Number(11) ?? 0);
        var start = dictionary > 0 && dictionary < data ? dictionary : data;
        var length = meta.Required(7, "the size of a column");
        ParquetEncodings.ThrowIf(start < 4 || length < 0 || length > int.MaxValue || start + length > _file.Length,
            $"column {column.Name} lies outside of the file");
        var bytes = new byte[length];
        _file.Position = start;
        _file.ReadExactly(bytes);
        var pages = new ParquetPages(column, (int)(meta.Number(4) ?? 0), words);
        return pages.Read(bytes, (int)count, checked((int)rows));
    }

    public void Dispose() => _file.Dispose();

    private static ThriftStruct Footer(FileStream file)
    {
        Span<byte> head = stackalloc byte[4], tail = stackalloc byte[8];
        ParquetEncodings.ThrowIf(file.Length < 12, $"{file.Length} bytes are too few for a Parquet file");
        file.ReadExactly(head);
        file.Seek(-8, SeekOrigin.End);
        file.ReadExactly(tail);
        ParquetEncodings.ThrowIf(head.SequenceEqual("PARE"u8) || tail[4..].SequenceEqual("PARE"u8), "it is encrypted; write it without encryption");
        ParquetEncodings.ThrowIf(!head.SequenceEqual("PAR1"u8) || !tail[4..].SequenceEqual("PAR1"u8),
            "it does not begin and end with PAR1; it was cut off, or is no Parquet file");
        var length = BinaryPrimitives.ReadUInt32LittleEndian(tail);
        ParquetEncodings.ThrowIf(length > Math.Min(file.Length - 12, MaxFooterBytes), $"its footer claims {length} bytes, the file has {file.Length}");
        var bytes = new byte[length];
        file.Seek(-8 - length, SeekOrigin.End);
        file.ReadExactly(bytes);
        var footer = ThriftStruct.Read(bytes, out _);
        ParquetEncodings.ThrowIf(footer.Struct(8) is not null, "its columns are encrypted; write it without encryption");
        return footer;
    }

    /// <summary>The schema is a tree, written depth first; its leaves are the columns.</summary>
    private static List<ParquetColumn> ColumnsOf(IReadOnlyList<ThriftStruct> schema)
    {
        ParquetEncodings.ThrowIf(schema.Count is 0 or > MaxColumns, $"its schema has {schema.Count} entries; expected 1 to {MaxColumns}");
        var columns = new List<ParquetColumn>();
        var next = 1;
        for (var child = schema[0].Number(5) ?? 0; child > 0; child--)
        {
            Descend([], 0, 0, 0, 0);
        }

        return columns;

        void Descend(IReadOnlyList<string> path, int definition, int repetition, int entry, int level)
        {
            ParquetEncodings.ThrowIf(next >= schema.Count || level > 24, "its schema is damaged");
            var node = schema[next++];
            var (repeats, children) = (node.Number(3) ?? 0, node.Number(5) ?? 0);
            definition += repeats == 0 ? 0 : 1;
            (repetition, entry) = repeats == 2 ? (repetition + 1, definition) : (repetition, entry);
            // The wrappers that make a list: "list", "bag" or "array" repeated, "element", "item" or "array_element" within.
            var isWrapper = path.Count > 0 && (repeats == 2 || repetition > 0) && node.Text(4) is "list" or "bag" or "array" or "element" or "item"
                or "array_element";
            IReadOnlyList<string> here = isWrapper ? path : [.. path, node.Text(4) ?? ""];
            if (children == 0 && node.Number(1) is { } type)
            {
                columns.Add(new(string.Join('.', here), columns.Count, KindOf(node, type), definition, repetition, entry));
            }

            for (; children > 0; children--)
            {
                Descend(here, definition, repetition, entry, level + 1);
            }
        }
    }

    private static ParquetKind KindOf(ThriftStruct node, long physicalType)
    {
        // Converted types: 0 UTF8, 4 ENUM, 19 JSON, 11 to 14 unsigned of 8 to 64 bits, 15 to 18 signed. The logical type is a union: 1 STRING, 4 ENUM, 10
        // INTEGER, 12 JSON. Others are dates, decimals, times.
        var (converted, logical) = (node.Number(6), node.Struct(10));
        var isText = (converted is null or 0 or 4 or 19) && (logical is null || logical.HasAny(1, 4, 12));
        var isNumber = (converted is null or (>= 11 and <= 18)) && (logical is null || logical.HasAny(10));
        var isUnsigned = converted is 11 or 12 or 13 || logical?.Struct(10)?.Number(2) == 0;
        return (physicalType, isText, isNumber) switch
        {
            (6, true, _) => ParquetKind.Text,
            (1, _, true) => isUnsigned ? ParquetKind.UInt32 : ParquetKind.Int32,
            (2, _, true) => ParquetKind.Int64,
            _ => ParquetKind.Other,
        };
    }
}
