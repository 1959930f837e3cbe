using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Annotation;

/// <summary>
/// The part of an output that is done, beside it: a file that grows and a record of how far it is valid. A run that was killed is gone on with at the record;
/// what the file holds behind it is cut off. The output itself appears whole, by a rename. One process at a time.
/// An output that is one of several shards keeps beside it what joining them needs (<see cref="AnnotationShard"/>).
/// </summary>
internal sealed class AnnotationPart : IDisposable
{
    /// <summary>The most that a record takes: it lists the inputs.</summary>
    public const int LargestRecordBytes = 64 << 20;

    private readonly string _output;
    private readonly JsonObject _task;
    private readonly FileStream? _sizes;
    private bool _replaces;
    private readonly XxHash128 _sizesHash = new();
    private long _rowBytes;

    private AnnotationPart(string output, JsonObject task, FileStream stream, FileStream? sizes, bool replaces) =>
        (_output, _task, Stream, _sizes, _replaces) = (output, task, stream, sizes, replaces);

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
    /// <param name="replaces">Whether an output that is there at the end is replaced.</param>
    /// <param name="isShard">Whether the output is one of several to be joined.</param>
    /// <exception cref="InvalidOperationException">What is there was made by another task; the message says what differs.</exception>
    /// <exception cref="IOException">Another process is at it, or the folder cannot be written.</exception>
    public static AnnotationPart Open(string output, JsonObject task, bool restarts, bool replaces, bool isShard)
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

        var part = new AnnotationPart(output, task, stream, isShard ? new FileStream(AnnotationShard.SizesOf(output), FileMode.OpenOrCreate) : null,
            replaces);
        try
        {
            if (goesOn)
            {
                part.GoOn();
            }

            // An earlier output that is replaced was whole; this one is not yet.
            File.Delete(AnnotationShard.RecordOf(output));
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
                    _sizesHash.Append(four);
                    _rowBytes += size;
                }

                _sizes.Flush(flushToDisk: true);
            }
        });
        WriteRecord(isEnding: false);
    }

    private void WriteRecord(bool isEnding)
    {
        var record = new JsonObject
        {
            ["ends"] = isEnding,
            ["bytes"] = Stream.Position,
            ["sizes"] = _sizes?.Position,
            ["sizesHash"] = _sizes is null ? null : AnnotationShard.Hex(_sizesHash),
            ["inputRows"] = InputRows,
            ["rows"] = Rows,
            ["entities"] = Entities,
            ["skipped"] = Skipped,
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
        CheckFree(_output, _replaces);
        // From here on an output that is there is this one's.
        WriteRecord(isEnding: true);
        var endOfRows = Stream.Position;
        DiskSpace.Explain(_output, () =>
        {
            end(Stream);
            Stream.Flush(flushToDisk: true);
        });
        if (convert is not null)
        {
            Stream.Position = 0;
            using var reader = new StreamReader(Stream, leaveOpen: true);
            convert(Lines(reader));
        }

        if (IsShard)
        {
            new AnnotationShard(
                _task, InputRows, inputHash, Rows, Entities, Skipped, types, endOfRows - _rowBytes, endOfRows, Stream.Length, AnnotationShard.HashOf(Stream),
                convert is null ? null : AnnotationShard.HashOf(_output), AnnotationShard.Hex(_sizesHash)).Write(_output);
        }
        else
        {
            File.Delete(AnnotationShard.SizesOf(_output));
        }

        if (OperatingSystem.IsWindows())
        {
            // There an open file keeps its name; elsewhere the lock is given up after the part has its own.
            Dispose();
        }

        File.Move(PathOf(_output), convert is null ? _output : AnnotationShard.RowsOf(_output), overwrite: true);
        if (convert is null || !IsShard)
        {
            File.Delete(AnnotationShard.RowsOf(_output));
        }

        File.Delete(Record);
        Dispose();
    }

    /// <inheritdoc />
    public void Dispose()
    {
        Stream.Dispose();
        _sizes?.Dispose();
    }

    /// <summary>Whether nobody else made an output meanwhile: what that one did is not replaced unasked.</summary>
    /// <exception cref="IOException">Somebody did.</exception>
    public static void CheckFree(string output, bool replaces)
    {
        if (!replaces && File.Exists(output))
        {
            throw new IOException($"{output}: another process wrote it while this one was at work, and it was left as it is. "
                + "Name another output, or have it replaced.");
        }
    }

    /// <summary>Whether a run was killed while it gave an output its name: then the output that is there may be its own.</summary>
    public static bool IsEnding(string output)
    {
        try
        {
            return File.Exists(PathOf(output)) && File.Exists(RecordOf(output))
                && StrictJson.ReadObject(RecordOf(output), LargestRecordBytes, "what annotate writes")["ends"] is JsonValue ends
                && ends.TryGetValue<bool>(out var yes) && yes;
        }
        catch (Exception other) when (other is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>The name of an output's part.</summary>
    public static string PathOf(string output) => output + ".part";

    /// <summary>The name of the record of an output that is not complete.</summary>
    public static string RecordOf(string output) => output + ".part.json";

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
            _replaces |= record["ends"]!.GetValue<bool>();
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

        if (Differences(_task, record["task"] as JsonObject ?? []) is { Length: > 0 } differences)
        {
            throw new InvalidOperationException($"{PathOf(_output)}: an earlier run was stopped there, and what it was to do differs: {differences}. "
                + "Go on with the same, name another output, or begin anew (restart).");
        }

        if (bytes > Stream.Length)
        {
            throw new InvalidOperationException($"{PathOf(_output)}: has {Stream.Length} bytes, its record says {bytes}; begin anew (restart).");
        }

        Stream.Position = bytes;
        if (_sizes is not null)
        {
            ReadSizes(_sizes, sizes);
            if (record["sizesHash"] is not JsonValue kept || !kept.TryGetValue<string>(out var hash) || hash != AnnotationShard.Hex(_sizesHash))
            {
                throw new InvalidOperationException($"{_sizes.Name}: is not what was written; begin anew (restart).");
            }
        }
    }

    private void ReadSizes(FileStream stream, long length)
    {
        var four = new byte[sizeof(int)];
        for (var at = 0L; at < length; at += four.Length)
        {
            if (stream.ReadAtLeast(four, four.Length, throwOnEndOfStream: false) < four.Length)
            {
                throw new InvalidOperationException($"{stream.Name}: has {stream.Length} bytes, its record says {length}; begin anew (restart).");
            }

            _sizesHash.Append(four);
            _rowBytes += BinaryPrimitives.ReadInt32LittleEndian(four);
        }
    }

    /// <summary>In what a task differs from the one that something was made by, in words; empty when in nothing.</summary>
    /// <param name="now">The task.</param>
    /// <param name="before">What it was then.</param>
    public static string Differences(JsonObject now, JsonObject before) => string.Join("; ", now.Select(pair => pair.Key).Union(before.Select(pair => pair.Key))
        .Where(key => !JsonNode.DeepEquals(now[key], before[key])).Select(key => $"{key} was {Shown(before[key])}, is {Shown(now[key])}"));

    /// <summary>A value of a task, for messages.</summary>
    public static string Shown(JsonNode? value) =>
        value is null ? "not given" : value.ToJsonString() is { Length: > 120 } json ? json[..120] + "…" : value.ToJsonString();
}
