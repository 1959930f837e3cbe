using System.Globalization;
using System.Runtime.CompilerServices;

namespace NotebookLib.Tests;

/// <summary>
/// Every test runs as for a reader whose culture writes 1.234,5 and −1 (U+2212, as in Swedish): pages, files, requests and messages are English all the same.
/// </summary>
internal static class AdverseCulture
{
    /// <summary>Becomes the culture of every thread that has none of its own.</summary>
    [ModuleInitializer]
    internal static void Enter() => CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = Make();

    private static CultureInfo Make()
    {
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NumberDecimalSeparator = culture.NumberFormat.PercentDecimalSeparator = ",";
        culture.NumberFormat.NumberGroupSeparator = culture.NumberFormat.PercentGroupSeparator = ".";
        culture.NumberFormat.NegativeSign = "−";
        culture.DateTimeFormat.DateSeparator = ".";
        culture.DateTimeFormat.TimeSeparator = ".";
        return culture;
    }
}
