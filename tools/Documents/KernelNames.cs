using System.Text.Json.Nodes;

namespace NotebookRunner.Documents;

/// <summary>Which <c>#!word</c> lines start a cell: the kernels named in the header plus those that every host brings.</summary>
internal sealed class KernelNames
{
    public const string CSharp = "csharp";
    public const string Markdown = "markdown";
    private const int MostKernels = 100;

    private readonly Dictionary<string, string> _nameByAlias = new(StringComparer.Ordinal)
    {
        [CSharp] = CSharp,
        ["C#"] = CSharp,
        ["c#"] = CSharp,
        [Markdown] = Markdown,
        ["md"] = Markdown,
    };

    /// <summary>The kernel of text before the first selector.</summary>
    public string DefaultName { get; private init; } = CSharp;

    /// <summary>Reads <c>kernelInfo</c>.</summary>
    /// <param name="header">The header's JSON.</param>
    /// <param name="problemAt">Prefix of error messages: file and line.</param>
    /// <exception cref="NotebookFormatException">An entry has another shape than <c>{"name": …, "aliases": […]}</c>.</exception>
    public static KernelNames From(JsonObject header, string problemAt)
    {
        try
        {
            var info = header["kernelInfo"] as JsonObject;
            var names = new KernelNames { DefaultName = info?["defaultKernelName"]?.GetValue<string>() ?? CSharp };
            foreach (var item in (info?["items"]?.AsArray() ?? []).Take(MostKernels))
            {
                var name = item!["name"]!.GetValue<string>();
                names._nameByAlias[name] = name;
                foreach (var alias in item["aliases"]?.AsArray() ?? [])
                {
                    names._nameByAlias[alias!.GetValue<string>()] = name;
                }
            }

            return names;
        }
        catch (Exception error) when (error is InvalidOperationException or NullReferenceException or FormatException or ArgumentException)
        {
            throw new NotebookFormatException(
                $"{problemAt}: the header's kernelInfo is not of the form {{\"defaultKernelName\": \"csharp\", \"items\": [{{\"name\": …, \"aliases\": […]}}]}}.", error);
        }
    }

    /// <summary>The kernel that a line selects: exactly <c>#!</c> and a known name or alias, case-sensitive, no trailing blank; null for any other line.</summary>
    public string? SelectedBy(string line) =>
        line.StartsWith("#!", StringComparison.Ordinal) ? _nameByAlias.GetValueOrDefault(line[2..]) : null;

    /// <summary>The kernel behind a name or alias; the name itself when unknown.</summary>
    public string Resolve(string nameOrAlias) => _nameByAlias.GetValueOrDefault(nameOrAlias, nameOrAlias);
}
