using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Directives;
using NotebookRunner.Kernel;
using NotebookRunner.Parameters;

namespace NotebookRunner.Documents;

/// <summary>Something that a cell asks the reader for.</summary>
/// <param name="Name">How it is answered: <c>-p name=value</c>.</param>
/// <param name="Prompt">How the kernel asks.</param>
/// <param name="Place">Where in the notebook, for messages.</param>
/// <param name="IsSecret">Whether the answer is a password.</param>
internal sealed record CellInput(string Name, string Prompt, string Place, bool IsSecret);

/// <summary>
/// Finds what a notebook contains and the kernels here cannot run, before the first cell runs: a magic command in the last cell must not cost a training. It
/// also lists what the cells ask the reader for.
/// </summary>
internal sealed class NotebookCheck
{
    private const int MostFaults = 20;
    private static readonly Lazy<CompositeKernel> Kernels = new(CellKernels.Create);
    private static readonly CSharpParseOptions Script = new(LanguageVersion.Latest, kind: SourceCodeKind.Script);
    private static readonly string[] ConsoleReads = ["In", "OpenStandardInput", "Read", "ReadKey", "ReadLine"];

    private readonly string _folder;
    private readonly List<string> _faults = [];
    private readonly HashSet<string> _imported = new(StringComparer.Ordinal);
    private readonly HashSet<string> _consoles = new(["Console", "System.Console"], StringComparer.Ordinal);
    private readonly HashSet<string> _declared = new(StringComparer.Ordinal);
    private bool _usesConsole;
    private bool _hasInput;
    private List<CellInput> _inputs = [];
    private string _place = "";

    private NotebookCheck(string folder) => _folder = folder;

    /// <summary>Looks at every cell.</summary>
    /// <param name="notebook">The notebook.</param>
    /// <param name="name">Its file name, for messages.</param>
    /// <param name="folder">Its folder: paths in cells count from there.</param>
    /// <returns>What each cell asks for, one list a cell.</returns>
    /// <exception cref="NotebookFormatException">Something cannot be run: the message has a line for each, with cell and line.</exception>
    public static IReadOnlyList<IReadOnlyList<CellInput>> Run(Notebook notebook, string name, string folder)
    {
        var check = new NotebookCheck(folder);
        var inputs = notebook.Cells.Select((cell, index) => check.Look(cell, (line) => Place(name, cell, index + 1, line))).ToList();
        return check._faults.Count == 0
            ? inputs
            : throw new NotebookFormatException(
                string.Join('\n', check._faults.Take(MostFaults)
                .Append(check._faults.Count > MostFaults ? $"… and {check._faults.Count - MostFaults} more" : "").Where(text => text.Length > 0))
                + "\nNothing was run.");
    }

    private static string Place(string name, NotebookCell cell, int number, int line) =>
        cell.Line > 0 ? $"{name}, line {cell.Line + line - 1} (cell {number}, line {line})" : $"{name}, cell {number}, line {line}";

    private List<CellInput> Look(NotebookCell cell, Func<int, string> place)
    {
        _inputs = [];
        if (cell.IsMarkdown)
        {
            return _inputs;
        }

        if (KernelNames.Refusal(cell.Kernel) is { } refusal)
        {
            _place = place(1);
            Fault($"a cell for '{cell.Kernel}': {refusal}");
            return _inputs;
        }

        var lines = cell.Source.Split('\n');
        var (kernel, start) = (cell.Kernel, 0);
        for (var i = 0; i <= lines.Length; i++)
        {
            if (i < lines.Length && !lines[i].StartsWith("#!", StringComparison.Ordinal))
            {
                continue;
            }

            if (kernel == KernelNames.CSharp)
            {
                LookAtCSharp(lines, start, i, place);
            }

            if (i < lines.Length)
            {
                _place = place(i + 1);
                kernel = LookAtCommand(lines[i].TrimEnd(), kernel);
                start = i + 1;
            }
        }

        return _inputs;
    }

