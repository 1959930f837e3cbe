using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Scripting;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Scripting;
using Microsoft.CodeAnalysis.Scripting.Hosting;

namespace NotebookRunner.Kernel;

/// <summary>What came of a cell.</summary>
/// <param name="HasValue">True when the cell ended in an expression without a semicolon.</param>
/// <param name="Value">That expression's value.</param>
/// <param name="Error">Why it failed, or null.</param>
/// <param name="WasCancelled">True when it ended with <see cref="OperationCanceledException"/>.</param>
internal sealed record CellOutcome(bool HasValue, object? Value, CellError? Error, bool WasCancelled = false);

/// <summary>The cells of one notebook as a chain of Roslyn submissions: each sees the variables of all before it, also of one that failed half-way.</summary>
internal sealed class CellScript : IDisposable
{
    private static readonly string[] Imports =
    [
        "System", "System.Text", "System.Collections", "System.Collections.Generic", "System.Threading.Tasks", "System.Linq",
        typeof(CellFunctions).FullName!,
    ];

    private readonly InteractiveAssemblyLoader _loader = new();
    private readonly ReferencedLibraries _libraries = new();
    private readonly ScriptOptions _options;
    private ScriptState<object>? _state;

    /// <summary>Prepares a session; relative <c>#r</c> paths count from the current directory, as in the genuine kernel.</summary>
    public CellScript()
    {
        var frameworkFolder = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        var framework = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Where(path => Path.GetDirectoryName(path) == frameworkFolder);
        string[] own = [typeof(CellFunctions).Assembly.Location, typeof(Microsoft.AspNetCore.Html.IHtmlContent).Assembly.Location,
            typeof(Microsoft.DotNet.Interactive.Formatting.Formatter).Assembly.Location];
        _options = ScriptOptions.Default
            // Opened once: cells that see two copies of one assembly find its names ambiguous.
            .WithReferences([.. framework.Concat(own).Select(path => MetadataReference.CreateFromFile(path))])
            .WithLanguageVersion(LanguageVersion.CSharp14)
            .WithMetadataResolver(ScriptMetadataResolver.Default.WithBaseDirectory(Environment.CurrentDirectory))
            .WithSourceResolver(ScriptSourceResolver.Default.WithBaseDirectory(Environment.CurrentDirectory))
            .WithEmitDebugInformation(true)
            .WithFileEncoding(Encoding.UTF8);
    }

    /// <summary>Name and version of each library loaded by <c>#r</c>.</summary>
    public Dictionary<string, string> LibraryVersions => _libraries.Versions;

    /// <summary>Compiles and runs one cell.</summary>
    /// <param name="code">The C# text.</param>
    /// <param name="file">The name that stack traces show.</param>
    public async Task<CellOutcome> RunAsync(string code, string file)
    {
        // Imports stand in the first submission only, and later ones inherit them: #r changes what assemblies look like to the compiler,
        // and functions imported before and after it would be two sets of functions.
        _state ??= await CSharpScript.Create("", _options.WithImports(Imports), null, _loader).RunAsync();
        var script = _state.Script.ContinueWith<object>(code, _options.WithFilePath(file));
        var tree = script.GetCompilation().SyntaxTrees.Single(tree => tree.FilePath == file);
        if (Directives.UnsupportedIn(tree) is { } unsupported)
        {
            return new(false, null, unsupported);
        }

        foreach (var (path, line) in Directives.ReferencesIn(tree))
        {
            if (Directives.Missing(path, line) is { } missing)
            {
                return new(false, null, missing);
            }

            _loader.RegisterDependency(_libraries.Load(path));
        }

        var faults = script.Compile().Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error).ToList();
        return faults.Count > 0 ? new(false, null, ErrorReport.OfCompilation(faults)) : await ExecuteAsync(script, tree, file);
    }

    public void Dispose() => _loader.Dispose();

    private async Task<CellOutcome> ExecuteAsync(Script<object> script, SyntaxTree tree, string file)
    {
        var hasValue = EndsInValue(script.GetCompilation(), tree);
        _state = (ScriptState<object>)await script.RunFromAsync(_state!, catchException: _ => true);
        return _state.Exception is { } exception
            ? new(false, null, ErrorReport.OfException(exception, file), exception is OperationCanceledException)
            : new(hasValue, _state.ReturnValue, null);
    }

    private static bool EndsInValue(Compilation compilation, SyntaxTree tree) =>
        tree.GetCompilationUnitRoot().Members.LastOrDefault() is GlobalStatementSyntax { Statement: ExpressionStatementSyntax { SemicolonToken.IsMissing: true } last }
        && compilation.GetSemanticModel(tree).GetTypeInfo(last.Expression).Type is not { SpecialType: SpecialType.System_Void };
}
