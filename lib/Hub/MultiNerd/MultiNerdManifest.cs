using System.Text.Encodings.Web;
using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>One split as it was made.</summary>
/// <param name="File">The Parquet file beside the manifest.</param>
/// <param name="Sha256">Its hash.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="SourceFile">The file of the Hub that it was made from.</param>
/// <param name="SourceSha256">That file's hash.</param>
/// <param name="SourceRows">Rows of all languages in it.</param>
/// <param name="EnglishRows">English rows in it.</param>
/// <param name="Sentences">Rows kept: the distinct listing.</param>
/// <param name="PublishedRows">Rows of the published listing, each of them twice.</param>
/// <param name="KnownSentences">What the source had when the original notebooks ran.</param>
/// <param name="Words">Words in the kept rows.</param>
/// <param name="Entities">Entities in the kept rows: tags that begin one.</param>
/// <param name="Choice">Which rows were kept and why.</param>
internal sealed record MultiNerdSplit(
    string File, string Sha256, long Bytes, string SourceFile, string SourceSha256, long SourceRows, long EnglishRows, long Sentences, long PublishedRows,
    int? KnownSentences, long Words, long Entities, string Choice)
{
    /// <summary>Whether the source still has what it had.</summary>
    public bool IsKnown => KnownSentences == Sentences;
}

/// <summary>What the Parquet files of one source revision are and where they come from; <c>manifest.json</c> beside them.</summary>
internal sealed record MultiNerdManifest
{
    /// <summary>The manifest's file name.</summary>
    public const string FileName = "manifest.json";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        // The content is data, not HTML.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The data set.</summary>
    public string Repository { get; init; } = "";

    /// <summary>The commit.</summary>
    public string Revision { get; init; } = "";

    /// <summary>Its licence, which binds whoever uses the files: attribution, no commerce, share alike.</summary>
    public string Licence { get; init; } = "CC BY-NC-SA 4.0";

    /// <summary>Whom to cite.</summary>
    public string Citation { get; init; } =
        "Tedeschi and Navigli, MultiNERD: A Multilingual, Multi-Genre and Fine-Grained Dataset for Named Entity Recognition (and Disambiguation), "
        + "Findings of NAACL 2022";

    /// <summary>The rows' language.</summary>
    public string Language { get; init; } = "en";

    /// <summary>Label names by id.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary>The splits, by name.</summary>
    public IReadOnlyDictionary<string, MultiNerdSplit> Splits { get; init; } = new SortedDictionary<string, MultiNerdSplit>(StringComparer.Ordinal);

    /// <summary>Reads a folder's manifest.</summary>
    /// <returns>Null when there is none, or one that this version does not understand: the files are then made again.</returns>
    internal static MultiNerdManifest? Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        try
        {
            return File.Exists(path) && new FileInfo(path).Length < 1 << 20
                ? StrictJson.Deserialize<MultiNerdManifest>(File.ReadAllBytes(path), Json) : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    internal void Write(string folder) => AtomicFile.WriteText(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, Json) + "\n");
}
