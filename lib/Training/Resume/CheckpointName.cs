using System.Globalization;
using System.Text.RegularExpressions;

namespace NotebookLib.Training;

/// <summary>
/// Where in a run a checkpoint stands: <c>checkpoint-7</c> after update 7, <c>checkpoint-7+3</c> three micro-batches later, in the middle of the next update's
/// accumulation.
/// </summary>
/// <param name="Update">Updates done.</param>
/// <param name="Accumulated">Micro-batches of the next update done.</param>
internal readonly partial record struct CheckpointName(int Update, int Accumulated) : IComparable<CheckpointName>
{
    /// <summary>Reads a folder's name.</summary>
    /// <returns>Null when it is no checkpoint's.</returns>
    public static CheckpointName? Parse(string name)
    {
        var match = Pattern().Match(name);
        return match.Success && int.TryParse(match.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var update)
            && int.TryParse(match.Groups[2].Success ? match.Groups[2].ValueSpan : "0", NumberStyles.None, CultureInfo.InvariantCulture, out var accumulated)
            ? new(update, accumulated)
            : null;
    }

    /// <inheritdoc />
    public int CompareTo(CheckpointName other) => (Update, Accumulated).CompareTo((other.Update, other.Accumulated));

    /// <inheritdoc />
    public override string ToString() => Invariant($"checkpoint-{Update}") + (Accumulated == 0 ? "" : Invariant($"+{Accumulated}"));

    [GeneratedRegex(@"^checkpoint-(\d{1,9})(?:\+(\d{1,9}))?$", RegexOptions.CultureInvariant)]
    private static partial Regex Pattern();
}
