namespace NotebookRunner.Pages;

/// <summary>Styles and scripts of pages, embedded in the program.</summary>
internal static class PageAssets
{
    /// <summary>The style sheet.</summary>
    public static string Style { get; } = StyleOf("page.css");

    /// <summary>Runs before anything is drawn: the theme that the reader chose last.</summary>
    public static string EarlyScript { get; } = Read("theme.js");

    /// <summary>Runs at the end: buttons, and the place in the table of contents.</summary>
    public static string Script { get; } = Read("page.js");

    /// <summary>A page's style sheet behind what all pages share: colours by theme, and fonts.</summary>
    public static string StyleOf(string name) => Read("theme.css") + Read(name);

    /// <summary>An embedded file.</summary>
    public static string Read(string name)
    {
        using var reader = new StreamReader(typeof(PageAssets).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
