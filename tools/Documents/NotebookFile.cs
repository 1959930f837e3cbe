using System.Text;

namespace NotebookRunner.Documents;

/// <summary>Reads a notebook from disk by its extension, bounded and strict about the encoding.</summary>
internal static class NotebookFile
{
    private const long LargestBytes = 64L << 20;

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

    private static string Neighbours(FileInfo file)
    {
        var names = file.Directory is { Exists: true } folder ? folder.EnumerateFiles("*.dib").Select(f => f.Name).Order().Take(10).ToList() : [];
        return names.Count == 0 ? "" : $"; {file.DirectoryName} has {string.Join(", ", names)}";
    }
}
