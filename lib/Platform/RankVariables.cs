using System.Globalization;

namespace NotebookLib.Platform;

/// <summary>What <c>mpirun</c> told this process of the job that it is a part of; a process that was started alone is rank 0 of 1.</summary>
internal static class RankVariables
{
    /// <summary>How many ranks there are.</summary>
    public static int Count { get; } = Number(HostContract.RanksVariable, 1);

    /// <summary>Which one this is, from 0.</summary>
    public static int Own { get; } = Count == 1 ? 0 : Number(HostContract.RankVariable, 0);

    /// <summary>A variable's whole number; the least where it says less, or nothing.</summary>
    public static int Number(string variable, int least) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? Math.Max(least, value) : least;
}
