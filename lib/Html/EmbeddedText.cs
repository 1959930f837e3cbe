namespace NotebookLib.Html;

/// <summary>Reads the style sheets, scripts and tables that are compiled into the library.</summary>
internal static class EmbeddedText
{
    /// <summary>The text of an embedded file.</summary>
    /// <param name="name">Its path below <c>lib/</c>, for instance <c>Html/views.css</c>.</param>
    /// <exception cref="InvalidOperationException">The build did not embed it.</exception>
    public static string Read(string name)
    {
        using var stream = typeof(EmbeddedText).Assembly.GetManifestResourceStream(name)
            ?? throw new InvalidOperationException($"{name} is not embedded in NotebookLib.dll; expected it under lib/ with an EmbeddedResource item in "
                + "NotebookLib.csproj.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
