using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Annotation;

/// <summary>
/// The part of an output that is done, beside it: a file that grows and a record of how far it is valid. A run that was killed is gone on with at the record;
/// what the file holds behind it is cut off. The output itself appears whole, by a rename. One process at a time.
/// </summary>
internal sealed class AnnotationPart : IDisposable
{
    private readonly string _output;
    private readonly JsonObject _task;

    private AnnotationPart(string output, JsonObject task, FileStream stream) => (_output, _task, Stream) = (output, task, stream);

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

    private string Record => RecordOf(_output);

    /// <summary>Opens what is there of an output, or begins it.</summary>
    /// <param name="output">The output, a full path; its folder is made when missing.</param>
    /// <param name="task">What decides the output's content.</param>
    /// <param name="restarts">Whether to begin anew whatever is there.</param>
    /// <exception cref="InvalidOperationException">What is there was made by another task; the message says what differs.</exception>
    /// <exception cref="IOException">Another process is at it, or the folder cannot be written.</exception>
    public static AnnotationPart Open(string output, JsonObject task, bool restarts)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(output)!);
        FileStream stream;
        try
        {
            stream = new FileStream(PathOf(output), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1 << 16);
        }
        catch (IOException busy) when (File.Exists(PathOf(output)) && !DiskSpace.IsFull(busy))
        {
            throw new IOException($"{PathOf(output)}: another process is writing this output. Wait for it, or name another output. ({busy.Message})", busy);
        }

        try
        {
            var part = new AnnotationPart(output, task, stream);
            if (!restarts && File.Exists(RecordOf(output)))
            {
                part.GoOn();
            }

            stream.SetLength(stream.Position);
            return part;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Makes what was written last: after this a killed run goes on behind it.</summary>
    public void Commit(long inputRows, long rows, long entities, long skipped)
    {
        (InputRows, Rows, Entities, Skipped) = (inputRows, rows, entities, skipped);
        DiskSpace.Explain(_output, () => Stream.Flush(flushToDisk: true));
        var record = new JsonObject
        {
            ["bytes"] = Stream.Position,
            ["inputRows"] = inputRows,
            ["rows"] = rows,
            ["entities"] = entities,
            ["skipped"] = skipped,
            ["task"] = _task.DeepClone(),
        };
        AtomicFile.WriteText(Record, record.ToJsonString());
    }

    /// <summary>Makes the output of it: by a rename, or by what <paramref name="convert"/> makes of the part.</summary>
    /// <param name="convert">Writes the output from the part, atomically; null where the part is the output.</param>
    public void Finish(Action<Stream>? convert)
    {
        DiskSpace.Explain(_output, () => Stream.Flush(flushToDisk: true));
        if (convert is null)
        {
            Stream.Dispose();
            File.Move(PathOf(_output), _output, overwrite: true);
        }
        else
        {
            Stream.Position = 0;
            convert(Stream);
            Stream.Dispose();
            File.Delete(PathOf(_output));
        }

        File.Delete(Record);
    }

    /// <inheritdoc />
    public void Dispose() => Stream.Dispose();

    /// <summary>The name of an output's part.</summary>
    public static string PathOf(string output) => output + ".part";

    private static string RecordOf(string output) => output + ".part.json";

    private void GoOn()
    {
        JsonObject record;
        long bytes;
        try
        {
            record = StrictJson.ParseNode(File.ReadAllBytes(Record))!.AsObject();
            bytes = record["bytes"]!.GetValue<long>();
            (InputRows, Rows) = (record["inputRows"]!.GetValue<long>(), record["rows"]!.GetValue<long>());
            (Entities, Skipped) = (record["entities"]!.GetValue<long>(), record["skipped"]!.GetValue<long>());
        }
        catch (Exception damage) when (damage is JsonException or NullReferenceException or InvalidOperationException or FormatException)
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
    }

    private static string Shown(JsonNode? value) =>
        value is null ? "not given" : value.ToJsonString() is { Length: > 120 } json ? json[..120] + "…" : value.ToJsonString();
}
