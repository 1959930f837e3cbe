using System.Reflection;
using Parquet;
using Parquet.Schema;

namespace NotebookLib.Results;

/// <summary>The same rows as Parquet, for pandas, DuckDB and the like: whole numbers as int64, others as double, all else as text; empty is null.</summary>
/// <typeparam name="T">The kind of row; its properties are the columns, in their order.</typeparam>
internal static class ParquetLedger<T>
{
    /// <summary>Writes all rows as one row group.</summary>
    public static void Write(Stream stream, IReadOnlyList<T> rows) => Task.Run(() => WriteAsync(stream, rows)).GetAwaiter().GetResult();

    private static async Task WriteAsync(Stream stream, IReadOnlyList<T> rows)
    {
        var columns = typeof(T).GetProperties().Select(property => (Property: property, Field: FieldOf(property))).ToList();
        var writer = await ParquetWriter.CreateAsync(new ParquetSchema(columns.Select(column => (Field)column.Field)), stream).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            using var group = writer.CreateRowGroup();
            foreach (var (property, field) in columns)
            {
                var values = rows.Select(row => property.GetValue(row)).ToList();
                await WriteColumnAsync(group, field, values).ConfigureAwait(false);
            }

            group.CompleteValidate();
        }
    }

    private static Task WriteColumnAsync(ParquetRowGroupWriter group, DataField field, List<object?> values)
    {
        if (field.ClrType == typeof(long))
        {
            return group.WriteAsync<long>(field, values.Select(value => (long?)value).ToArray());
        }

        return field.ClrType == typeof(double)
            ? group.WriteAsync<double>(field, values.Select(value => (double?)value).ToArray())
            : group.WriteAsync(field, values.Select(value => value is null ? null : CsvLedger<RunRow>.TextOf(value)).ToList());
    }

    private static DataField FieldOf(PropertyInfo property)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var stored = type == typeof(long) || type == typeof(double) ? type : typeof(string);
        return new DataField(CsvLedger<RunRow>.ColumnName(property.Name), stored, isNullable: true);
    }
}
