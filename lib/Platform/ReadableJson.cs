using System.Text.Encodings.Web;
using System.Text.Json;

namespace NotebookLib.Platform;

/// <summary>How JSON files that other libraries and people read are written: indented by two, lines as on Unix, letters as they are.</summary>
internal static class ReadableJson
{
    /// <summary>The content is data, not HTML.</summary>
    public static readonly JsonSerializerOptions Options =
        new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
