using Microsoft.DotNet.Interactive.Formatting;

namespace NotebookRunner.Kernel;

/// <summary>Turns values into mime types with the genuine formatters of .NET Interactive, so a value looks here as it does in Polyglot.</summary>
internal static class ValueFormatting
{
    private const int MostChars = 32 << 20;
    private const string PlainText = "text/plain";

    /// <summary>The preferred mime types of a value (<c>text/html</c> for most, <c>text/plain</c> for strings), and plain text beside them for readers without HTML.</summary>
    /// <param name="value">Any value, null included.</param>
    /// <param name="mimeTypes">What the caller asked for; empty to take what the value prefers.</param>
    /// <exception cref="InvalidOperationException">A content is larger than a page can bear.</exception>
    public static Dictionary<string, string> Format(object? value, params string[] mimeTypes)
    {
        var wanted = mimeTypes.Length > 0 ? mimeTypes : Preferred(value);
        var data = wanted.ToDictionary(mimeType => mimeType, mimeType => Bounded(Formatter.ToDisplayString(value, mimeType), value));
        if (mimeTypes.Length == 0)
        {
            data.TryAdd(PlainText, Bounded(Formatter.ToDisplayString(value, PlainText), value));
        }

        return data;
    }

    /// <summary>The mime types that a page shows best first.</summary>
    private static string[] Preferred(object? value) =>
        value is null ? [PlainText] : [.. Formatter.GetPreferredMimeTypesFor(value.GetType())];

    private static string Bounded(string content, object? value) => content.Length <= MostChars
        ? content
        : throw new InvalidOperationException(
            $"A value of type {value?.GetType()} renders to {content.Length >> 20} million characters; a page takes at most {MostChars >> 20}. Show a part of it.");
}
