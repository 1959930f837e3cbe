namespace NotebookLib.Bench.Measuring;

/// <summary>One way of doing a piece of work.</summary>
/// <param name="Name">What the table calls it.</param>
/// <param name="Run">Does item i of the work.</param>
internal sealed record Contestant(string Name, Action<int> Run);

/// <summary>
/// Times contestants on the same items, interleaved item by item (A B, B A, …), so that a machine whose speed drifts slows all of them alike. A round is one
/// pass over all items; ratios are taken within a round. The speed of the GEMM probe is taken beside each round.
/// </summary>
internal sealed class Contest
{
    // Idle threads of OpenMP and of ONNX Runtime spin for a while after their work: they must not disturb the next contestant.
    private static readonly TimeSpan SpinOut = TimeSpan.FromMilliseconds(15);

    private readonly double[][] _seconds;

    private Contest(IReadOnlyList<string> names, double[][] seconds, double[] probes) => (Names, _seconds, Probes) = (names, seconds, probes);

    /// <summary>The contestants.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>GFLOP/s of the bf16 probe beside each round.</summary>
    public IReadOnlyList<double> Probes { get; }

    /// <summary>Holds a contest.</summary>
    /// <param name="contestants">At least one.</param>
    /// <param name="items">Number of items.</param>
    /// <param name="rounds">Passes over the items.</param>
    /// <param name="warmUps">Items that each contestant does untimed before the first round.</param>
    public static Contest Hold(IReadOnlyList<Contestant> contestants, int items, int rounds, params int[] warmUps)
    {
        foreach (var contestant in contestants)
        {
            Array.ForEach(warmUps, contestant.Run);
        }

        var seconds = new double[rounds][];
        var probes = new double[rounds];
        for (var round = 0; round < rounds; round++)
        {
            seconds[round] = new double[contestants.Count];
            var before = GemmProbe.Measure(now: Clock.Now);
            for (var item = 0; item < items; item++)
            {
                for (var turn = 0; turn < contestants.Count; turn++)
                {
                    var who = (turn + item + round) % contestants.Count;
                    seconds[round][who] += Time(contestants[who], item);
                }
            }

            probes[round] = (before + GemmProbe.Measure(now: Clock.Now)) / 2;
            Console.Error.WriteLine(FormattableString.Invariant($"  round {round + 1} of {rounds}: ")
                + string.Join(", ", contestants.Select((contestant, who) => FormattableString.Invariant($"{contestant.Name} {seconds[round][who]:0.000} s")))
                + FormattableString.Invariant($"; probe {probes[round]:0} GFLOP/s"));
        }

        return new([.. contestants.Select(contestant => contestant.Name)], seconds, probes);
    }

    /// <summary>Seconds of a whole round.</summary>
    public Spread Seconds(int contestant) => Spread.Of(_seconds.Select(round => round[contestant]));

    /// <summary>Units of work per second.</summary>
    /// <param name="contestant">Whose.</param>
    /// <param name="unitsPerRound">For instance the real tokens of all items.</param>
    public Spread Rate(int contestant, double unitsPerRound) => Spread.Of(_seconds.Select(round => unitsPerRound / round[contestant]));

    /// <summary>Units of work per second for each GFLOP/s of the probe taken beside the round: what carries over to another machine.</summary>
    public Spread RatePerGigaflops(int contestant, double unitsPerRound) =>
        Spread.Of(_seconds.Select((round, i) => unitsPerRound / round[contestant] / Probes[i]));

    /// <summary>How many times as fast one is as another.</summary>
    public Spread Ratio(int contestant, int other) => Spread.Of(_seconds.Select(round => round[other] / round[contestant]));

    private static double Time(Contestant contestant, int item)
    {
        Thread.Sleep(SpinOut);
        return Clock.Time(() => contestant.Run(item));
    }
}
