using System.Net;

namespace NotebookRunner.Pages;

/// <summary>What all pages of the runner share.</summary>
internal static class PageFrame
{
    // The browser itself holds the page to its promise: whatever an output asks for, nothing is loaded from anywhere.
    private const string ContentPolicy =
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data:; base-uri 'none'; form-action 'none'";

    /// <summary>The button that switches between light and dark.</summary>
    public const string ThemeButton = "<button type=\"button\" id=\"toggle-theme\" aria-label=\"Switch between light and dark\">Dark</button>";

    /// <summary>Everything up to the body.</summary>
    /// <param name="title">The page's title, not escaped yet.</param>
    /// <param name="scripts">Further script elements.</param>
    public static string Head(string title, string scripts) => $"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="{ContentPolicy}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{WebUtility.HtmlEncode(title)}</title>
        <style>
        {PageAssets.Style}</style>
        <script>
        {PageAssets.EarlyScript}</script>
        {scripts}
        </head>

        """;
}
