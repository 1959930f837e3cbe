using System.Diagnostics;
using System.Globalization;
using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.CSharp;
using Microsoft.DotNet.Interactive.Directives;
using Microsoft.DotNet.Interactive.Events;
using Microsoft.DotNet.Interactive.Formatting;
using Microsoft.DotNet.Interactive.PackageManagement;

namespace NotebookRunner.Kernel;

/// <summary>
/// The kernels of .NET Interactive, put together as the tool `dotnet-interactive` does (dotnet/interactive 098a01b src/dotnet-interactive/KernelBuilder.cs),
/// without those whose packages no source serves (<see cref="KernelNames"/>).
/// </summary>
internal static class CellKernels
{
    private static readonly string[] HtmlAndText = [HtmlFormatter.MimeType, PlainTextFormatter.MimeType];

    /// <summary>Makes the kernels; nothing is run yet.</summary>
    public static CompositeKernel Create()
    {
        var all = new CompositeKernel { DefaultKernelName = KernelNames.CSharp };
        all.Add(CreateCSharp(), ["c#", "C#"]);
        all.Add(new HtmlKernel());
        all.Add(new JavaScriptKernel(), ["js"]);
        all.Add(new KeyValueStoreKernel(KernelNames.Value).UseWho());
        AddTime(all);
        return all.UseImportMagicCommand();
    }

    /// <summary>
    /// As in the editor values are HTML and strings are text; here plain text comes beside the HTML, for readers without it and for the terminal.
    /// </summary>
    public static void SetUpFormatting()
    {
        Formatter.DefaultMimeType = HtmlFormatter.MimeType;
        Formatter.SetPreferredMimeTypesFor(typeof(object), HtmlAndText);
        Formatter.SetPreferredMimeTypesFor(typeof(string), PlainTextFormatter.MimeType);
        Formatter.SetPreferredMimeTypesFor(typeof(ScriptContent), HtmlFormatter.MimeType);
    }

    /// <summary>The C# kernel among them.</summary>
    public static CSharpKernel CSharp(CompositeKernel all) => all.ChildKernels.OfType<CSharpKernel>().Single();

    private static CSharpKernel CreateCSharp()
    {
        var kernel = new CSharpKernel(KernelNames.CSharp);
        return kernel.UseNugetDirective((_, packages) =>
        {
            kernel.AddAssemblyReferences(packages.SelectMany(package => package.AssemblyPaths));
            return Task.CompletedTask;
        }).UseKernelHelpers().UseWho().UseValueSharing();
    }

    /// <summary><c>#!time</c>, whose package (Microsoft.DotNet.Interactive.Jupyter) is not served: the same words below the cell.</summary>
    private static void AddTime(CompositeKernel all) => all.AddDirective(
        new KernelActionDirective("#!time") { Description = "Time the execution of the following code in the submission." },
        (_, context) =>
        {
            var clock = Stopwatch.StartNew();
            context.OnComplete(ended =>
            {
                var text = $"Wall time: {clock.Elapsed.TotalMilliseconds.ToString(CultureInfo.InvariantCulture)}ms";
                ended.Publish(new DisplayedValueProduced(clock.Elapsed, ended.Command, [new FormattedValue(PlainTextFormatter.MimeType, text)]));
            });
            return Task.CompletedTask;
        });
}
