using System.Buffers.Binary;
using System.Globalization;
using System.IO.Hashing;
using Google.Protobuf;
using Google.Protobuf.Collections;
using NotebookLib.Platform;

namespace NotebookLib.Tracking.TransactionLog;

/// <summary>
/// Writes run-*.wandb from the journal, so that W&amp;B's own <c>wandb sync</c> can upload the run: when the run ends, and before a sync (a run that was killed
/// has none). The configuration stands in the run's own record, because wandb 0.16 forgets what comes later, and rows that a resumed run supersedes are left
/// out. The end of the run is its last record, because wandb 0.31 reads no further. Artifacts are not in it: W&amp;B's tool would look for them in a staging
/// folder of its own.
/// </summary>
/// <remarks>
/// The form: a 7-byte file header, then 32 KiB blocks of chunks. A chunk is CRC-32 (over type and data), length, type, data; type 1 is a whole record, 2, 3 and
/// 4 are its first, middle and last part; fewer than 7 bytes at a block's end are zero.
/// </remarks>
internal sealed class TransactionLogFile
{
    private const int BlockBytes = 32 << 10;
    private const int ChunkHeaderBytes = 7;
    private const byte Whole = 1;
    private const byte First = 2;
    private const byte Middle = 3;
    private const byte Last = 4;

    private readonly Stream _stream;
    private long _position;
    private long _records;

    /// <summary>Begins a log; the stream stays its owner's.</summary>
    public TransactionLogFile(Stream stream)
    {
        _stream = stream;
        Put([.. ":W&B"u8, 0xE1, 0xBE, 0]);
    }

    /// <summary>Appends a record and numbers it.</summary>
    public void Append(LogRecord record)
    {
        record.Num = ++_records;
        ReadOnlySpan<byte> data = record.ToByteArray();
        var isFirst = true;
        do
        {
            var left = BlockBytes - (int)(_position % BlockBytes);
            if (left < ChunkHeaderBytes)
            {
                Put(new byte[left]);
                left = BlockBytes;
            }

            var part = data[..Math.Min(data.Length, left - ChunkHeaderBytes)];
            data = data[part.Length..];
            PutChunk(isFirst ? (data.IsEmpty ? Whole : First) : data.IsEmpty ? Last : Middle, part);
            isFirst = false;
        }
        while (!data.IsEmpty);
    }

    /// <summary>Writes the whole log of a run anew.</summary>
    /// <exception cref="IOException">The journal cannot be read, or the disk is full.</exception>
    /// <exception cref="InvalidDataException">The journal has no header.</exception>
    public static void Write(RunFolder folder)
    {
        var survey = RunReplay.Read(folder.Journal);
        var header = survey.Header ?? throw new InvalidDataException($"{folder.Journal}: the journal has no header");
        AtomicFile.Write(folder.TransactionLog, stream =>
        {
            var log = new TransactionLogFile(stream);
            log.Append(Header());
            log.Append(Run(header, survey.Config));
            var replay = new RunReplay();
            using var reader = new JournalReader(folder.Journal);
            while (reader.TryRead(out var record))
            {
                var damaged = replay.DamagedLines;
                var lines = replay.Apply(record);
                if (record.Kind is JournalKind.Metric && replay.DamagedLines == damaged)
                {
                    log.Append(Metric(JournalJson.Read<MetricDefinition>(record.Json)));
                }

                AppendLines(lines);
            }

            AppendLines(replay.CloseRow());
            log.Append(Summary(replay.Summary));
            log.Append(Files(folder));
            if (replay.Exit is { } exit)
            {
                log.Append(Exit(exit));
            }

            void AppendLines(IReadOnlyList<StreamLine> lines)
            {
                foreach (var line in lines.Where(line => !survey.IsSuperseded(line)))
                {
                    log.Append(line.Kind switch
                    {
                        StreamKind.History => History(line.Members),
                        StreamKind.Events => Stats(line.Members),
                        _ => Output(line.Output!),
                    });
                }
            }
        });
    }

    private static LogRecord Header() => new() { Header = new() { VersionInfo = new() { Producer = "0.1.0", MinConsumer = "0.0.1" } } };

