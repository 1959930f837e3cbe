using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.DotNet.Interactive.Documents;
using NotebookLib.Platform;
using NotebookRunner.Kernel;

namespace NotebookRunner.Documents;

/// <summary>Reads a notebook from disk by its extension, bounded and strict about the encoding.</summary>
internal static class NotebookFile
{
    private const long LargestBytes = 64L << 20;
    private const int MostNames = 10;
    private const int MostCells = 10_000;

    // The compiler takes minutes for thousands of them, or all of its stack.
    private const int MostLevels = 200;
    private const string HeaderSelector = "#!meta";

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Reads a .dib or .ipynb file.</summary>
    /// <exception cref="NotebookFormatException">Missing, too large, not UTF-8, of another kind, or damaged.</exception>
    public static Notebook Read(string path)
    {
        var text = ReadText(path);
        return Path.GetExtension(path) is ".dib" or ".ipynb"
            ? Parse(text, Path.GetFileName(path))
            : throw new NotebookFormatException($"{path}: a notebook's name ends in .dib or .ipynb, this one in '{Path.GetExtension(path)}'.");
    }

    /// <summary>Reads the text of a notebook.</summary>
    /// <param name="text">The file's text; <c>\r\n</c> counts as <c>\n</c>.</param>
    /// <param name="name">The file's name for messages; one that ends in <c>.ipynb</c> is Jupyter's JSON.</param>
    /// <exception cref="NotebookFormatException">A damaged header or JSON, not nbformat 4, or too many cells.</exception>
    public static Notebook Parse(string text, string name)
    {
        text = text.Replace("\r\n", "\n", StringComparison.Ordinal);
        var isJupyter = name.EndsWith(".ipynb", StringComparison.Ordinal);
        try
        {
            var document = isJupyter ? ParseJupyter(text, name) : CodeSubmission.Parse(text, KernelNames.InFiles());
            var cells = document.Elements.Select(CellOf).Where(cell => !string.IsNullOrWhiteSpace(cell.Source)).ToList();
            if (cells.Count > MostCells)
            {
                throw new NotebookFormatException($"{name}: {cells.Count} cells are more than {MostCells}; is this a notebook?");
            }

            for (var i = 0; i < cells.Count; i++)
            {
                if (!cells[i].IsMarkdown && NestingOf(cells[i].Source) is var levels and > MostLevels)
                {
                    throw new NotebookFormatException(
                        Invariant($"{name}, cell {i + 1}: brackets nested {levels} deep; expected at most {MostLevels}. Is it code?"));
                }
            }

            return new(document.Metadata, isJupyter ? cells : Located(cells, text.Split('\n')));
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or NullReferenceException or ArgumentException or FormatException
            or KeyNotFoundException)
        {
            // The parsers throw what they meet: an unfinished JSON, a name that is no text, an alias that two kernels have.
            var line = error is JsonException { LineNumber: { } at } && !isJupyter ? $", line {HeaderLine(text) + at}" : "";
            throw new NotebookFormatException(text.Trim().Length == 0 ? $"{name} is empty; is it the file that you mean, and was it saved whole?" : isJupyter
                ? $"{name}: not a Jupyter notebook: {error.Message}"
                : $"{name}{line}: the JSON after {HeaderSelector} is damaged: {error.Message} Expected {{\"kernelInfo\": {{\"defaultKernelName\": \"csharp\", "
                    + $"\"items\": [{{\"name\": …, \"aliases\": […]}}]}}}}.", error);
        }
    }

    private static InteractiveDocument ParseJupyter(string text, string name)
    {
        var root = StrictJson.ParseNode(text) as JsonObject ?? throw new JsonException("the JSON is no object.");
        if (root["nbformat"] is not JsonValue format || !format.TryGetValue(out int version) || version != 4)
        {
            throw new NotebookFormatException($"{name}: expected nbformat 4, found {root["nbformat"]?.ToJsonString() ?? "none"}; "
                + "save it again with a current Jupyter.");
        }

        if (root["cells"] is not JsonArray cells)
        {
            throw new JsonException("it has no list of cells.");
        }

        for (var i = 0; i < cells.Count; i++)
        {
            var (kind, source) = cells[i] is JsonObject cell ? (cell["cell_type"], cell["source"]) : throw new JsonException($"cell {i + 1} is no object.");
            if (kind is not JsonValue type || !type.TryGetValue(out string? said) || said is not ("code" or "markdown" or "raw"))
            {
                throw new JsonException($"cell {i + 1}: expected a cell_type code, markdown or raw, found {Shown(kind)}.");
            }

            if (!IsText(source) && !(source is JsonArray lines && lines.All(IsText)))
            {
                throw new JsonException($"cell {i + 1}: expected a source that is a text or a list of texts, found {Shown(source)}.");
            }
        }

        return Microsoft.DotNet.Interactive.Documents.Jupyter.Notebook.Parse(text, KernelNames.InFiles());
    }

