using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;

namespace NotebookRunner.Running;

/// <summary>Counts how often somebody asked to stop (Ctrl-C, SIGTERM, a terminal that went away): the first time is a wish, the second an order.</summary>
internal sealed class StopRequests : IDisposable
{
    private const int HangUp = 1;

    private readonly Lock _lock = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly PosixSignalRegistration[] _registrations;
    private readonly CancellationTokenRegistration[] _toAll = [];
    private readonly CancellationTokenSource _wish = new(), _order = new();
    private TimeSpan _last;
    private int _count;
    private PosixSignal _first = PosixSignal.SIGINT;

    public StopRequests() => _registrations =
    [
        .. Listened().Select(signal => PosixSignalRegistration.Create(signal, context =>
        {
            context.Cancel = true;
            Receive(signal, _clock.Elapsed);
        })),
    ];

    /// <summary>The requests to one of several runs: those that reach all of them, and those that are made by <see cref="Make"/>.</summary>
    public StopRequests(StopRequests all)
    {
        _registrations = [];
        _toAll = [all.Wish.Register(() => Make(all._first)), all.Order.Register(() => Make(all._first))];
    }

    public int Count => Volatile.Read(ref _count);

    /// <summary>Cancelled by the first request.</summary>
    public CancellationToken Wish => _wish.Token;

    /// <summary>Cancelled by the second.</summary>
    public CancellationToken Order => _order.Token;

    /// <summary>How the first request came, as people call it.</summary>
    public string Word => _first switch { PosixSignal.SIGTERM => "SIGTERM", PosixSignal.SIGHUP => "SIGHUP, as of a terminal that went away", _ => "Ctrl-C" };

    /// <summary>What both the runner and its kernel answer. Who started us with nohup wants a terminal's end to mean nothing.</summary>
    public static IEnumerable<PosixSignal> Listened() =>
        IsIgnored(HangUp) ? [PosixSignal.SIGINT, PosixSignal.SIGTERM] : [PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP];

    // The two sources hold nothing that would have to be freed, and a signal may be on its way while this runs.
    public void Dispose()
    {
        Array.ForEach(_registrations, registration => registration.Dispose());
        Array.ForEach(_toAll, registration => registration.Dispose());
    }

    /// <summary>Counts a signal, unless it is the echo of the one before.</summary>
    /// <param name="signal">What came.</param>
    /// <param name="now">On a clock that only goes forward.</param>
    internal void Receive(PosixSignal signal, TimeSpan now)
    {
        lock (_lock)
        {
            // A terminal goes away once, however many of its processes tell us so.
            if (_count > 0 && (signal is PosixSignal.SIGHUP || now - _last < EchoOf(signal)))
            {
                return;
            }

            _last = now;
        }

        Make(signal);
    }

    /// <summary>Counts one request.</summary>
    public void Make(PosixSignal signal)
    {
        CancellationTokenSource reached;
        lock (_lock)
        {
            _first = _count == 0 ? signal : _first;
            reached = Interlocked.Increment(ref _count) == 1 ? _wish : _order;
        }

        reached.Cancel();
    }

    private static bool IsIgnored(int signal)
    {
        try
        {
            var line = File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal));
            return line is not null
                && (ulong.Parse(line["SigIgn:".Length..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> (signal - 1) & 1) == 1;
        }
        catch (Exception unknown) when (unknown is IOException or UnauthorizedAccessException or FormatException)
        {
            // Elsewhere nobody tells: then the terminal's end is a wish to stop.
            return false;
        }
    }

    // `timeout` signals its child and then the child's whole group, `dotnet run` passes on what it got: one request arrives up to three times.
    private static TimeSpan EchoOf(PosixSignal signal) => TimeSpan.FromSeconds(signal is PosixSignal.SIGTERM ? 1 : 0.25);
}