    /// <summary>Looks at a <c>#!</c> line.</summary>
    /// <returns>The kernel of the lines after it.</returns>
    private string LookAtCommand(string line, string kernel)
    {
        var name = line.Split([' ', '\t'], 2)[0];
        var all = Kernels.Value;
        var own = all.ChildKernels.First(child => child.Name == kernel).KernelInfo.SupportedDirectives;
        var directive = all.KernelInfo.SupportedDirectives.Concat(own).FirstOrDefault(known => known.Name == name);
        if (directive is null)
        {
            var names = all.ChildKernels.Append<Microsoft.DotNet.Interactive.Kernel>(all).SelectMany(child => child.KernelInfo.SupportedDirectives)
                .Where(known => !known.Hidden && known.Name.StartsWith("#!", StringComparison.Ordinal))
                .Select(known => known.Name).Distinct().Order(StringComparer.Ordinal).ToList();
            Fault(KernelNames.IsKernel(name[2..]) ? $"'{name}': {KernelNames.Refusal(name[2..])}"
                : names.Contains(name)
                ? $"'{line}' cannot run in a cell for '{kernel}': such a cell is put on the page as it stands. Let a C# cell do it: "
                + $"HTML($\"…{{value}}…\") shows a value"
                : $"'{line}' is no magic command that runs here.{Suggestion.For(name, names)} Here are {string.Join(", ", names)}");
            return kernel;
        }

        var parsed = all.SubmissionParser.ParseDirectiveLine(line);
        foreach (var missing in directive.Parameters.Where(parameter => parameter.Required && !parsed.Parameters.ContainsKey(parameter.Name)))
        {
            Fault($"'{line}' lacks {(missing.AllowImplicitName ? $"its value ({missing.Name})" : missing.Name)}");
        }

        _inputs.AddRange(parsed.InputFields.Select(field => new CellInput(field.ValueName, field.Prompt, _place, field.TypeHint == "password")));
        foreach (var from in parsed.Parameters.Where(pair => pair.Key is "--from" or "--value").Select(SourceKernel).OfType<string>()
            .Where(from => all.FindKernelByName(from) is null))
        {
            Fault($"'{line}' takes a value from '{from}': {KernelNames.Refusal(from)}");
        }

        if (name == "#!import" && parsed.Parameters.TryGetValue("--file", out var file))
        {
            LookAtImport(file.Trim('"'));
        }

        return directive is KernelSpecifierDirective selector ? selector.KernelName : kernel;
    }

    /// <summary>The kernel that a value comes from: <c>--from html</c>, <c>--value @html:name</c>; null for a literal or an input.</summary>
    private static string? SourceKernel(KeyValuePair<string, string> parameter)
    {
        var (key, value) = parameter;
        var name = key == "--from" ? value : value is ['@', .. var rest] && rest.Contains(':', StringComparison.Ordinal) ? rest.Split(':')[0] : null;
        return name is null or "input" or "password" ? null : name;
    }

    private void LookAtImport(string file)
    {
        var path = Path.GetFullPath(Path.Combine(_folder, file));
        if (!_imported.Add(path))
        {
            return;
        }

        var (place, inputs) = (_place, _inputs);
        try
        {
            var imported = Path.GetExtension(path) switch
            {
                ".dib" or ".ipynb" => NotebookFile.Read(path).Cells,
                ".cs" or ".csx" when File.Exists(path) => [new(KernelNames.CSharp, File.ReadAllText(path), 1)],
                ".html" when File.Exists(path) => [new(KernelNames.Html, File.ReadAllText(path), 1)],
                ".js" when File.Exists(path) => [new(KernelNames.JavaScript, File.ReadAllText(path), 1)],
                _ when !File.Exists(path) => throw new NotebookFormatException($"there is no {path}"),
                var other =>
                    throw new NotebookFormatException($"files ending in '{other}' cannot be imported here; .dib, .ipynb, .cs, .csx, .html and .js can"),
            };
            for (var i = 0; i < imported.Count; i++)
            {
                var number = i + 1;
                inputs.AddRange(Look(imported[i], line => $"{place}: {Place(Path.GetFileName(path), imported[number - 1], number, line)}"));
            }
        }
        catch (NotebookFormatException error)
        {
            _place = place;
            Fault($"'#!import {file}': {error.Message}");
        }

        (_place, _inputs) = (place, inputs);
    }

    private void LookAtCSharp(string[] lines, int start, int end, Func<int, string> place)
    {
        // Packages are the kernel's matter; the lines before the part stay empty, so that its own keep their numbers.
        var part = lines.Select((line, i) => i < start || i >= end || IsPackage(line) ? "" : line);
        var tree = CSharpSyntaxTree.ParseText(string.Join('\n', part), Script);
        foreach (var fault in tree.GetDiagnostics().Where(fault => fault.Severity == DiagnosticSeverity.Error))
        {
            _place = place(LineOf(fault.Location));
            Fault($"{fault.Id}: {fault.GetMessage()}: {lines[Math.Min(LineOf(fault.Location), lines.Length) - 1].Trim()}");
        }

        var root = tree.GetCompilationUnitRoot();
        foreach (var directive in root.GetReferenceDirectives())
        {
            LookAtFile("#r", directive.File.ValueText, directive.GetLocation(), place);
        }

        foreach (var directive in root.GetLoadDirectives())
        {
            LookAtFile("#load", directive.File.ValueText, directive.GetLocation(), place);
        }

        LookAtNames(root);
        foreach (var node in root.DescendantNodes())
        {
            _place = place(LineOf(node.GetLocation()));
            if (node is InvocationExpressionSyntax call)
            {
                LookAtQuestion(call);
            }
            else if (node is SimpleNameSyntax name)
            {
                LookAtConsole(name);
            }
        }
    }

