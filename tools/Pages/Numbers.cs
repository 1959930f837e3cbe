using System.Globalization;

namespace NotebookRunner.Pages;

/// <summary>Scores as people read them.</summary>
internal static class Numbers
{
    /// <summary>Four decimals for what lies between 0 and 1, as the published tables have it; four significant digits otherwise; whole numbers whole.</summary>
    public static string Short(double value) => value switch
    {
        _ when value == Math.Floor(value) && Math.Abs(value) < 1e15 => value.ToString("#,0", CultureInfo.InvariantCulture),
        > -1 and < 1 when Math.Abs(value) >= 0.001 => value.ToString("0.0000", CultureInfo.InvariantCulture),
        > -1e6 and < 1e6 when Math.Abs(value) >= 1 =>
            value.ToString(Math.Abs(value) >= 1000 ? "#,0" : Math.Abs(value) >= 100 ? "0.0" : "0.00", CultureInfo.InvariantCulture),
        _ => value.ToString("0.00e+0", CultureInfo.InvariantCulture),
    };
}
