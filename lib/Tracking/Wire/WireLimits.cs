using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace NotebookLib.Tracking;

/// <summary>How much fits on the wire.</summary>
internal static class WireLimits
{
    /// <summary>The largest body of a file_stream request: 10 MiB, W&amp;B's bound.</summary>
    public const int LargestRequestBytes = 10 << 20;

    /// <summary>Where a request stops to take more lines: enough to hide the way there and back, and little to hold in memory when much waits.</summary>
    public const int UsualRequestBytes = 2 << 20;

    /// <summary>The largest line, in its escaped form: what a request holds beside the summary and the envelope.</summary>
    public const int LargestLineBytes = LargestRequestBytes - (1 << 16);

    /// <summary>The longest console line; longer ones are cut into several.</summary>
    public const int LongestOutputCharacters = 1 << 16;

    /// <summary>How lines are escaped inside the request's JSON.</summary>
    public static readonly JavaScriptEncoder Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

    /// <summary>Whether a row's line fits.</summary>
    public static bool Fits(ReadOnlySpan<byte> json)
        // Escaping doubles quotation marks and backslashes and lengthens a character outside the basic plane from 4 to 12 bytes: never more than threefold.
        => json.Length <= LargestLineBytes / 3
            || (json.Length <= LargestLineBytes && JsonEncodedText.Encode(json, Encoder).EncodedUtf8Bytes.Length <= LargestLineBytes);

    /// <inheritdoc cref="Fits(ReadOnlySpan{byte})"/>
    public static bool Fits(string json) => json.Length <= LargestLineBytes / 6 || Fits(Encoding.UTF8.GetBytes(json));
}
