namespace NotebookLib.Tracking.TransactionLog;

/// <summary>
/// Writes run-*.wandb from the journal, behind it and in another thread, so that W&amp;B's own <c>wandb sync</c> can upload the run. It is derived: it begins
/// anew whenever the folder is opened, and where the beginning changes afterwards: the configuration stands in the run's own record, because wandb 0.16 forgets
/// what comes later, and rows that a resumed run supersedes are left out. The end of the run is its last record, because wandb 0.31 reads no further (WANDB.md
/// §11, data loss across versions). Artifacts are not in it: W&amp;B's tool would look for them in a staging folder of its own.
/// </summary>
internal sealed class TransactionLogFollower : IDisposable
{
    private const int RowsPerSummary = 100;

    // Who changes the configuration at every step of a long run would otherwise have the whole log written as often.
    private const long LargestRewrittenBytes = 4 << 20;

    private readonly RunFolder _folder;
    private readonly FileStream _file;
    private JournalReader _reader;
    private TransactionLogWriter _writer;
    private RunReplay _survey = new();
    private RunReplay _replay = new();
    private bool _isConfigBehind;
    private int _rowsSinceSummary;

    /// <summary>Begins the log anew.</summary>
    /// <exception cref="IOException">The journal cannot be read or the log not written.</exception>
    /// <exception cref="InvalidDataException">The journal has no header.</exception>
    public TransactionLogFollower(RunFolder folder)
    {
        _folder = folder;
        _file = new FileStream(folder.TransactionLog, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 16);
        try
        {
            _reader = new JournalReader(folder.Journal);
            _writer = Begin();
        }
        catch
        {
            _reader?.Dispose();
            _file.Dispose();
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
            if (_replay.Returns.Count > _survey.Returns.Count || IsNewConfig(record))
            {
                BeginAgain();
                continue;
            }

            if (record.Kind is JournalKind.Metric)
            {
                _writer.Append(TransactionRecords.Metric(JournalJson.Read<MetricDefinition>(record.Json)));
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
        if (_isConfigBehind)
        {
            BeginAgain();
        }

        Advance();
        foreach (var line in _replay.CloseRow())
        {
            Append(line);
        }

        _writer.Append(TransactionRecords.Summary(_replay.Summary));
        var names = Directory.Exists(_folder.Files) ? Directory.EnumerateFiles(_folder.Files, "*", SearchOption.AllDirectories) : [];
        _writer.Append(
            TransactionRecords.Files(names.Select(path => Path.GetRelativePath(_folder.Files, path).Replace('\\', '/')).Order(StringComparer.Ordinal)));
        if (_replay.Exit is { } exit)
        {
            _writer.Append(TransactionRecords.Exit(exit));
        }

        _writer.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        _reader.Dispose();
    }

    /// <summary>Header and run with all that the journal knows of the configuration.</summary>
    private TransactionLogWriter Begin()
    {
        _survey = RunReplay.Read(_folder.Journal);
        var header = _survey.Header ?? throw new InvalidDataException($"{_folder.Journal}: the journal has no header");
        _file.SetLength(0);
        var writer = new TransactionLogWriter(_file);
        writer.Append(TransactionRecords.Header());
        writer.Append(TransactionRecords.Run(header, _survey.Config));
        writer.Flush();
        return writer;
    }

    private void BeginAgain()
    {
        _reader.Dispose();
        _reader = new JournalReader(_folder.Journal);
        (_replay, _rowsSinceSummary, _isConfigBehind) = (new(), 0, false);
        _writer = Begin();
    }

    /// <summary>Whether the run's record lacks what a line says of the configuration, and the log is short enough to be written again at once.</summary>
    private bool IsNewConfig(JournalRecord record)
    {
        if (record.Kind is not JournalKind.Config || _reader.Position <= _survey.Length)
        {
            return false;
        }

        _isConfigBehind = _file.Position > LargestRewrittenBytes;
        if (_isConfigBehind)
        {
            _writer.Append(TransactionRecords.Config(record.Json));
        }

        return !_isConfigBehind;
    }

    private void Append(StreamLine line)
    {
        if (_survey.IsSuperseded(line))
        {
            return;
        }

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
