using System.Text;

namespace NotebookRunner.Documents;

/// <summary>Reads a notebook from disk by its extension, bounded and strict about the encoding.</summary>
internal static class NotebookFile
{
    private const long LargestBytes = 64L << 20;
    private const int MostNames = 10;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a .dib or .ipynb file.</summary>
    /// <exception cref="NotebookFormatException">Missing, too large, not UTF-8, of another kind, or damaged.</exception>
    public static Notebook Read(string path)
    {
        var name = Path.GetFileName(path);
        var text = ReadText(path);
        return Path.GetExtension(path) switch
        {
            ".dib" => DibDocument.Parse(text, name),
            ".ipynb" => JupyterDocument.Parse(text, name),
            var other => throw new NotebookFormatException($"{path}: a notebook's name ends in .dib or .ipynb, this one in '{other}'."),
        };
    }

    private static string ReadText(string path)
    {
        var file = new FileInfo(path);
        if (Directory.Exists(path))
        {
            throw new NotebookFormatException($"{path} is a folder, not a notebook{(Notebooks(path) is { Length: > 0 } names ? $"; it has {names}" : ", and has none in it")}.");
        }

        if (!file.Exists)
        {
            throw new NotebookFormatException($"{path}: no such notebook{Neighbours(file)}.");
        }

        if (file.Length > LargestBytes)
        {
            throw new NotebookFormatException($"{path}: {file.Length >> 20} MiB is more than a notebook may have ({LargestBytes >> 20} MiB).");
        }

        try
        {
            return StrictUtf8.GetString(File.ReadAllBytes(path)).TrimStart('\uFEFF');
        }
        catch (Exception error) when (error is DecoderFallbackException or UnauthorizedAccessException or IOException)
        {
            throw new NotebookFormatException($"{path}: cannot be read as UTF-8 text: {error.Message}", error);
        }
    }

    private static string Neighbours(FileInfo file) =>
        file.Directory is { Exists: true } folder && Notebooks(folder.FullName) is { Length: > 0 } names ? $"; {folder.FullName} has {names}" : "";

    /// <summary>The names of the first notebooks in a folder; empty when it has none.</summary>
    private static string Notebooks(string folder)
    {
        try
        {
            var names = new[] { "*.dib", "*.ipynb" }.SelectMany(pattern => Directory.EnumerateFiles(folder, pattern)).Select(Path.GetFileName).Order(StringComparer.Ordinal).ToList();
            return string.Join(", ", names.Take(MostNames)) + (names.Count > MostNames ? $" and {names.Count - MostNames} more" : "");
        }
        catch (UnauthorizedAccessException)
        {
            return "";
        }
    }
}
