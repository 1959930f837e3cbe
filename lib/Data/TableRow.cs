namespace NotebookLib.Data;

/// <summary>One row of a table: a line of CoNLL, a record of CSV, a row of Parquet.</summary>
/// <param name="Line">Line or row, from 1.</param>
/// <param name="Cells">Its cells; none where a sentence ends.</param>
/// <param name="Problem">What is wrong with the row, or null.</param>
internal readonly record struct TableRow(long Line, string[] Cells, string? Problem)
{
    /// <summary>CoNLL-2003 and Label Studio mark documents by a row of this word.</summary>
    public const string DocumentMark = "-DOCSTART-";

    /// <summary>Whether nothing behind it can be read: where the next row begins cannot be told.</summary>
    public bool EndsTable { get; init; }

    public bool IsDocumentMark => Cells is [DocumentMark, ..] or [_, DocumentMark, ..];
}

/// <summary>A table, to be gone through as often as wanted.</summary>
/// <param name="Rows">Its rows, without the header.</param>
/// <param name="Header">Names of its columns, or null.</param>
/// <param name="HasComments">Whether a line may be a comment (#), as in CoNLL's kin.</param>
internal sealed record Table(Func<IEnumerable<TableRow>> Rows, IReadOnlyList<string>? Header, bool HasComments);
