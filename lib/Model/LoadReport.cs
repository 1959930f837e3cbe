using System.Globalization;
using System.Text;

namespace NotebookLib.Model;

/// <summary>What loading found: which names fitted, which the checkpoint lacks, which it has besides.</summary>
/// <param name="Source">The file or index that was read.</param>
/// <param name="Matched">Parameters that were filled from the checkpoint.</param>
/// <param name="Missing">Parameters that the checkpoint lacks; they were initialised anew.</param>
/// <param name="Unexpected">Tensors of the checkpoint that this network has no place for.</param>
/// <param name="Ignored">Tensors that belong to other heads or are computed here: pre-training heads, position ids, a head for other labels.</param>
public sealed record LoadReport(
    string Source,
    IReadOnlyList<string> Matched,
    IReadOnlyList<string> Missing,
    IReadOnlyList<string> Unexpected,
    IReadOnlyList<string> Ignored)
{
    /// <summary>What else a reader should know, a sentence each: names that a wrapper had changed, a head whose labels stood in another order.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>True when every parameter came from the checkpoint and nothing was left over.</summary>
    public bool IsComplete => Missing.Count == 0 && Unexpected.Count == 0;

    /// <summary>A table of counts with the first names of each kind, for a console or a log.</summary>
    public override string ToString()
    {
        var text = new StringBuilder().Append(CultureInfo.InvariantCulture, $"{Source}\n");
        foreach (var (kind, names) in Kinds)
        {
            var shown = kind == "matched" || names.Count == 0 ? "" : "  " + string.Join(", ", names.Take(4)) + (names.Count > 4 ? ", …" : "");
            text.Append(CultureInfo.InvariantCulture, $"  {kind,-10} {names.Count,5}{shown}\n");
        }

        foreach (var remark in Remarks)
        {
            text.Append(CultureInfo.InvariantCulture, $"  {remark}\n");
        }

        return text.ToString();
    }

    /// <summary>Each kind with its names, in the table's order.</summary>
    public IReadOnlyList<(string Kind, IReadOnlyList<string> Names)> Kinds =>
        [("matched", Matched), ("missing", Missing), ("unexpected", Unexpected), ("ignored", Ignored)];
}
