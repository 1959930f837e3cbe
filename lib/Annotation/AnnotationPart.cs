using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Annotation;

/// <summary>
/// The part of an output that is done, beside it: a file that grows and a record of how far it is valid. A run that was killed is gone on with at the record;
/// what the file holds behind it is cut off. The output itself appears whole, by a rename. One process at a time.
/// An output that is one of several shards keeps beside it what joining them needs (<see cref="AnnotationMerge"/>): the size of each row of its shard in the
/// input's order, 0 where nothing was written, and a record, whose presence says that the shard is complete.
/// </summary>
internal sealed class AnnotationPart : IDisposable
{
    /// <summary>The most that a record takes: it lists the inputs.</summary>
    public const int LargestRecordBytes = 64 << 20;

    private readonly string _output;
    private readonly JsonObject _task;
    private readonly FileStream? _sizes;
    private long _rowBytes;

    private AnnotationPart(string output, JsonObject task, FileStream stream, FileStream? sizes) =>
        (_output, _task, Stream, _sizes) = (output, task, stream, sizes);

    /// <summary>What is written; at its end.</summary>
    public FileStream Stream { get; }

    /// <summary>Input rows that are done, wrong ones and those of other shards among them.</summary>
    public long InputRows { get; private set; }

    /// <summary>Rows written.</summary>
    public long Rows { get; private set; }

    /// <summary>Entities in them.</summary>
    public long Entities { get; private set; }

    /// <summary>Wrong rows left out.</summary>
    public long Skipped { get; private set; }

    /// <summary>Whether the output is a shard, whose rows' sizes are kept.</summary>
    public bool IsShard => _sizes is not null;

    private string Record => RecordOf(_output);