    /// <summary>Learns under what names this cell and later ones know the console, and what they call by a name of its members.</summary>
    private void LookAtNames(CompilationUnitSyntax root)
    {
        foreach (var import in root.Usings.Where(import => IsConsole(import.NamespaceOrType)))
        {
            _usesConsole |= import.StaticKeyword != default;
            if (import.Alias is { } alias)
            {
                _consoles.Add(alias.Name.Identifier.Text);
            }
        }

        _declared.UnionWith(root.DescendantNodes().Select(node => node switch
        {
            MethodDeclarationSyntax method => method.Identifier.Text,
            LocalFunctionStatementSyntax function => function.Identifier.Text,
            PropertyDeclarationSyntax property => property.Identifier.Text,
            VariableDeclaratorSyntax variable => variable.Identifier.Text,
            ParameterSyntax parameter => parameter.Identifier.Text,
            _ => null,
        }).OfType<string>());
    }

    private void LookAtFile(string directive, string file, Location location, Func<int, string> place)
    {
        // Names without a folder or an extension are assemblies of the framework.
        var isPath = file.IndexOfAny(['/', '\\']) >= 0 || file.EndsWith(".dll", StringComparison.OrdinalIgnoreCase) || directive == "#load";
        var path = Path.GetFullPath(Path.Combine(_folder, file));
        if (isPath && !File.Exists(path))
        {
            _place = place(LineOf(location));
            Fault($"{directive} \"{file}\": there is no {path} (the path counts from the notebook's folder)"
                + (Path.GetFileName(path) == "NotebookLib.dll"
                    ? ". The library is not built: dotnet build NotebookLib.slnx; an editor's kernel must then be restarted" : ""));
        }
    }

    /// <summary>
    /// Finds what reads from the console, called or handed on: <c>Console.ReadLine()</c>, <c>Console.In</c>, <c>ReadLine()</c> under <c>using static
    /// System.Console</c>.
    /// </summary>
    private void LookAtConsole(SimpleNameSyntax name)
    {
        var member = name.Identifier.Text;
        var isMember = name.Parent is MemberAccessExpressionSyntax access && access.Name == name
            ? IsConsole(access.Expression)
            : _usesConsole && !_declared.Contains(member) && name.Parent is InvocationExpressionSyntax or MemberAccessExpressionSyntax;
        if (!isMember)
        {
            return;
        }

        // Whoever brings an input of his own may read it; keys and the stream itself are not part of it.
        _hasInput |= member == nameof(Console.SetIn);
        if (ConsoleReads.Contains(member) && !(_hasInput && member is nameof(Console.In) or nameof(Console.Read) or nameof(Console.ReadLine)))
        {
            Fault($"Console.{member} waits for a keyboard, and {NoKeyboard.Advice}");
        }
    }

    private bool IsConsole(SyntaxNode name) => _consoles.Contains(name.ToString().Replace("global::", "", StringComparison.Ordinal));

    /// <summary>The name of the kernel's method by which a call asks the reader for something; null for every other call.</summary>
    public static string? QuestionIn(InvocationExpressionSyntax call)
    {
        var (target, name) = call.Expression switch
        {
            MemberAccessExpressionSyntax access => (access.Expression.ToString(), access.Name.Identifier.Text),
            IdentifierNameSyntax simple => ("", simple.Identifier.Text),
            _ => ("", ""),
        };
        return target.Split('.')[^1] is "" or "Kernel" && name is "GetInputAsync" or "GetPasswordAsync" or "GetInputsAsync" ? name : null;
    }

    private void LookAtQuestion(InvocationExpressionSyntax call)
    {
        if (QuestionIn(call) is not { } name)
        {
            return;
        }

        if (name != "GetInputsAsync" && call.ArgumentList.Arguments.FirstOrDefault()?.Expression is LiteralExpressionSyntax { Token.Value: string prompt })
        {
            _inputs.Add(new(prompt, prompt, _place, name == "GetPasswordAsync"));
        }
        else
        {
            Fault($"{name} asks the reader for what only the run itself will know, and {NoKeyboard.Advice}");
        }
    }

    private static bool IsPackage(string line) => line.StartsWith("#r", StringComparison.Ordinal) && line.Contains("nuget:", StringComparison.OrdinalIgnoreCase)
        || line.StartsWith("#i ", StringComparison.Ordinal);

    private static int LineOf(Location location) => location.GetLineSpan().StartLinePosition.Line + 1;

    private void Fault(string text) => _faults.Add($"{_place}: {text.TrimEnd('.')}.");
}
