using System.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.DotNet.Interactive.CSharp;
using Microsoft.DotNet.Interactive.Events;

namespace NotebookRunner.Kernel;

/// <summary>Name and version of what the notebook loads by <c>#r</c>, files and packages alike, for the report.</summary>
internal sealed class LoadedLibraries
{
    private readonly CSharpKernel _kernel;
    private readonly Dictionary<string, string> _versions = new(StringComparer.Ordinal);

    public LoadedLibraries(CSharpKernel kernel)
    {
        _kernel = kernel;
        kernel.KernelEvents.Subscribe(happened =>
        {
            if (happened is PackageAdded { PackageReference: var package })
            {
                _versions[package.PackageName] = package.PackageVersion;
            }
        });
    }

    /// <summary>All of them so far.</summary>
    public Dictionary<string, string> Versions()
    {
        var references = _kernel.ScriptState?.Script.GetCompilation().DirectiveReferences ?? [];
        foreach (var path in references.OfType<PortableExecutableReference>().Select(reference => reference.FilePath).OfType<string>().Where(Path.IsPathRooted))
        {
            _versions[Path.GetFileNameWithoutExtension(path)] = FileVersionInfo.GetVersionInfo(path).ProductVersion ?? "";
        }

        return new(_versions);
    }
}
