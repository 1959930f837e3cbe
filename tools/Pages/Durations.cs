using System.Globalization;

namespace NotebookRunner.Pages;

/// <summary>Times as people say them.</summary>
internal static class Durations
{
    /// <summary>For instance <c>0.42 s</c>, <c>12.3 s</c>, <c>3 min 05 s</c>, <c>1 h 02 min</c>.</summary>
    public static string InWords(double seconds) => seconds switch
    {
        < 9.995 => seconds.ToString("0.00", CultureInfo.InvariantCulture) + " s",
        < 59.95 => seconds.ToString("0.0", CultureInfo.InvariantCulture) + " s",
        < 3599.5 => $"{(int)Math.Round(seconds) / 60} min {(int)Math.Round(seconds) % 60:00} s",
        _ => $"{(int)(seconds / 3600)} h {(int)(seconds / 60) % 60:00} min",
    };
}
