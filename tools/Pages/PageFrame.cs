using System.Net;
using NotebookLib.Html;

namespace NotebookRunner.Pages;

/// <summary>What all pages of the runner share.</summary>
internal static class PageFrame
{
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
        <meta http-equiv="Content-Security-Policy" content="{PagePolicy.Content}">
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
