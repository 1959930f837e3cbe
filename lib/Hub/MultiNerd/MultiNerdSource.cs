namespace NotebookLib.Hub;

/// <summary>Finds the English files of the data set among all that its tree lists: by what their names say, not by a guess at the names.</summary>
internal static class MultiNerdSource
{
    private static readonly string[] Extensions = [".jsonl", ".json", ".jsonl.gz", ".json.gz"];

    private static readonly Dictionary<string, string[]> Words = new(StringComparer.Ordinal)
    {
        ["train"] = ["train", "training"],
        ["validation"] = ["val", "valid", "validation", "dev"],
        ["test"] = ["test"],
    };

    /// <summary>The splits, in the order of use.</summary>
    public static IReadOnlyList<string> Splits { get; } = ["train", "validation", "test"];

    /// <summary>The one file of a split.</summary>
    /// <exception cref="HubException">None or several fit; the message lists what is there.</exception>
    public static string Choose(IReadOnlyList<HubEntry> tree, string split, HubRepo repo)
    {
        var candidates = tree.Select(entry => entry.Path).Where(path => IsEnglish(path) && SplitsOf(path) is [var only] && only == split).ToList();
        if (candidates is [var file])
        {
            return file;
        }

        var lines = tree.Select(entry => entry.Path).Where(HasLines).Take(12).ToList();
        throw new HubException(HubFault.EntryNotFound, candidates.Count == 0
            ? $"{repo}: none of its {tree.Count} files looks like the English {split} split (expected a name such as train/train_en.jsonl); JSON lines there: "
                + $"{(lines.Count == 0 ? "none" : string.Join(", ", lines))}"
            : $"{repo}: {candidates.Count} files look like the English {split} split: {string.Join(", ", candidates.Take(12))}; expected one");
    }

    private static bool HasLines(string path) => Extensions.Any(extension => path.EndsWith(extension, StringComparison.OrdinalIgnoreCase));

    private static bool IsEnglish(string path) => HasLines(path) && WordsOf(path).Any(word => word is "en" or "english");

    private static List<string> SplitsOf(string path) => [.. Splits.Where(split => WordsOf(path).Any(Words[split].Contains))];

    private static IEnumerable<string> WordsOf(string path) => path.ToLowerInvariant().Split(['/', '_', '-', '.', ' '], StringSplitOptions.RemoveEmptyEntries);
}
