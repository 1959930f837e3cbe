using System.Diagnostics;
using Microsoft.CodeAnalysis;
using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Events;

namespace NotebookRunner.Kernel;

/// <summary>Name and version of what the notebook loads by <c>#r</c>, files and packages alike, for the report.</summary>
internal sealed class LoadedLibraries
{
    private readonly CompositeKernel _kernels;
    private readonly Dictionary<string, string> _versions = new(StringComparer.Ordinal);

    public LoadedLibraries(CompositeKernel kernels)
    {
        _kernels = kernels;
        kernels.KernelEvents.Subscribe(happened =>
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
        var references = CellKernels.CSharp(_kernels).ScriptState?.Script.GetCompilation().DirectiveReferences ?? [];
        foreach (var path in references.OfType<PortableExecutableReference>().Select(reference => reference.FilePath).OfType<string>().Where(Path.IsPathRooted))
        {
            _versions[Path.GetFileNameWithoutExtension(path)] = FileVersionInfo.GetVersionInfo(path).ProductVersion ?? "";
        }

        return new(_versions);
    }
}
