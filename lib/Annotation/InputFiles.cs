using System.IO.Enumeration;
using NotebookLib.Data;

namespace NotebookLib.Annotation;

/// <summary>A file of texts.</summary>
/// <param name="Path">Where it is.</param>
/// <param name="Name">What it is called in results and messages: as it was named.</param>
/// <param name="Format">How texts stand in it.</param>
internal sealed record InputFile(string Path, string Name, TextFormat Format);

/// <summary>Files, folders and patterns (<c>*</c>, <c>?</c>, <c>**</c>) → files, each once, in the order named, those of a folder or pattern by name.</summary>
internal static class InputFiles
{
    private static readonly Dictionary<string, TextFormat> Formats = new(StringComparer.OrdinalIgnoreCase)
    {
        [".txt"] = TextFormat.Text,
        [".text"] = TextFormat.Text,
        [".md"] = TextFormat.Text,
        [".jsonl"] = TextFormat.Json,
        [".ndjson"] = TextFormat.Json,
        [".json"] = TextFormat.Json,
        [".csv"] = TextFormat.Csv,
        [".parquet"] = TextFormat.Parquet,
        [".conll"] = TextFormat.Conll,
        [".conllu"] = TextFormat.Conll,
        [".tsv"] = TextFormat.Conll,
        [".bio"] = TextFormat.Conll,
        [".iob"] = TextFormat.Conll,
        [".iob2"] = TextFormat.Conll,
        [".bioes"] = TextFormat.Conll,
    };

    /// <summary>Finds the files.</summary>
    /// <param name="inputs">As they were named.</param>
    /// <param name="format">How all of them are read; null goes by their endings, text where one says nothing.</param>
    /// <param name="leftOut">A file that is no input, however it is named: the output.</param>
    /// <exception cref="FileNotFoundException">An input names nothing.</exception>
    public static List<InputFile> Find(IEnumerable<string> inputs, TextFormat? format, Func<string, bool> leftOut)
    {
        var (files, seen) = (new List<InputFile>(), new HashSet<string>(StringComparer.Ordinal));
        foreach (var input in inputs)
        {
            var found = File.Exists(input) ? [input] : Directory.Exists(input) ? InFolder(input, format) : Matching(input);
            if (found.Count == 0)
            {
                throw new FileNotFoundException(Directory.Exists(input)
                    ? $"{input}: no file in this folder ends as texts do ({string.Join(' ', Formats.Keys)}, packed or not); name the file, "
                    + "and how to read it." :
                    IsPattern(input) ? $"{input}: no file matches." : $"{input}: no such file or folder.", input);
            }

            files.AddRange(found.Where(path => !leftOut(Path.GetFullPath(path)) && seen.Add(Path.GetFullPath(path)))
                .Select(path => new InputFile(path, path, format ?? FormatOf(path) ?? TextFormat.Text)));
        }

        return files.Count > 0 ? files : throw new FileNotFoundException("There is no input but the output itself.");
    }

    /// <summary>The format that a name's ending says, packed or not; null when it says none.</summary>
    public static TextFormat? FormatOf(string path) =>
        Formats.TryGetValue(Path.GetExtension(TextFile.NameWithin(path)), out var format) ? format : null;

    private static bool IsPattern(string input) => input.AsSpan().ContainsAny('*', '?');

    private static List<string> InFolder(string folder, TextFormat? format) =>
        [.. Visible(folder, recurses: true).Where(path => format is not null || FormatOf(path) is not null).Order(StringComparer.Ordinal)];

    private static IEnumerable<string> Visible(string folder, bool recurses) =>
        Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = recurses, IgnoreInaccessible = true })
        .Where(path => !Path.GetRelativePath(folder, path).Split(Path.DirectorySeparatorChar).Any(part => part.StartsWith('.')));

    private static List<string> Matching(string pattern)
    {
        var parts = pattern.Split('/');
        var first = Array.FindIndex(parts, IsPattern);
        if (first < 0)
        {
            return [];
        }

        var folder = first == 0 ? "." : first == 1 && parts[0].Length == 0 ? "/" : string.Join('/', parts[..first]);
        return !Directory.Exists(folder) ? [] : [.. Visible(folder, parts.Length > first + 1)
            .Where(path => Matches(Path.GetRelativePath(folder, path).Split(Path.DirectorySeparatorChar), parts.AsSpan(first)))
            .Select(path => first == 0 ? Path.GetRelativePath(folder, path) : path).Order(StringComparer.Ordinal)];
    }

    private static bool Matches(ReadOnlySpan<string> path, ReadOnlySpan<string> pattern)
    {
        if (pattern.IsEmpty)
        {
            return path.IsEmpty;
        }

        return pattern[0] == "**" ? Matches(path, pattern[1..]) || (!path.IsEmpty && Matches(path[1..], pattern))
            : !path.IsEmpty && FileSystemName.MatchesSimpleExpression(pattern[0], path[0], ignoreCase: false) && Matches(path[1..], pattern[1..]);
    }
}
