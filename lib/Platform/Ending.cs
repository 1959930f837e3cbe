namespace NotebookLib.Platform;

/// <summary>Does something once, when it is disposed: the end of what somebody began.</summary>
/// <param name="action">What; null where nothing was begun.</param>
internal sealed class Ending(Action? action) : IDisposable
{
    private Action? _action = action;

    /// <inheritdoc />
    public void Dispose() => Interlocked.Exchange(ref _action, null)?.Invoke();
}
