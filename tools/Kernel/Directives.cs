using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace NotebookRunner.Kernel;

/// <summary>Looks at a cell's <c>#</c> lines before Roslyn does: a first <c>#!time</c> would silently be read as a shebang.</summary>
internal static class Directives
{
    /// <summary>The first line that is a magic command of .NET Interactive, which nothing here understands; null when there is none.</summary>
    public static CellError? UnsupportedIn(SyntaxTree tree)
    {
        foreach (var trivia in tree.GetCompilationUnitRoot().DescendantTrivia(descendIntoTrivia: false).Where(trivia => trivia.IsDirective))
        {
            var text = trivia.ToString().Trim();
            var line = trivia.GetLocation().GetLineSpan().StartLinePosition.Line + 1;
            if (text.StartsWith("#!", StringComparison.Ordinal))
            {
                return new("unsupported directive", $"'{text}' is a magic command of .NET Interactive. This runner knows cells that start with exactly "
                    + "#!csharp or #!markdown (lower case, nothing behind it), and #r \"path.dll\" inside them.", line, "");
            }

            if (text.StartsWith("#r", StringComparison.Ordinal) && text.Contains("nuget:", StringComparison.OrdinalIgnoreCase))
            {
                return new("unsupported directive", $"'{text}' asks for a package from the network. Reference built libraries by path instead: #r \"../bin/lib/NotebookLib.dll\".", line, "");
            }
        }

        return null;
    }

    /// <summary>The files named by <c>#r "path"</c> with their lines; names without a folder or extension are framework assemblies and left to Roslyn.</summary>
    public static IEnumerable<(string Path, int Line)> ReferencesIn(SyntaxTree tree)
    {
        foreach (var directive in tree.GetCompilationUnitRoot().GetReferenceDirectives())
        {
            var path = directive.File.ValueText;
            if (path.Contains('/', StringComparison.Ordinal) || path.Contains('\\', StringComparison.Ordinal) || path.EndsWith(".dll", StringComparison.OrdinalIgnoreCase))
            {
                yield return (path, directive.GetLocation().GetLineSpan().StartLinePosition.Line + 1);
            }
        }
    }

    /// <summary>Explains a reference that is missing, or null when the file is there.</summary>
    public static CellError? Missing(string path, int line)
    {
        var full = Path.GetFullPath(path);
        if (!File.Exists(full))
        {
            return new("missing reference", $"#r \"{path}\": there is no {full} (the path counts from the notebook's folder). Build it first: dotnet build NotebookLib.slnx.", line, "");
        }

        try
        {
            _ = AssemblyName.GetAssemblyName(full);
            return null;
        }
        catch (BadImageFormatException error)
        {
            return new("damaged reference", $"#r \"{path}\": {full} is not a .NET assembly: {error.Message}", line, "");
        }
    }
}
