using NotebookLib.Tracking.TransactionLog;

namespace NotebookLib.Tracking;

/// <summary>Once a second, off the training thread: carries the journal to the disk and W&amp;B's transaction log up to the journal.</summary>
internal sealed class RunHousekeeper : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly RunJournal _journal;
    private readonly TransactionLogFollower _log;
    private readonly Action<string> _notice;
    private readonly ITimer _timer;
    private bool _isOver;
    private bool _hasLog = true;
    private string? _said;

    /// <summary>Begins.</summary>
    public RunHousekeeper(RunJournal journal, TimeProvider clock, Action<string> notice)
    {
        (_journal, _notice) = (journal, notice);
        _log = new TransactionLogFollower(journal.Folder);
        _timer = clock.CreateTimer(_ => Tick(), null, Interval, Interval);
    }

    /// <summary>Brings both to their ends; call it when the journal has its last record.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            Follow(_log.Complete);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
        lock (_lock)
        {
            _isOver = true;
            _log.Dispose();
        }
    }

    private void Tick()
    {
        // A slow disk makes ticks pile up: one at a time, the others are dropped.
        if (_lock.TryEnter())
        {
            try
            {
                Follow(_log.Advance);
            }
            finally
            {
                _lock.Exit();
            }
        }
    }

    private void Follow(Action work)
    {
        if (!_isOver)
        {
            Try(_journal.FlushToDisk);
            // The journal goes on without its copy; sync makes the copy anew.
            _hasLog = _hasLog && Try(work);
        }
    }

    private bool Try(Action work)
    {
        try
        {
            work();
            return true;
        }
#pragma warning disable CA1031 // On a timer's thread an exception would end the process.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            if (fault.Message != _said)
            {
                _said = fault.Message;
                _notice($"{_journal.Folder.FullPath}: {fault.Message}");
            }

            return false;
        }
    }
}