    /// <summary>Opens what is there of an output, or begins it.</summary>
    /// <param name="output">The output, a full path; its folder is made when missing.</param>
    /// <param name="task">What decides the output's content.</param>
    /// <param name="restarts">Whether to begin anew whatever is there.</param>
    /// <param name="isShard">Whether the output is one of several to be joined.</param>
    /// <exception cref="InvalidOperationException">What is there was made by another task; the message says what differs.</exception>
    /// <exception cref="IOException">Another process is at it, or the folder cannot be written.</exception>
    public static AnnotationPart Open(string output, JsonObject task, bool restarts, bool isShard)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(output)!);
        FileStream stream;
        var goesOn = !restarts && File.Exists(RecordOf(output)) && File.Exists(PathOf(output));
        try
        {
            stream = new FileStream(PathOf(output), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1 << 16);
        }
        catch (IOException busy) when (File.Exists(PathOf(output)) && !DiskSpace.IsFull(busy))
        {
            throw new IOException($"{PathOf(output)}: another process is writing this output. Wait for it, or name another output. ({busy.Message})", busy);
        }

        var part = new AnnotationPart(output, task, stream, isShard ? new FileStream(SizesOf(output), FileMode.OpenOrCreate) : null);
        try
        {
            if (goesOn)
            {
                part.GoOn();
            }

            // An earlier output that is replaced was whole; this one is not yet.
            File.Delete(ShardRecordOf(output));
            stream.SetLength(stream.Position);
            part._sizes?.SetLength(part._sizes.Position);
            return part;
        }
        catch
        {
            part.Dispose();
            throw;
        }
    }

    /// <summary>Makes what was written last: after this a killed run goes on behind it.</summary>
    /// <param name="inputRows">Input rows that are done.</param>
    /// <param name="rows">Rows written.</param>
    /// <param name="entities">Entities in them.</param>
    /// <param name="skipped">Wrong rows left out.</param>
    /// <param name="sizes">Bytes of each of the shard's rows since the last time, in the input's order; 0 for one that was left out.</param>
    public void Commit(long inputRows, long rows, long entities, long skipped, IReadOnlyList<int> sizes)
    {
        (InputRows, Rows, Entities, Skipped) = (inputRows, rows, entities, skipped);
        DiskSpace.Explain(_output, () =>
        {
            Stream.Flush(flushToDisk: true);
            if (_sizes is not null)
            {
                Span<byte> four = stackalloc byte[sizeof(int)];
                foreach (var size in sizes)
                {
                    BinaryPrimitives.WriteInt32LittleEndian(four, size);
                    _sizes.Write(four);
                    _rowBytes += size;
                }

                _sizes.Flush(flushToDisk: true);
            }
        });
        var record = new JsonObject
        {
            ["bytes"] = Stream.Position,
            ["sizes"] = _sizes?.Position,
            ["inputRows"] = inputRows,
            ["rows"] = rows,
            ["entities"] = entities,
            ["skipped"] = skipped,
            ["task"] = _task.DeepClone(),
        };
        AtomicFile.WriteText(Record, record.ToJsonString());
    }

    /// <summary>Makes the output of it: by a rename, or by what <paramref name="convert"/> makes of the part.</summary>
    /// <param name="end">Writes what stands behind the last row.</param>
    /// <param name="convert">Writes the output from the part's lines, atomically; null where the part is the output.</param>
    /// <param name="inputHash">What was read, all shards' rows; of a shard.</param>
    /// <param name="types">The entity types that tags are made of.</param>
    public void Finish(Action<Stream> end, Action<IEnumerable<string>>? convert, string inputHash, IReadOnlyList<string> types)
    {
        var endOfRows = Stream.Position;
        DiskSpace.Explain(_output, () =>
        {
            end(Stream);
            Stream.Flush(flushToDisk: true);
        });
        if (IsShard)
        {
            Stream.Position = 0;
            var hash = new XxHash128();
            hash.Append(Stream);
            var record = new JsonObject
            {
                ["task"] = _task.DeepClone(),
                ["inputRows"] = InputRows,
                ["inputHash"] = inputHash,
                ["rows"] = Rows,
                ["entities"] = Entities,
                ["skipped"] = Skipped,
                ["types"] = new JsonArray([.. types.Select(type => (JsonNode)type)]),
                ["firstRow"] = endOfRows - _rowBytes,
                ["endOfRows"] = endOfRows,
                ["bytes"] = Stream.Length,
                ["hash"] = Convert.ToHexStringLower(hash.GetCurrentHash()),
            };
            AtomicFile.WriteText(ShardRecordOf(_output), record.ToJsonString());
        }
        else
        {
            File.Delete(SizesOf(_output));
        }

        if (convert is not null)
        {
            Stream.Position = 0;
            using var reader = new StreamReader(Stream, leaveOpen: true);
            convert(Lines(reader));
        }

        Dispose();
        File.Move(PathOf(_output), convert is null ? _output : ShardRowsOf(_output), overwrite: true);
        if (convert is null || !IsShard)
        {
            File.Delete(ShardRowsOf(_output));
        }

        File.Delete(Record);
    }

    /// <inheritdoc />
    public void Dispose()
    {
        Stream.Dispose();
        _sizes?.Dispose();
    }

    /// <summary>The name of an output's part.</summary>
    public static string PathOf(string output) => output + ".part";

    /// <summary>The name of the record of an output that is not complete.</summary>
    public static string RecordOf(string output) => output + ".part.json";

    /// <summary>The name of the record of a complete shard.</summary>
    public static string ShardRecordOf(string output) => output + ".shard.json";

    /// <summary>The name of the sizes of a shard's rows: numbers of four bytes, the lowest first.</summary>
    public static string SizesOf(string output) => output + ".shard.sizes";

    /// <summary>The name of a shard's rows, where its output is no text.</summary>
    public static string ShardRowsOf(string output) => output + ".shard.rows";

    private static IEnumerable<string> Lines(StreamReader reader)
    {
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }

    private void GoOn()
    {
        JsonObject record;
        long bytes, sizes;
        try
        {
            record = StrictJson.ReadObject(Record, LargestRecordBytes, "what annotate writes");
            (bytes, sizes) = (record["bytes"]!.GetValue<long>(), _sizes is null ? 0 : record["sizes"]!.GetValue<long>());
            (InputRows, Rows) = (record["inputRows"]!.GetValue<long>(), record["rows"]!.GetValue<long>());
            (Entities, Skipped) = (record["entities"]!.GetValue<long>(), record["skipped"]!.GetValue<long>());
            if (((long[])[bytes, sizes, InputRows, Rows, Entities, Skipped]).Any(number => number < 0))
            {
                throw new FormatException("a number is negative");
            }
        }
        catch (Exception damage) when (damage is InvalidDataException or NullReferenceException or InvalidOperationException or FormatException)
        {
            throw new InvalidOperationException($"{Record}: is damaged; begin anew (restart), which throws away what an earlier run had done.", damage);
        }

        var before = record["task"] as JsonObject ?? [];
        var differing = _task.Select(pair => pair.Key).Union(before.Select(pair => pair.Key)).Where(key => !JsonNode.DeepEquals(_task[key], before[key]))
            .ToList();
        if (differing.Count > 0)
        {
            throw new InvalidOperationException($"{PathOf(_output)}: an earlier run was stopped there, and what it was to do differs: "
                + $"{string.Join("; ", differing.Select(key => $"{key} was {Shown(before[key])}, is {Shown(_task[key])}"))}. Go on with the same, "
                    + "name another output, or begin anew (restart).");
        }

        if (bytes > Stream.Length)
        {
            throw new InvalidOperationException($"{PathOf(_output)}: has {Stream.Length} bytes, its record says {bytes}; begin anew (restart).");
        }

        Stream.Position = bytes;
        if (_sizes is not null)
        {
            _rowBytes = SizesIn(_sizes, sizes);
        }
    }

    private long SizesIn(FileStream stream, long length)
    {
        var (sum, four) = (0L, new byte[sizeof(int)]);
        for (var at = 0L; at < length; at += four.Length)
        {
            if (stream.ReadAtLeast(four, four.Length, throwOnEndOfStream: false) < four.Length)
            {
                throw new InvalidOperationException($"{SizesOf(_output)}: has {stream.Length} bytes, its record says {length}; begin anew (restart).");
            }

            sum += BinaryPrimitives.ReadInt32LittleEndian(four);
        }

        return sum;
    }

    /// <summary>A value of a task, for messages.</summary>
    public static string Shown(JsonNode? value) =>
        value is null ? "not given" : value.ToJsonString() is { Length: > 120 } json ? json[..120] + "…" : value.ToJsonString();
}
