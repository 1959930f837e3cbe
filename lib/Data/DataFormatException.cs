using System.Text;

namespace NotebookLib.Data;

/// <summary>One thing wrong in a data file.</summary>
/// <param name="File">The file's path.</param>
/// <param name="Line">Line (row, in a Parquet file), counted from 1; 0 for the file as a whole.</param>
/// <param name="Problem">What was expected and what was found.</param>
internal sealed record DataFault(string File, long Line, string Problem)
{
    /// <inheritdoc />
    public override string ToString() => Line == 0 ? $"{File}: {Problem}" : $"{File}:{Line}: {Problem}";
}

/// <summary>A data file does not hold what it should; carries every wrong line found, up to a limit.</summary>
public sealed class DataFormatException : FormatException
{
    /// <summary>An exception without details.</summary>
    public DataFormatException()
        : this([], 0)
    {
    }

    /// <summary>An exception with a message alone.</summary>
    public DataFormatException(string message)
        : base(message) => Faults = [];

    /// <summary>An exception with a message and its cause.</summary>
    public DataFormatException(string message, Exception innerException)
        : base(message, innerException) => Faults = [];

    /// <summary>An exception that lists faults.</summary>
    /// <param name="faults">The first faults, in file order.</param>
    /// <param name="faultCount">How many there are altogether.</param>
    /// <param name="innerException">The cause, when one exception is.</param>
    internal DataFormatException(IReadOnlyList<DataFault> faults, long faultCount, Exception? innerException = null)
        : base(Describe(faults, faultCount), innerException)
    {
        Faults = faults;
        FaultCount = faultCount;
    }

    /// <summary>The first faults, in file order.</summary>
    internal IReadOnlyList<DataFault> Faults { get; }

    /// <summary>How many faults there are altogether, listed or not.</summary>
    public long FaultCount { get; }

    internal static DataFormatException ForFile(string file, string problem, Exception? cause = null) => new([new(file, 0, problem)], 1, cause);

    private static string Describe(IReadOnlyList<DataFault> faults, long faultCount)
    {
        if (faults.Count == 1 && faultCount == 1)
        {
            return faults[0].ToString();
        }

        var text = new StringBuilder($"{faultCount} faults:");
        foreach (var cause in faults.GroupBy(fault => (fault.File, fault.Problem)))
        {
            // The same thing wrong in many lines is said once.
            text.Append("\n  ").Append(cause.First());
            var others = cause.Skip(1).Select(fault => fault.Line).ToList();
            text.Append(others.Count == 0 ? "" : Invariant($" Also in line {string.Join(", ", others.Take(8))}{(others.Count > 8 ? ", …" : "")}."));
        }

        return faultCount > faults.Count ? text.Append($"\n  … and {faultCount - faults.Count} more").ToString() : text.ToString();
    }
}
