using System.Globalization;

namespace NotebookLib.Platform;

/// <summary>Numbers, shares, times and amounts of bytes as people read them, in English whatever the culture is; empty for what is not known.</summary>
internal static class NumberText
{
    /// <summary>How many: 12,345.</summary>
    public static string Count(long? number) => number?.ToString("N0", CultureInfo.InvariantCulture) ?? "";

    /// <summary>An amount or a speed without decimals: 12,345.</summary>
    public static string Whole(double? number) => number?.ToString("N0", CultureInfo.InvariantCulture) ?? "";

    /// <summary>A score or share, 0 to 1, in a table: 0.953.</summary>
    public static string Share(double? share) => share?.ToString("0.000", CultureInfo.InvariantCulture) ?? "";

    /// <summary>A score or loss with the digits of the published tables: 0.9530.</summary>
    public static string Score(double score) => score.ToString("0.0000", CultureInfo.InvariantCulture);

    /// <summary>A setting: 0.01, 8.</summary>
    public static string Number(double number) => number.ToString("0.######", CultureInfo.InvariantCulture);

    /// <summary>A learning rate: 5e-5.</summary>
    public static string Rate(double? rate) => rate == 0 ? "0" : rate?.ToString("0.##e-0", CultureInfo.InvariantCulture) ?? "";

    /// <summary>
    /// Any number, short: four decimals for what lies between 0 and 1, as the published tables have it; four significant digits otherwise; whole numbers whole.
    /// </summary>
    public static string Short(double value) => value switch
    {
        _ when value == Math.Floor(value) && Math.Abs(value) < 1e15 => value.ToString("#,0", CultureInfo.InvariantCulture),
        > -1 and < 1 when Math.Abs(value) >= 0.001 => value.ToString("0.0000", CultureInfo.InvariantCulture),
        > -1e6 and < 1e6 when Math.Abs(value) >= 1 =>
            value.ToString(Math.Abs(value) >= 1000 ? "#,0" : Math.Abs(value) >= 100 ? "0.0" : "0.00", CultureInfo.InvariantCulture),
        _ => value.ToString("0.00e+0", CultureInfo.InvariantCulture),
    };

    /// <summary>A duration: 42 s, 3:07 min, 2:15 h.</summary>
    public static string Duration(double seconds)
    {
        var whole = (long)Math.Round(Math.Max(0, seconds));
        return whole < 60 ? Invariant($"{whole} s") : whole < 3600 ? Invariant($"{whole / 60}:{whole % 60:00} min") : Hours(whole);
    }

    /// <summary>A duration in a column of durations: 0:42 min, 3:07 min, 2:15 h.</summary>
    public static string ColumnDuration(double seconds) =>
        seconds < 3600 ? Invariant($"{(int)seconds / 60}:{(int)seconds % 60:00} min") : Hours((long)seconds);

    /// <summary>How long a cell took: 0.42 s, 12.3 s, 3 min 05 s, 1 h 02 min.</summary>
    public static string InWords(double seconds) => seconds switch
    {
        < 9.995 => seconds.ToString("0.00", CultureInfo.InvariantCulture) + " s",
        < 59.95 => seconds.ToString("0.0", CultureInfo.InvariantCulture) + " s",
        < 3599.5 => $"{(int)Math.Round(seconds) / 60} min {(int)Math.Round(seconds) % 60:00} s",
        _ => $"{(int)(seconds / 3600)} h {(int)(seconds / 60) % 60:00} min",
    };

    /// <summary>A file: 12.3 KiB, 1.5 MiB.</summary>
    public static string Size(long bytes) => bytes < 1 << 20
        ? Invariant($"{bytes / 1024.0:0.0} KiB")
        : Invariant($"{bytes / (double)(1 << 20):0.0} MiB");

    /// <summary>Memory: 2.1 GiB.</summary>
    public static string Gigabytes(long bytes) => Invariant($"{bytes / (double)(1 << 30):0.0} GiB");

    private static string Hours(long seconds) => Invariant($"{seconds / 3600}:{seconds / 60 % 60:00} h");
}