    /// <summary>How deep brackets are nested, those in texts and comments included.</summary>
    private static int NestingOf(string code)
    {
        var (depth, deepest) = (0, 0);
        foreach (var character in code)
        {
            depth = character is '(' or '[' or '{' ? depth + 1 : character is ')' or ']' or '}' ? Math.Max(0, depth - 1) : depth;
            deepest = Math.Max(deepest, depth);
        }

        return deepest;
    }

    private static bool IsText(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out _);

    private static string Shown(JsonNode? node) => node?.ToJsonString() is { } json ? json.Length > 40 ? json[..40] + "…" : json : "none";

    private static NotebookCell CellOf(InteractiveDocumentElement element)
    {
        var source = element.Contents.Replace("\r\n", "\n", StringComparison.Ordinal).Trim('\n');
        var kernel = element.KernelName ?? KernelNames.CSharp;
        // A Jupyter cell may select its kernel by its first line; Markdown is no code, so that line would show.
        var selector = source.Split('\n')[0];
        var hasSelector = kernel == KernelNames.Markdown && selector is "#!markdown" or "#!md";
        return new(kernel, hasSelector ? source[selector.Length..].Trim('\n') : source, 0);
    }

    /// <summary>Finds the lines on which cells begin: between two cells stand only selectors and empty lines, so the first match is the place.</summary>
    private static List<NotebookCell> Located(List<NotebookCell> cells, string[] lines)
    {
        var at = lines.Length > 0 && HeaderLine(string.Join('\n', lines)) is var header and > 0
            ? Math.Max(header, Array.FindIndex(lines, header, line => line.StartsWith("#!", StringComparison.Ordinal)))
            : 0;
        var located = new List<NotebookCell>();
        foreach (var cell in cells)
        {
            var content = cell.Source.Split('\n');
            var found = Enumerable.Range(at, Math.Max(0, lines.Length - content.Length - at + 1))
                .FirstOrDefault(i => lines.AsSpan(i, content.Length).SequenceEqual(content), -1);
            located.Add(cell with { Line = found + 1 });
            at = found < 0 ? at : found + content.Length;
        }

        return located;
    }

    /// <summary>The line (from 1) of the header's selector; 0 when there is none.</summary>
    private static int HeaderLine(string text) => 1 + Array.FindIndex(text.Split('\n'), line => line.StartsWith(HeaderSelector, StringComparison.Ordinal));

    private static string ReadText(string path)
    {
        var file = new FileInfo(path);
        if (Directory.Exists(path))
        {
            throw new NotebookFormatException($"{path} is a folder, not a "
                + $"notebook{(Notebooks(path) is { Length: > 0 } names ? $"; it has {names}" : ", and has none in it")}.");
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
            throw new NotebookFormatException($"{path}: cannot be read as UTF-8 text: "
                + $"{error.Message.TrimEnd('.')}.{(error is DecoderFallbackException ? " Save it as UTF-8." : "")}", error);
        }
    }

    private static string Neighbours(FileInfo file) =>
        file.Directory is { Exists: true } folder && Notebooks(folder.FullName) is { Length: > 0 } names ? $"; {folder.FullName} has {names}" : "";

    /// <summary>The names of the first notebooks in a folder; empty when it has none.</summary>
    private static string Notebooks(string folder)
    {
        try
        {
            var names = new[] { "*.dib", "*.ipynb" }.SelectMany(pattern => Directory.EnumerateFiles(folder, pattern)).Select(Path.GetFileName)
                .Order(StringComparer.Ordinal).ToList();
            return string.Join(", ", names.Take(MostNames)) + (names.Count > MostNames ? $" and {names.Count - MostNames} more" : "");
        }
        catch (UnauthorizedAccessException)
        {
            return "";
        }
    }
}
