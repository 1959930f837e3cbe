using System.Diagnostics;

namespace NotebookLib.Platform;

/// <summary>
/// Where the time of a step goes: parts of the code name themselves, and while somebody listens their own time (without the parts inside them) is added up by
/// name. For one thread, the one that runs the steps. Nobody listening, a part costs a nanosecond.
/// </summary>
internal static class StepClock
{
    private static readonly Dictionary<string, (double Seconds, int Calls)> Parts = new(StringComparer.Ordinal);
    private static readonly Stack<string> Open = new();
    private static Func<double> _now = () => Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
    private static double _since;
    private static bool _isListening;

    /// <summary>Opens a part; disposing the result closes it.</summary>
    public static Scope Part(string name)
    {
        if (_isListening)
        {
            Charge();
            Open.Push(name);
        }

        return new(_isListening);
    }

    /// <summary>Begins to add up, from nothing.</summary>
    /// <param name="now">The clock, in seconds; null for the wall's.</param>
    public static void Listen(Func<double>? now = null)
    {
        _now = now ?? _now;
        Parts.Clear();
        Open.Clear();
        _since = _now();
        _isListening = true;
    }

    /// <summary>Ends it.</summary>
    /// <returns>Seconds of each part itself and how often it was opened; under "" the time outside all parts.</returns>
    public static IReadOnlyDictionary<string, (double Seconds, int Calls)> Stop()
    {
        Charge();
        _isListening = false;
        return new Dictionary<string, (double Seconds, int Calls)>(Parts);
    }

    private static void Charge()
    {
        var now = _now();
        Add(Open.TryPeek(out var name) ? name : "", now - _since, 0);
        _since = now;
    }

    private static void Add(string name, double seconds, int calls)
    {
        Parts.TryGetValue(name, out var sum);
        Parts[name] = (sum.Seconds + seconds, sum.Calls + calls);
    }

    /// <summary>An open part.</summary>
    public readonly ref struct Scope(bool isOpen)
    {
        /// <summary>Closes it.</summary>
        public void Dispose()
        {
            if (isOpen && _isListening)
            {
                Charge();
                Add(Open.Pop(), 0, 1);
            }
        }
    }
}
