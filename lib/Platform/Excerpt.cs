namespace NotebookLib.Platform;

/// <summary>Text that somebody else wrote, cut so that it is fit for a message of ours: short, on one line.</summary>
internal static class Excerpt
{
    /// <summary>The beginning of a text.</summary>
    /// <param name="text">The text; null is none.</param>
    /// <param name="longest">How many characters are shown.</param>
    public static string Of(string? text, int longest = 40) => text is null ? ""
        : string.Concat((text.Length > longest ? text[..longest] + "…" : text).Select(letter => char.IsControl(letter) ? '\uFFFD' : letter));

    /// <summary>The same with room for a name or an address.</summary>
    public static string Long(string? text) => Of(text, 120);
}
