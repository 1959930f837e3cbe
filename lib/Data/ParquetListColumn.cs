using Parquet;
using Parquet.Schema;

namespace NotebookLib.Data;

/// <summary>A list column of one row group, unfolded from Parquet's levels: row r has the values <c>Values[Starts[r]..Starts[r + 1]]</c>.</summary>
/// <typeparam name="T">Type of the values.</typeparam>
internal sealed class ParquetListColumn<T>
    where T : struct
{
    private readonly HashSet<int> _rowsWithNulls;

    private ParquetListColumn(T[] values, int[] starts, HashSet<int> rowsWithNulls) => (Values, Starts, _rowsWithNulls) = (values, starts, rowsWithNulls);

    public T[] Values { get; }

    public int[] Starts { get; }

    public int RowCount => Starts.Length - 1;

    /// <summary>The list is null, or one of its values is.</summary>
    public bool HasNull(int row) => _rowsWithNulls.Contains(row);

    public static async Task<ParquetListColumn<T>> ReadAsync(ParquetRowGroupReader group, DataField field)
    {
        var count = checked((int)group.GetMetadata(field)!.MetaData!.NumValues);
        var (values, definitions, repetitions) = (new T[count], new int[count], new int[count]);
        await group.ReadRawAsync<T>(field, values, definitions, repetitions).ConfigureAwait(false);
        return Unfold(values, definitions, repetitions, field.MaxDefinitionLevel, field.IsNullable, checked((int)group.RowCount));
    }

    // Dremel levels (parquet-format, "Nested Encoding"): repetition 0 starts a row; definition below the entry's level is a null or an empty list.
    private static ParquetListColumn<T> Unfold(T[] values, int[] definitions, int[] repetitions, int present, bool valuesMayBeNull, int rowCount)
    {
        var entryLevel = valuesMayBeNull ? present - 1 : present;
        var starts = new int[rowCount + 1];
        var rowsWithNulls = new HashSet<int>();
        var (row, value) = (-1, 0);
        for (var i = 0; i < definitions.Length; i++)
        {
            if (repetitions[i] == 0)
            {
                starts[++row] = value;
            }

            // Lists that cannot be null have entryLevel 1 and are empty at 0; lists that can have 2, are empty at 1 and null at 0.
            var isNullList = definitions[i] < entryLevel - 1;
            var isNullValue = definitions[i] >= entryLevel && definitions[i] < present;
            if (isNullList || isNullValue)
            {
                rowsWithNulls.Add(row);
            }

            value += definitions[i] == present ? 1 : 0;
        }

        if (row != rowCount - 1)
        {
            throw new InvalidDataException($"{row + 1} rows in the column, {rowCount} in the row group");
        }

        starts[rowCount] = value;
        return new(values, starts, rowsWithNulls);
    }
}
