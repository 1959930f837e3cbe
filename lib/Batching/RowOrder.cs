namespace NotebookLib.Batching;

/// <summary>In which order to take rows, and the way back.</summary>
/// <param name="Rows">Row indices, each of 0 … count − 1 once.</param>
internal sealed record RowOrder(int[] Rows)
{
    /// <summary>The row indices of each batch; the last may be smaller.</summary>
    /// <param name="batchSize">Rows in a batch, B.</param>
    public IEnumerable<int[]> Batches(int batchSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        return Rows.Chunk(batchSize);
    }

    /// <summary>Puts results that came in this order back into the rows' own order.</summary>
    /// <param name="inThisOrder">One result per row: element i belongs to row <c>Rows[i]</c>.</param>
    /// <returns>Element r belongs to row r.</returns>
    /// <exception cref="ArgumentException">There is not one result per row.</exception>
    public T[] PutBack<T>(IReadOnlyList<T> inThisOrder)
    {
        if (inThisOrder.Count != Rows.Length)
        {
            throw new ArgumentException($"{inThisOrder.Count} results for {Rows.Length} rows; expected one per row.", nameof(inThisOrder));
        }

        var results = new T[Rows.Length];
        for (var i = 0; i < Rows.Length; i++)
        {
            results[Rows[i]] = inThisOrder[i];
        }

        return results;
    }
}
