namespace NotebookLib.SampleMaker.Grammar;

/// <summary>
/// SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 14): a few lines of our own,
/// because System.Random may change its algorithm between versions of .NET, and the committed sample must stay reproducible.
/// </summary>
/// <param name="seed">Any number; equal seeds give equal sequences.</param>
public sealed class SplitMix(ulong seed)
{
    private const ulong GoldenGamma = 0x9E3779B97F4A7C15;
    private ulong _state = seed;

    /// <summary>The next 64 random bits.</summary>
    public ulong Next() => Scramble(_state += GoldenGamma);

    /// <summary>A whole number from 0 to <paramref name="count"/> − 1.</summary>
    public int Below(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return (int)Math.BigMul(Next(), (ulong)count, out _);
    }

    /// <summary>A number in [0, 1).</summary>
    public double Fraction() => Fraction(Next());

    /// <summary>True with the given probability.</summary>
    public bool Chance(double probability) => Fraction() < probability;

    /// <summary>One of the items.</summary>
    public T Pick<T>(IReadOnlyList<T> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        return items[Below(items.Count)];
    }

    /// <summary>A number in [0, 1) that depends on the text and the seed alone: where an entry goes when a list is divided.</summary>
    public static double FractionOf(string text, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(text);
        var hash = 14695981039346656037UL; // FNV-1a, 64 bits
        foreach (var unit in text)
        {
            hash = (hash ^ unit) * 1099511628211UL;
        }

        return Fraction(Scramble(hash ^ Scramble(seed)));
    }

    private static double Fraction(ulong bits) => (bits >> 11) * (1.0 / (1UL << 53));

    private static ulong Scramble(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
