namespace NotebookRunner.Pages;

/// <summary>The page's own style and scripts, embedded in the program.</summary>
internal static class PageAssets
{
    /// <summary>The style sheet.</summary>
    public static string Style { get; } = Read("page.css");

    /// <summary>Runs before anything is drawn: the theme that the reader chose last.</summary>
    public static string EarlyScript { get; } = Read("theme.js");

    /// <summary>Runs at the end: buttons, and the place in the table of contents.</summary>
    public static string Script { get; } = Read("page.js");

    /// <summary>An embedded file.</summary>
    public static string Read(string name)
    {
        using var reader = new StreamReader(typeof(PageAssets).Assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
