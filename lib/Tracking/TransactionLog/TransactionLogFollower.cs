namespace NotebookLib.Tracking.TransactionLog;

/// <summary>
/// Writes run-*.wandb from the journal, behind it and in another thread, so that W&amp;B's own <c>wandb sync</c> can upload the run. It is derived: it begins anew whenever the
/// folder is opened, and the end of the run is its last record, because wandb 0.31 reads no further (WANDB.md §11, data loss across versions). Artifacts are not in it:
/// W&amp;B's tool would look for them in a staging folder of its own.
/// </summary>
internal sealed class TransactionLogFollower : IDisposable
{
    private const int RowsPerSummary = 100;

    private readonly RunFolder _folder;
    private readonly JournalReader _reader;
    private readonly TransactionLogWriter _writer;
    private readonly RunReplay _replay = new();
    private bool _hasRun;
    private int _rowsSinceSummary;

    /// <summary>Begins the log anew.</summary>
    /// <exception cref="IOException">The journal cannot be read or the log not written.</exception>
    public TransactionLogFollower(RunFolder folder)
    {
        _folder = folder;
        _reader = new JournalReader(folder.Journal);
        try
        {
            _writer = new TransactionLogWriter(new FileStream(folder.TransactionLog, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 16));
            _writer.Append(TransactionRecords.Header());
        }
        catch
        {
            _writer?.Dispose();
            _reader.Dispose();
            throw;
        }
    }

    /// <summary>Writes what the journal has by now.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void Advance()
    {
        while (_reader.TryRead(out var record))
        {
            var lines = _replay.Apply(record);
            if (_hasRun)
            {
                Describe(record);
            }
            else if (record.Kind is not (JournalKind.Run or JournalKind.Session or JournalKind.Base or JournalKind.Config))
            {
                // The configuration logged before anything else belongs to the run record itself.
                BeginRun();
                Describe(record);
            }

            foreach (var line in lines)
            {
                Append(line);
            }
        }

        _writer.Flush();
    }

    /// <summary>Writes the rest and the end. Nothing may follow.</summary>
    /// <exception cref="IOException">The disk is full or gone.</exception>
    public void Complete()
    {
        Advance();
        if (!_hasRun)
        {
            BeginRun();
        }

        foreach (var line in _replay.CloseRow())
        {
            Append(line);
        }

        _writer.Append(TransactionRecords.Summary(_replay.Summary));
        var names = Directory.Exists(_folder.Files) ? Directory.EnumerateFiles(_folder.Files, "*", SearchOption.AllDirectories) : [];
        _writer.Append(TransactionRecords.Files(names.Select(path => Path.GetRelativePath(_folder.Files, path).Replace('\\', '/')).Order(StringComparer.Ordinal)));
        if (_replay.Exit is { } exit)
        {
            _writer.Append(TransactionRecords.Exit(exit));
        }

        _writer.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _writer.Dispose();
        _reader.Dispose();
    }

    private void BeginRun()
    {
        // The header is the first line; where that is damaged, a process that resumed the run has appended another.
        var header = _replay.Header ?? RunReplay.Read(_folder.Journal).Header ?? throw new InvalidDataException($"{_folder.Journal}: the journal has no header");
        _writer.Append(TransactionRecords.Run(header, _replay.Config));
        foreach (var metric in _replay.Metrics)
        {
            _writer.Append(TransactionRecords.Metric(metric));
        }

        _hasRun = true;
    }

    private void Describe(JournalRecord record)
    {
        if (record.Kind is JournalKind.Config)
        {
            _writer.Append(TransactionRecords.Config(record.Json));
        }
        else if (record.Kind is JournalKind.Metric)
        {
            _writer.Append(TransactionRecords.Metric(JournalJson.Read<MetricDefinition>(record.Json)));
        }
    }

    private void Append(StreamLine line)
    {
        _writer.Append(line.Kind switch
        {
            StreamKind.History => TransactionRecords.History(line.Json),
            StreamKind.Events => TransactionRecords.Stats(line.Json),
            _ => TransactionRecords.Output(JournalJson.Read<OutputLine>(line.Json)),
        });
        // After a kill the last of these summaries is what W&B's tool finds: it derives none from the rows.
        if (line.Kind is StreamKind.History && ++_rowsSinceSummary == RowsPerSummary)
        {
            _writer.Append(TransactionRecords.Summary(_replay.Summary));
            _rowsSinceSummary = 0;
        }
    }
}
