using Parquet;
using Parquet.Schema;

namespace NotebookLib.Data;

/// <summary>An open Parquet file of sentences: finds its columns, checks their types, reads row groups. Whatever fails inside the format is one kind of exception.</summary>
internal sealed class ParquetSource : IDisposable
{
    private const int MaxFooterBytes = 64 << 20;

    private readonly string _path;
    private readonly BoundedReadStream _stream;
    private readonly ParquetReader _reader;

    private ParquetSource(string path, BoundedReadStream stream, ParquetReader reader)
    {
        (_path, _stream, _reader) = (path, stream, reader);
        Tokens = ListField("tokens", "strings", IsText);
        Tags = ListField("ner_tags", "whole numbers or strings", IsTagType);
        Language = Array.Find(_reader.Schema.DataFields, field => field.Path.ToString() == "lang" && IsText(field.ClrType));
    }

    public DataField Tokens { get; }

    public DataField Tags { get; }

    /// <summary>The column <c>lang</c>, or null when there is none.</summary>
    public DataField? Language { get; }

    public int RowGroupCount => _reader.RowGroupCount;

    /// <exception cref="DataFormatException">The file is damaged, or its columns are not those of sentences.</exception>
    public static ParquetSource Open(string path)
    {
        var stream = new BoundedReadStream(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read));
        try
        {
            return new(path, stream, Guard(path, "the file", async () =>
            {
                ThrowIfNoParquet(stream);
                return await ParquetReader.CreateAsync(stream, new ParquetOptions { TreatByteArrayAsString = true }).ConfigureAwait(false);
            }));
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads something of a row group.</summary>
    /// <exception cref="DataFormatException">The file is damaged there.</exception>
    public T ReadGroup<T>(int index, Func<ParquetRowGroupReader, Task<T>> read)
    {
        _stream.Restart();
        return Guard(_path, $"row group {index}", () => read(_reader.OpenRowGroupReader(index)));
    }

    /// <summary>The names of the tag ids as Python's datasets library writes them (ClassLabel), or null when the file has none.</summary>
    public IReadOnlyList<string>? LabelNames() =>
        _reader.CustomMetadata.TryGetValue(DatasetsMetadata.Key, out var json) ? DatasetsMetadata.LabelNames(json) : null;

    public void Dispose() => _stream.Dispose();

    public static bool IsText(Type type) => type == typeof(ReadOnlyMemory<char>) || type == typeof(string);

    private static bool IsTagType(Type type) => IsText(type) || type == typeof(long) || type == typeof(int) || type == typeof(short)
        || type == typeof(sbyte) || type == typeof(byte) || type == typeof(ushort) || type == typeof(uint);

    private DataField ListField(string name, string content, Func<Type, bool> isRightType)
    {
        var fields = _reader.Schema.DataFields;
        var field = Array.Find(fields, candidate => candidate.Path.FirstPart == name)
            ?? throw DataFormatException.ForFile(_path, $"has no column {name}; found {string.Join(", ", fields.Take(20).Select(f => TagTable.Excerpt(f.Path.FirstPart!)))}.");
        return field.MaxRepetitionLevel == 1 && isRightType(field.ClrType) ? field
            : throw DataFormatException.ForFile(_path, $"column {name} holds {(field.MaxRepetitionLevel > 0 ? "lists of " : "")}{NameOf(field.ClrType)}; expected lists of {content}.");
    }

    private static string NameOf(Type type) => IsText(type) ? "strings" : type == typeof(ReadOnlyMemory<byte>) ? "bytes" : $"{type.Name} values";

    private static void ThrowIfNoParquet(Stream stream)
    {
        Span<byte> head = stackalloc byte[4], tail = stackalloc byte[8];
        if (stream.Length < 12)
        {
            throw new InvalidDataException($"{stream.Length} bytes are too few for a Parquet file");
        }

        stream.ReadExactly(head);
        stream.Seek(-8, SeekOrigin.End);
        stream.ReadExactly(tail);
        if (!head.SequenceEqual("PAR1"u8) || !tail[4..].SequenceEqual("PAR1"u8))
        {
            throw new InvalidDataException("it does not begin and end with PAR1; it was cut off, or is no Parquet file");
        }

        var footer = BitConverter.ToUInt32(tail);
        if (footer > Math.Min(stream.Length - 12, MaxFooterBytes))
        {
            throw new InvalidDataException($"its footer claims {footer} bytes, the file has {stream.Length}");
        }

        stream.Position = 0;
    }

    private static T Guard<T>(string path, string part, Func<Task<T>> read)
    {
        try
        {
            // Off the caller's thread: a notebook host may own a synchronisation context that a waiting thread would block.
            return Task.Run(read).GetAwaiter().GetResult();
        }
#pragma warning disable CA1031 // The format library meets damaged bytes with whatever they lead it to (index, overflow, cast, …); all mean the same here.
        catch (Exception error) when (error is not DataFormatException)
#pragma warning restore CA1031
        {
            var reason = error is NotImplementedException
                ? "it has lists in data pages of version 2, which Parquet.Net cannot read; write it with version 1 (pyarrow: data_page_version='1.0')"
                : error.Message;
            throw DataFormatException.ForFile(path, $"{part} cannot be read as Parquet: {reason.TrimEnd('.')}.", error);
        }
    }
}
