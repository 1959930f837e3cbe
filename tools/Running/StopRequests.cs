using System.Diagnostics;
using System.Runtime.InteropServices;

namespace NotebookRunner.Running;

/// <summary>Counts how often somebody asked to stop (Ctrl-C, SIGTERM): the first time is a wish, the second an order.</summary>
internal sealed class StopRequests : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly PosixSignalRegistration[] _registrations;
    private TimeSpan _last;
    private int _count;
    private PosixSignal _first = PosixSignal.SIGINT;

    public StopRequests() => _registrations =
    [
        .. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM }.Select(signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            Receive(signal, _clock.Elapsed);
        })),
    ];

    public int Count => Volatile.Read(ref _count);

    /// <summary>How the first request came, as people call it.</summary>
    public string Word => _first is PosixSignal.SIGTERM ? "SIGTERM" : "Ctrl-C";

    public void Dispose() => Array.ForEach(_registrations, registration => registration.Dispose());

    /// <summary>Counts a signal, unless it is the echo of the one before.</summary>
    /// <param name="signal">What came.</param>
    /// <param name="now">On a clock that only goes forward.</param>
    internal void Receive(PosixSignal signal, TimeSpan now)
    {
        lock (_lock)
        {
            if (_count > 0 && now - _last < EchoOf(signal))
            {
                return;
            }

            _first = _count == 0 ? signal : _first;
            _last = now;
            Interlocked.Increment(ref _count);
        }
    }

    // `timeout` signals its child and then the child's whole group, `dotnet run` passes on what it got: one request arrives up to three times.
    private static TimeSpan EchoOf(PosixSignal signal) => TimeSpan.FromSeconds(signal is PosixSignal.SIGTERM ? 1 : 0.25);
}
