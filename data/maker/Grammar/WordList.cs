namespace NotebookLib.SampleMaker.Grammar;

/// <summary>An entry of a word list: words separated by blanks, and its plural.</summary>
/// <param name="Text">Singular, or the only form.</param>
/// <param name="Plural">Plural, as the file gives it behind a slash or by rule.</param>
public sealed record Entry(string Text, string Plural);

/// <summary>
/// A word list, from <c>lists/NAME.txt</c>: entries separated by commas or lines, <c>#</c> begins a comment line, <c>wolf / wolves</c> gives a plural
/// that no rule makes. A name such as <c>LOC.river</c> makes every entry an entity of type LOC; a name without a capital prefix is plain words.
/// </summary>
public sealed class WordList
{
    private readonly Dictionary<Share, Entry[]> _byShare = [];
    private readonly Entry[] _mentioned;

    private WordList(string name, IReadOnlyList<Entry> entries)
    {
        Name = name;
        Entries = entries;
        var isDivided = entries.Count >= Holdout.SmallestDividedList;
        foreach (var share in Enum.GetValues<Share>())
        {
            _byShare[share] = [.. entries.Where(entry => (isDivided ? Holdout.ShareOf(name, entry.Text) : Share.Train) == share)];
        }

        _mentioned = [.. entries.Where(entry => !isDivided || Holdout.IsMentioned(name, entry.Text))];
        Type = name.Split('.')[0] is var prefix && prefix.All(char.IsAsciiLetterUpper) ? prefix : null;
    }

    /// <summary>The file's name without its ending.</summary>
    public string Name { get; }

    /// <summary>The entity type of every entry, or null for plain words.</summary>
    public string? Type { get; }

    /// <summary>All entries, in the file's order.</summary>
    public IReadOnlyList<Entry> Entries { get; }

    /// <summary>The entries that only training may use, or that only one of the others may; empty when the list is too short to be divided.</summary>
    public IReadOnlyList<Entry> Of(Share share) => _byShare[share];

    /// <summary>The entries that unlabelled text may mention.</summary>
    public IReadOnlyList<Entry> Mentioned => _mentioned;

    /// <summary>Reads a list.</summary>
    /// <exception cref="InvalidDataException">An entry stands twice in the list, or the list is empty.</exception>
    public static WordList Read(string path)
    {
        var entries = File.ReadLines(path)
            .Where(line => !line.StartsWith('#'))
            .SelectMany(line => line.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            .Select(ParseEntry)
            .ToList();
        if (entries.GroupBy(entry => entry.Text, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new InvalidDataException($"{path}: \"{twice.Key}\" stands {twice.Count()} times in the list; expected each entry once.");
        }

        return entries.Count > 0
            ? new(Path.GetFileNameWithoutExtension(path), entries)
            : throw new InvalidDataException($"{path}: no entries; expected words separated by commas or lines.");
    }

    private static Entry ParseEntry(string text)
    {
        var slash = text.IndexOf(" / ", StringComparison.Ordinal);
        return slash < 0 ? new(text, English.Plural(text)) : new(text[..slash], text[(slash + 3)..]);
    }
}
