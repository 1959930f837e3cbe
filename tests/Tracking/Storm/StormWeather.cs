using NotebookLib.Tests.Tracking.FakeWandb;

namespace NotebookLib.Tests.Tracking.Storm;

/// <summary>What happens to requests in the storm: of three, one fails, in every way that a network and a server know.</summary>
/// <param name="seed">Of the weather.</param>
internal sealed class StormWeather(int seed)
{
    // Longer than a request may take: 60 s of the run's.
    private static readonly TimeSpan TooLong = TimeSpan.FromSeconds(90 / StormTrainer.Faster);

    private readonly Lock _lock = new();
    private readonly Random _random = new(seed);
    private readonly Dictionary<string, int> _counts = [];

    /// <summary>How often each kind of failure came.</summary>
    public IReadOnlyDictionary<string, int> Counts
    {
        get
        {
            lock (_lock)
            {
                return new Dictionary<string, int>(_counts);
            }
        }
    }

    /// <summary>The failure of a request, or null.</summary>
    public FakeFault? Fault(FakeRequest request) => Next() switch
    {
        < 0.05 => Count("429 with Retry-After", new(429, RetryAfter: "2")),
        < 0.10 => Count("500", new(500)),
        < 0.14 => Count("503 with Retry-After", new(503, RetryAfter: "1")),
        < 0.18 => Count("reset before the request was obeyed", new(Reset: true)),
        < 0.22 => Count("reset after the request was obeyed", new(Reset: true, AfterApplying: true)),
        < 0.26 => Count("reset in the middle of the answer", new(MidBody: true, AfterApplying: true)),
        < 0.29 => Count("no answer in time", new(502, Delay: TooLong)),
        _ => null,
    };

    /// <summary>Whether the connection breaks in the middle of a request's body.</summary>
    public bool Cut() => Next() < 0.04 && Count("reset in the middle of the request", new()) is not null;

    private double Next()
    {
        lock (_lock)
        {
            return _random.NextDouble();
        }
    }

    private FakeFault Count(string kind, FakeFault fault)
    {
        lock (_lock)
        {
            _counts[kind] = _counts.GetValueOrDefault(kind) + 1;
        }

        return fault;
    }
}
