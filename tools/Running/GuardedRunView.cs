using NotebookRunner.Kernel;

namespace NotebookRunner.Running;

/// <summary>A view that may fail without the run: a terminal that goes away takes the progress along, not the training.</summary>
internal sealed class GuardedRunView(IRunView inner) : IRunView
{
    private bool _isGone;

    /// <inheritdoc />
    public async Task ShowWhileAsync(RunState run, Func<Task> work)
    {
        Task? working = null;
        try
        {
            await inner.ShowWhileAsync(run, () => working = work());
        }
#pragma warning disable CA1031 // Whatever a terminal does when it goes away: the run's own end is what counts.
        catch (Exception) when (working is not { IsFaulted: true } and not { IsCanceled: true })
#pragma warning restore CA1031
        {
            _isGone = true;
        }

        await (working ?? work());
    }

    /// <inheritdoc />
    public void CellStarted(CellState cell) => Try(() => inner.CellStarted(cell));

    /// <inheritdoc />
    public void Happened(KernelEvent happened) => Try(() => inner.Happened(happened));

    /// <inheritdoc />
    public void Tick(CellState cell, TimeSpan elapsed) => Try(() => inner.Tick(cell, elapsed));

    /// <inheritdoc />
    public void CellEnded(CellState cell) => Try(() => inner.CellEnded(cell));

    /// <inheritdoc />
    public void Notice(string text) => Try(() => inner.Notice(text));

    private void Try(Action show)
    {
        if (_isGone)
        {
            return;
        }

        try
        {
            show();
        }
#pragma warning disable CA1031 // As above.
        catch (Exception)
#pragma warning restore CA1031
        {
            _isGone = true;
        }
    }
}