    private static LogRecord Run(RunHeader header, IReadOnlyDictionary<string, string> config)
    {
        var run = new LogRun { RunId = header.RunId, Project = header.Project, Host = header.Host, Config = new(), StartTime = Time(header.StartedAt) };
        // Absent and empty are the same on the wire; the setters refuse null.
        run.Entity = header.Entity ?? "";
        run.RunGroup = header.Group ?? "";
        run.JobType = header.JobType ?? "";
        run.DisplayName = header.Name ?? "";
        run.Notes = header.Notes ?? "";
        run.Tags.AddRange(header.Tags);
        Add(run.Config.Update, config);
        return new() { Run = run };
    }

    private static LogRecord Metric(MetricDefinition metric) => new()
    {
        Metric = new()
        {
            Name = metric.Name ?? "",
            GlobName = metric.Glob ?? "",
            StepMetric = metric.StepMetric ?? "",
            Options = new() { StepSync = metric.StepSync, Hidden = metric.Hidden, Defined = metric.Name is not null },
        },
    };

    private static LogRecord History(IEnumerable<KeyValuePair<string, string>> members)
    {
        var history = new LogHistory { Step = new() };
        foreach (var (key, value) in members)
        {
            history.Item.Add(new LogItem { Key = key, ValueJson = value });
            history.Step.Num = key == "_step" ? long.Parse(value, CultureInfo.InvariantCulture) : history.Step.Num;
        }

        return new() { History = history };
    }

    private static LogRecord Summary(SummaryValues summary)
    {
        var record = new LogSummary();
        Add(record.Update, JsonMembers.Split(summary.ToJson()).Where(member => member.Key != "_wandb"));
        return new() { Summary = record };
    }

    /// <summary>The names lose their "system.", which W&amp;B's tool puts before them again.</summary>
    private static LogRecord Stats(IEnumerable<KeyValuePair<string, string>> members)
    {
        var stats = new LogStats();
        foreach (var (key, value) in members)
        {
            if (key is "_timestamp")
            {
                stats.Timestamp = Time(DateTimeOffset.UnixEpoch.AddSeconds(double.Parse(value, CultureInfo.InvariantCulture)));
            }
            else if (key.StartsWith("system.", StringComparison.Ordinal))
            {
                stats.Item.Add(new LogItem { Key = key["system.".Length..], ValueJson = value });
            }
        }

        return new() { Stats = stats };
    }

    private static LogRecord Output(OutputLine line) => new()
    {
        OutputRaw = new() { OutputType = line.IsError ? 0 : 1, Timestamp = Time(line.Time), Line = line.Text + "\n" },
    };

    private static LogRecord Files(RunFolder folder)
    {
        var files = new LogFiles();
        var paths = Directory.Exists(folder.Files) ? Directory.EnumerateFiles(folder.Files, "*", SearchOption.AllDirectories) : [];
        var names = paths.Select(path => Path.GetRelativePath(folder.Files, path).Replace('\\', '/')).Order(StringComparer.Ordinal);
        files.Files.AddRange(names.Select(name => new LogFile { Path = name, Policy = 1 }));
        return new() { Files = files };
    }

    private static LogRecord Exit(RunExit exit) => new() { Exit = new() { ExitCode = exit.Code, Runtime = (int)exit.RuntimeSeconds } };

    private static void Add(RepeatedField<LogItem> items, IEnumerable<KeyValuePair<string, string>> members)
        => items.AddRange(members.Select(member => new LogItem { Key = member.Key, ValueJson = member.Value }));

    private static LogTime Time(DateTimeOffset time)
    {
        var ticks = (time - DateTimeOffset.UnixEpoch).Ticks;
        return new() { Seconds = ticks / TimeSpan.TicksPerSecond, Nanos = (int)(ticks % TimeSpan.TicksPerSecond) * 100 };
    }

    private void PutChunk(byte type, ReadOnlySpan<byte> data)
    {
        var checksum = new Crc32();
        checksum.Append([type]);
        checksum.Append(data);
        Span<byte> header = stackalloc byte[ChunkHeaderBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(header, checksum.GetCurrentHashAsUInt32());
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], (ushort)data.Length);
        header[6] = type;
        Put(header);
        Put(data);
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        _stream.Write(bytes);
        _position += bytes.Length;
    }
}
