namespace NotebookLib.Html;

/// <summary>What a page of ours may load: nothing. The browser itself holds it to that, whatever an output or a cell's text asks for.</summary>
internal static class PagePolicy
{
    /// <summary>
    /// Content of the meta element <c>Content-Security-Policy</c>: scripts, styles, pictures and fonts only where they stand in the page itself.
    /// </summary>
    public const string Content = "script-src 'unsafe-inline'; " + WithoutScripts;

    /// <summary>The same for a page that has no script of its own.</summary>
    public const string WithoutScripts =
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data:; base-uri 'none'; form-action 'none'";
}
