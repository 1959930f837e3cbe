using NotebookRunner.Kernel;

namespace NotebookRunner.Running;

/// <summary>
/// Cuts what one cell shows to what a terminal, a page and an .ipynb can bear, with a note where something is missing. It stands before all three, so that none
/// shows more than another.
/// </summary>
internal sealed class OutputLimit
{
    /// <summary>The most characters of standard output and error together, and of one value's plain text.</summary>
    public const int MostTextChars = 200_000;

    /// <summary>The most characters of one value as HTML or as a picture.</summary>
    public const int MostContentChars = 16 << 20;

    private const string PlainText = "text/plain";

    private int _written;
    private int _lineLength;

    /// <summary>The event as it is shown; null when nothing of it is.</summary>
    public KernelEvent? Apply(KernelEvent happened) => happened switch
    {
        KernelEvent.StreamText text => Cut(text),
        KernelEvent.Displayed shown => shown with { Data = Cut(shown.Data) },
        KernelEvent.Updated shown => shown with { Data = Cut(shown.Data) },
        _ => happened,
    };

    private KernelEvent.StreamText? Cut(KernelEvent.StreamText text)
    {
        if (_written > MostTextChars)
        {
            return null;
        }

        for (var i = 0; i < text.Text.Length; i++)
        {
            Count(text.Text[i]);
            if (_written > MostTextChars)
            {
                return text with { Text = text.Text[..i] + Note(MostTextChars, "the rest of what this cell prints is left out") };
            }
        }

        return text;
    }

    /// <summary>A progress bar writes its line anew after each carriage return: only what stays counts.</summary>
    private void Count(char letter)
    {
        _written += letter == '\r' ? -_lineLength : 1;
        _lineLength = letter is '\r' or '\n' ? 0 : _lineLength + 1;
    }

    private static Dictionary<string, string> Cut(Dictionary<string, string> data)
    {
        if (data.All(content => content.Value.Length <= (content.Key == PlainText ? MostTextChars : MostContentChars)))
        {
            return data;
        }

        // Half of an HTML element would break the page: the plain text stands in for it.
        var kept = data.Where(content => content.Key != PlainText && content.Value.Length <= MostContentChars).ToDictionary();
        var plain = data.GetValueOrDefault(PlainText) ?? "";
        var lost = data.Where(content => content.Key != PlainText && content.Value.Length > MostContentChars)
            .Select(content => Invariant($"{content.Key} of {content.Value.Length:N0} characters")).ToList();
        kept[PlainText] = (plain.Length <= MostTextChars
            ? plain : plain[..MostTextChars] + Note(MostTextChars, Invariant($"the value has {plain.Length:N0}; show a part of it")))
            + (lost.Count > 0 ? $"\n… left out: {string.Join(", ", lost)}, more than {MostContentChars >> 20} million\n" : "");
        return kept;
    }

    private static string Note(int characters, string what) => Invariant($"\n… cut after {characters:N0} characters: {what}. Write long listings to a file.\n");
}
