using System.Runtime.InteropServices;

namespace NotebookRunner.Running;

/// <summary>Counts how often somebody asked to stop (Ctrl-C, SIGTERM): the first time is a wish, the second an order.</summary>
internal sealed class StopRequests : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;
    private int _count;

    public StopRequests() => _registrations = [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM }.Select(signal => PosixSignalRegistration.Create(signal, Receive))];

    public int Count => Volatile.Read(ref _count);

    public void Dispose() => Array.ForEach(_registrations, registration => registration.Dispose());

    private void Receive(PosixSignalContext signal)
    {
        signal.Cancel = true;
        Interlocked.Increment(ref _count);
    }
}
