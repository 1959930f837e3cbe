namespace NotebookLib.Verification;

/// <summary>Counts, per quantity, the cases that were compared exactly and those that differ.</summary>
/// <param name="folder">What the rows are about, for instance <c>tokenizer/words.jsonl.gz</c>.</param>
internal sealed class ExactTally(string folder)
{
    private readonly Dictionary<string, (int Cases, int Wrong, string First)> _counts = [];

    /// <summary>Counts one case.</summary>
    /// <param name="quantity">What was compared.</param>
    /// <param name="expected">The golden.</param>
    /// <param name="actual">What this build makes.</param>
    /// <param name="line">Where the golden stands.</param>
    public void Count<T>(string quantity, ReadOnlySpan<T> expected, ReadOnlySpan<T> actual, int line)
        where T : IEquatable<T>
    {
        var (cases, wrong, first) = _counts.GetValueOrDefault(quantity, (0, 0, ""));
        var isWrong = !expected.SequenceEqual(actual);
        _counts[quantity] = (cases + 1, wrong + (isWrong ? 1 : 0), isWrong && wrong == 0 ? $", first in line {line}" : first);
    }

    /// <summary>Compares all cases of a file; a case that cannot be read ends the file with a failed row.</summary>
    /// <param name="count">Goes through the file and counts.</param>
    public List<CheckResult> Rows(Action<ExactTally> count)
    {
        var problem = "";
        try
        {
            count(this);
        }
        catch (Exception error) when (error is InvalidDataException or IOException or ArgumentException or KeyNotFoundException or InvalidOperationException
            or FormatException or IndexOutOfRangeException)
        {
            problem = $"{error.GetType().Name}: {error.Message}";
        }

        var rows = _counts.Select(pair => new CheckResult(folder, pair.Key, pair.Value.Wrong, 0, Invariant($"{pair.Value.Cases:N0} cases{pair.Value.First}")))
            .ToList();
        if (problem.Length > 0)
        {
            rows.Add(CheckResult.Failed(folder, "readable cases", problem));
        }
        else if (rows.Count == 0)
        {
            rows.Add(CheckResult.Failed(folder, "cases", "no case with fields that this check knows"));
        }

        return rows;
    }
}
