namespace NotebookLib.SampleMaker.Grammar;

/// <summary>Who may use a list's entry or a shape.</summary>
public enum Share
{
    /// <summary>Everybody; the only entries and shapes that training sees.</summary>
    Train,

    /// <summary>Validation sentences only.</summary>
    Validation,

    /// <summary>Test sentences only.</summary>
    Test,
}

/// <summary>
/// Divides word lists and shapes: what training sees, and what only validation or only test may use, so that a score says how a model
/// does on names and sentences that it was not taught.
/// </summary>
public static class Holdout
{
    /// <summary>Share of a list's entries that only validation uses.</summary>
    public const double ValidationShare = 0.10;

    /// <summary>Share of a list's entries that only test uses.</summary>
    public const double TestShare = 0.18;

    /// <summary>Of the names held out, the share that the unlabelled text for pre-training does not mention either.</summary>
    public const double UnmentionedShare = 0.30;

    /// <summary>Shorter lists are not divided: months, weekdays, continents.</summary>
    public const int SmallestDividedList = 20;

    private const ulong DivisionSeed = 2023;

    /// <summary>Who may use an entry of a list; depends on the two names alone, so a new entry moves no other.</summary>
    public static Share ShareOf(string list, string entry) => SplitMix.FractionOf($"{list}\n{entry}", DivisionSeed) switch
    {
        < TestShare => Share.Test,
        < TestShare + ValidationShare => Share.Validation,
        _ => Share.Train,
    };

    /// <summary>Whether the unlabelled text may mention an entry: all that training uses, and most of what is held out.</summary>
    public static bool IsMentioned(string list, string entry) =>
        ShareOf(list, entry) == Share.Train || SplitMix.FractionOf($"{list}\n{entry}", DivisionSeed + 1) >= UnmentionedShare;
}
