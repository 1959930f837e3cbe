using System.Globalization;
using System.Reflection;
using System.Text.Json;
using CsvHelper;
using NotebookLib.Data;

namespace NotebookLib.Results;

/// <summary>
/// Rows of one kind as CSV: a header in snake_case, numbers in invariant culture with all their digits, times in ISO 8601, empty for what is not known; texts
/// as <see cref="CsvText"/> makes them harmless.
/// </summary>
/// <typeparam name="T">The kind of row, with a constructor without parameters; its properties are the columns, in their order.</typeparam>
internal static class CsvLedger<T>
    where T : notnull
{
    private const long MaximumBytes = 256L << 20;
    private const int MaximumRecordBytes = 1 << 20;
    private const string Remedy = "Mend it or move the file away; a new one is then begun.";

    private static readonly PropertyInfo[] Properties = typeof(T).GetProperties();

    /// <summary>The columns' names.</summary>
    public static IReadOnlyList<string> Columns { get; } = [.. Properties.Select(property => ColumnName(property.Name))];

    /// <summary>A property's name as a column.</summary>
    public static string ColumnName(string property) => JsonNamingPolicy.SnakeCaseLower.ConvertName(property);

    /// <summary>Reads a file; a missing one holds no rows.</summary>
    /// <exception cref="InvalidDataException">The file is no such table; the message names file and line.</exception>
    public static List<T> ReadFile(string path)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        using var stream = File.OpenRead(path);
        return stream.Length <= MaximumBytes
            ? Read(stream, path) : throw new InvalidDataException($"{path}: {stream.Length >> 20} MiB is too large for a table of runs. {Remedy}");
    }

    /// <summary>Reads rows.</summary>
    /// <param name="stream">The text, UTF-8.</param>
    /// <param name="name">What to call it in an error.</param>
    /// <inheritdoc cref="ReadFile" path="/exception"/>
    public static List<T> Read(Stream stream, string name)
    {
        var options = new CsvReaderOptions
        {
            Separator = ',',
            MalformedData = CsvMalformedDataHandling.Throw,
            FieldCountMismatch = CsvFieldCountHandling.Throw,
            MaxRecordSize = MaximumRecordBytes,
            TrackLineNumbers = true,
        };
        using var csv = CsvReader.Create(stream, options, leaveOpen: true);
        try
        {
            csv.ReadHeader();
            ThrowIfForeign(csv.Headers, name);
            var rows = new List<T>();
            while (csv.Read())
            {
                rows.Add(RowOf(csv));
            }

            return rows;
        }
        catch (CsvFormatException error)
        {
            throw new InvalidDataException($"{name}, line {error.LineNumber}: {error.Message.Trim()} {Remedy}", error);
        }
        catch (FormatException error)
        {
            throw new InvalidDataException($"{name}, line {csv.LineNumber}: {error.Message} {Remedy}", error);
        }
    }

    /// <summary>Writes header and rows.</summary>
    public static void Write(Stream stream, IEnumerable<T> rows)
    {
        using var csv = CsvWriter.Create(stream, new CsvWriterOptions { NewLine = "\n", Separator = ',', ValidateFieldCount = true }, leaveOpen: true);
        csv.WriteRecord([.. Columns]);
        foreach (var row in rows)
        {
            csv.WriteRecord(Properties.Select(property => property.GetValue(row) is string text ? CsvText.Harmless(text) : TextOf(property.GetValue(row)))
                .ToArray());
        }
    }

    /// <summary>A value as it stands in a file.</summary>
    public static string TextOf(object? value) => value switch
    {
        null => "",
        string text => text,
        DateTimeOffset time => time.ToString("yyyy-MM-ddTHH:mm:sszzz", CultureInfo.InvariantCulture),
        double number => number.ToString("R", CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static T RowOf(CsvReader csv)
    {
        var row = Activator.CreateInstance<T>();
        for (var i = 0; i < Properties.Length; i++)
        {
            // A column that a later version added is empty in an older file.
            if (csv.TryGetFieldIndex(Columns[i], out var field))
            {
                Properties[i].SetValue(row, Parse(csv.GetString(field), Properties[i].PropertyType, Columns[i]));
            }
        }

        return row;
    }

    private static object? Parse(string text, Type type, string column)
    {
        if (type == typeof(string))
        {
            return CsvText.Original(text);
        }

        if (text.Length == 0 && Nullable.GetUnderlyingType(type) is not null)
        {
            return null;
        }

        var culture = CultureInfo.InvariantCulture;
        object? value = (Nullable.GetUnderlyingType(type) ?? type) switch
        {
            var whole when whole == typeof(long) => long.TryParse(text, NumberStyles.Integer, culture, out var number) ? number : null,
            var real when real == typeof(double) => double.TryParse(text, NumberStyles.Float, culture, out var number) ? number : null,
            _ => DateTimeOffset.TryParse(text, culture, DateTimeStyles.AssumeUniversal, out var time) ? time : null,
        };
        return value ?? throw new FormatException($"column {column}: expected a {(Nullable.GetUnderlyingType(type) ?? type).Name}, found '{text}'.");
    }

    private static void ThrowIfForeign(IReadOnlyList<string> header, string name)
    {
        if (header.Except(Columns, StringComparer.Ordinal).ToList() is { Count: > 0 } foreign)
        {
            throw new InvalidDataException($"{name}: column(s) {string.Join(", ", foreign)} are not of this table, and adding a row would lose them. {Remedy}");
        }
    }
}
