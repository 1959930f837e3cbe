namespace NotebookRunner.Parameters;

/// <summary>"Did you mean": the known name nearest to a mistyped one.</summary>
internal static class Suggestion
{
    /// <summary>A sentence with a leading blank, or nothing when no name is near enough (a third of its letters may differ).</summary>
    public static string For(string wrong, IEnumerable<string> known)
    {
        var nearest = known.Select(name => (name, distance: Distance(wrong.ToUpperInvariant(), name.ToUpperInvariant()))).OrderBy(pair => pair.distance)
            .FirstOrDefault();
        return nearest.name is not null && nearest.distance <= Math.Max(1, nearest.name.Length / 3) ? $" Did you mean '{nearest.name}'?" : "";
    }

    /// <summary>Optimal string alignment distance: insertions, deletions, replacements and swaps of neighbours.</summary>
    public static int Distance(string a, string b)
    {
        var cost = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            for (var j = 0; j <= b.Length; j++)
            {
                cost[i, j] = i == 0 || j == 0
                    ? i + j
                    : Math.Min(Math.Min(cost[i - 1, j], cost[i, j - 1]) + 1, cost[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    cost[i, j] = Math.Min(cost[i, j], cost[i - 2, j - 2] + 1);
                }
            }
        }

        return cost[a.Length, b.Length];
    }
}
