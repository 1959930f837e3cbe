using System.Net;
using NotebookRunner.Kernel;

namespace NotebookRunner.Running;

/// <summary>Takes passwords that cells asked for out of what they show: nobody who reads the page was asked.</summary>
internal static class PasswordMask
{
    private const string Mask = "<password>";

    // What is shorter stands in any text.
    private const int Shortest = 4;

    /// <summary>The event without passwords.</summary>
    /// <param name="happened">What a cell showed, or how it failed.</param>
    /// <param name="passwords">The answers to its questions for passwords.</param>
    public static KernelEvent Apply(KernelEvent happened, IReadOnlyList<string> passwords) => passwords.Count == 0 ? happened : happened switch
    {
        KernelEvent.StreamText text => text with { Text = Without(text.Text, passwords) },
        KernelEvent.Displayed shown => shown with { Data = Without(shown.Data, passwords) },
        KernelEvent.Updated shown => shown with { Data = Without(shown.Data, passwords) },
        KernelEvent.Raised { Error: var error } raised =>
            raised with { Error = error with { Message = Without(error.Message, passwords), Details = Without(error.Details, passwords) } },
        _ => happened,
    };

    private static Dictionary<string, string> Without(Dictionary<string, string> data, IReadOnlyList<string> passwords) => data.ToDictionary(
        form => form.Key,
        form => form.Key is "text/html" or "image/svg+xml"
            ? Without(Without(form.Value, passwords, WebUtility.HtmlEncode), passwords, mask: WebUtility.HtmlEncode(Mask)) : Without(form.Value, passwords));

    private static string Without(string text, IReadOnlyList<string> passwords, Func<string, string>? written = null, string? mask = null)
    {
        foreach (var password in passwords.Where(password => password.Length >= Shortest))
        {
            text = text.Replace(written?.Invoke(password) ?? password, mask ?? written?.Invoke(Mask) ?? Mask, StringComparison.Ordinal);
        }

        return text;
    }
}
