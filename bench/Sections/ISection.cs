using NotebookLib.Bench.Reports;

namespace NotebookLib.Bench.Sections;

/// <summary>How much to measure.</summary>
/// <param name="IsQuick">A look while developing: fewer items, one round.</param>
/// <param name="Only">Leaves out the networks whose name does not contain this; null measures all.</param>
internal sealed record BenchOptions(bool IsQuick = false, string? Only = null)
{
    /// <summary>The rounds to hold.</summary>
    public int Rounds(int full) => IsQuick ? 1 : full;

    /// <summary>Whether a network is wanted.</summary>
    public bool Wants(string network) => Only is null || network.Contains(Only, StringComparison.Ordinal);
}

/// <summary>A part of the benchmark: a verb of the command line and a chapter of RESULTS.md.</summary>
internal interface ISection
{
    /// <summary>The verb.</summary>
    string Verb { get; }

    /// <summary>The chapter's heading, and the verb's description.</summary>
    string Title { get; }

    /// <summary>Measures.</summary>
    SectionReport Measure(BenchOptions options);
}
