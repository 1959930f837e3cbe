using Microsoft.DotNet.Interactive.Documents;

namespace NotebookRunner.Kernel;

/// <summary>The kernels that a notebook may name: those that run here, and those of the editor that do not.</summary>
internal static class KernelNames
{
    public const string CSharp = "csharp";
    public const string Markdown = "markdown";
    public const string Html = "html";
    public const string JavaScript = "javascript";
    public const string Value = "value";

    private static readonly Dictionary<string, string> Foreign = new(StringComparer.Ordinal)
    {
        ["fsharp"] = "F# cells need Microsoft.DotNet.Interactive.FSharp, which no package source serves; write the cell in C#",
        ["pwsh"] = "PowerShell cells need Microsoft.DotNet.Interactive.PowerShell, which no package source serves; "
            + "start programs by System.Diagnostics.Process in a C# cell",
        ["mermaid"] = "mermaid diagrams are drawn by a script from the network, and the page loads nothing; put a picture into a Markdown cell",
        ["http"] = "HTTP cells need Microsoft.DotNet.Interactive.Http, which no package source serves; use HttpClient in a C# cell",
    };

    /// <summary>
    /// What splits a .dib into cells, as in the editor's own parser (dotnet/interactive 098a01b, NotebookParserServer). Made anew, since parsing adds to it.
    /// </summary>
    public static KernelInfoCollection InFiles() =>
    [
        new(CSharp, "C#", ["c#", "cs", "C#"]), new("fsharp", "F#", ["f#", "fs", "F#"]), new(Html, "HTML"), new("http", "HTTP"),
        new(JavaScript, "JavaScript", ["js"]), new("mermaid", "Mermaid"), new("pwsh", "PowerShell", ["powershell"]), new(Value),
        new(Markdown, "Markdown", ["md"]),
    ];

    /// <summary>The header of a new notebook: C# and Markdown, and the other kernels that its cells name.</summary>
    public static KernelInfoCollection InHeader(IEnumerable<string> kernels)
    {
        var used = kernels.Append(CSharp).Append(Markdown).ToHashSet(StringComparer.Ordinal);
        var header = new KernelInfoCollection { DefaultKernelName = CSharp };
        header.AddRange(InFiles().Where(info => used.Contains(info.Name)));
        return header;
    }

    /// <summary>Whether a word behind <c>#!</c> names a kernel, here or in the editor.</summary>
    public static bool IsKernel(string name) => InFiles().Any(info => info.Name == name || info.Aliases.Contains(name));

    /// <summary>Why cells of a kernel do not run here, and what to do instead; null when they do, or are no code.</summary>
    /// <param name="name">A name or an alias, as behind <c>#!</c>.</param>
    public static string? Refusal(string name)
    {
        var info = InFiles().FirstOrDefault(info => info.Name == name || info.Aliases.Contains(name));
        return info is null
            ? $"there is no kernel '{name}' here; cells may be C#, HTML, JavaScript, values (#!value) and Markdown" : Foreign.GetValueOrDefault(info.Name);
    }
}
