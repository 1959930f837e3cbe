namespace NotebookLib.Charts;

/// <summary>
/// The colours of Okabe and Ito ("Color Universal Design", 2008), told apart by readers with any kind of colour blindness and visible on white and on black.
/// Their yellow and black are left out: one vanishes on white, the other on black. Every trace differs in dash, marker or hatch as well.
/// </summary>
internal static class Palette
{
    /// <summary>Ours, the first thing to look at.</summary>
    public const string Blue = "#0072B2";

    /// <summary>The second: evaluation, predictions.</summary>
    public const string Vermilion = "#D55E00";

    /// <summary>The third: recall, best.</summary>
    public const string Green = "#009E73";

    /// <summary>The fourth.</summary>
    public const string Pink = "#CC79A7";

    /// <summary>The fifth.</summary>
    public const string Orange = "#E69F00";

    /// <summary>The sixth.</summary>
    public const string Sky = "#56B4E9";

    /// <summary>What stands behind: published curves, raw values under a smoothed line.</summary>
    public const string Gray = "#8A8A8A";
}
