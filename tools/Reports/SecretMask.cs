extern alias lib;

using System.Runtime.CompilerServices;
using lib::NotebookLib.Tracking;

namespace NotebookRunner.Reports;

/// <summary>Takes keys and tokens of this environment out of what a run leaves: its files, and what it prints.</summary>
internal static class SecretMask
{
    // On first use: the library is found in bin/lib only when somebody says so.
    private static readonly Lazy<(Func<string, string> Text, Func<string, string> Html)> Mask = new(() =>
    {
        LibraryFolder.MakeLoadable();
        return Masking();
    });

    /// <summary>A text without them.</summary>
    public static string Text(string text) => Mask.Value.Text(text);

    /// <summary>A page without them.</summary>
    public static string Html(string html) => Mask.Value.Html(html);

    // A method of its own: the library's type is looked for when it is compiled.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static (Func<string, string> Text, Func<string, string> Html) Masking()
    {
        var secrets = TrackingEnvironment.Secrets();
        return (secrets.Scrub, secrets.ScrubHtml);
    }
}
