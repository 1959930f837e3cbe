using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using NotebookRunner.Documents;
using NotebookRunner.Parameters;

namespace NotebookRunner.Programs;

/// <summary>
/// A notebook as a file-based program of .NET 10 (<c>dotnet run --file NAME.cs</c>), in the "percent" form that editors fold into cells: prose as comments
/// behind <c>// %% [markdown]</c>, code behind <c>// %%</c>. Usings move to the top, types to the end, a last expression is shown, parameters can be set by
/// arguments.
/// </summary>
internal sealed class ProgramText
{
    private static readonly CSharpParseOptions Script = new(LanguageVersion.CSharp14, kind: SourceCodeKind.Script);

    // The repository's rules are for its own code, not for a user's program.
    private static readonly string[] Properties =
    [
        "PublishAot=false", "TreatWarningsAsErrors=false", "RunAnalyzers=false", "EnforceCodeStyleInBuild=false", "GenerateDocumentationFile=false",
        "RestorePackagesWithLockFile=false",
        "PredefinedCulturesOnly=false", "NoWarn=$(NoWarn);NU1603;NU1608;CS8632;CS1591",
    ];

    private static readonly string[] Usings =
    [
        "using System;", "using System.Text;", "using System.Collections;", "using System.Collections.Generic;", "using System.Threading.Tasks;",
        "using System.Linq;",
        "using static Microsoft.DotNet.Interactive.Kernel;",
    ];

    private readonly string _name;
    private readonly List<string> _usings = [.. Usings];
    private readonly List<string> _packages = [];
    private readonly List<string> _types = [];
    private readonly Dictionary<string, int> _declared = new(StringComparer.Ordinal);
    private readonly List<string> _faults = [];
    private readonly StringBuilder _body = new();

    private ProgramText(string name) => _name = name;

    /// <summary>Writes the program.</summary>
    /// <param name="notebook">The notebook.</param>
    /// <param name="name">Its file name.</param>
    /// <param name="target">Where the program will lie: paths to the two projects are seen from there.</param>
    /// <param name="repository">The folder of NotebookLib.csproj.</param>
    /// <exception cref="NotebookFormatException">A cell has what a program cannot have; the message names each.</exception>
    public static string Of(Notebook notebook, string name, string target, string repository)
    {
        var text = new ProgramText(name);
        var parameters = ParameterCell.Find(notebook.Cells);
        for (var i = 0; i < notebook.Cells.Count; i++)
        {
            text.Add(notebook.Cells[i], i + 1, i == parameters?.Index ? parameters : null);
        }

        return text._faults.Count == 0
            ? text.Whole(target, repository)
            : throw new NotebookFormatException(string.Join('\n', text._faults) + "\nNo program was written.");
    }

    private string Whole(string target, string repository)
    {
        var folder = Path.GetDirectoryName(target)!;
        string Seen(string path) => Path.GetRelativePath(folder, Path.Combine(repository, path)).Replace('\\', '/');
        var name = Path.GetFileName(target);
        string[] head =
        [
            $"#:project {Seen("NotebookLib.csproj")}", $"#:project {Seen("tools/NotebookRunner.csproj")}",
            .. _packages.Select(package => $"#:package {package}"),
            .. (_packages.Count > 0 ? ["ManagePackageVersionsCentrally=false"] : Array.Empty<string>()).Concat(Properties)
                .Append($"OutputPath={Seen($"bin/program-{Path.GetFileNameWithoutExtension(target)}")}").Select(property => $"#:property {property}"),
            "", $"// {_name} as a program. Run it: dotnet run --file {name}. Set parameters: dotnet run --file {name} -- -p name=value. "
                + "It ends with the notebook's page.",
            .. _usings.Distinct(StringComparer.Ordinal), "using NotebookRunner.Programs;", "",
            $"using var {NotebookProgram.Variable} = NotebookProgram.Begin(args);", "try", "{",
        ];
        return string.Join('\n', head) + "\n" + _body + "}\ncatch (Exception error)\n{\n    " + NotebookProgram.Variable + ".Fail(error);\n}\n\nreturn "
            + NotebookProgram.Variable + ".End();\n" + string.Concat(_types.Select(type => "\n" + type + "\n"));
    }

    private void Add(NotebookCell cell, int number, ParameterCell? parameters)
    {
        if (cell.IsMarkdown)
        {
            _body.Append($"\n{NotebookProgram.ProseMark}\n");
            foreach (var line in cell.Source.Split('\n'))
            {
                _body.Append(line.Length == 0 ? "//\n" : $"// {line}\n");
            }

            return;
        }

        var place = cell.Line > 0 ? $"{_name}, line {cell.Line} (cell {number})" : $"{_name}, cell {number}";
        if (!cell.IsCSharp)
        {
            _faults.Add($"{place}: a program has C# and prose, no cell for '{cell.Kernel}'.");
            return;
        }

        if (cell.Source.Split('\n').FirstOrDefault(line => line.StartsWith("#!", StringComparison.Ordinal)) is { } command)
        {
            _faults.Add($"{place}: '{command}' is a magic command of notebooks, which a program does not have.");
            return;
        }

        if (cell.Source.Split('\n').FirstOrDefault(line =>
            line.TrimEnd() is NotebookProgram.CodeMark or NotebookProgram.ProseMark || line.StartsWith("#load", StringComparison.Ordinal)) is { } mark)
        {
            _faults.Add(mark[0] == '#' ? $"{place}: '{mark}' is for scripts; a program has all its code in one file: put the code into a cell."
                : $"{place}: '{mark}' begins a cell in a program; reword the comment.");
            return;
        }

        _body.Append($"\n{NotebookProgram.CodeMark}\n{NotebookProgram.Variable}.Cell({number});\n").Append(Code(cell.Source, place, parameters)).Append('\n');
    }

    private string Code(string source, string place, ParameterCell? parameters)
    {
        var edits = new List<(int Start, int End, string Text)>();
        var lines = source.Split('\n');
        source = string.Join('\n', lines.Select(line => Reference(line, place) ? "" : line));
        var root = CSharpSyntaxTree.ParseText(source, Script).GetCompilationUnitRoot();
        foreach (var import in root.Usings)
        {
            _usings.Add(import.ToString());
            edits.Add((import.SpanStart, import.Span.End, ""));
        }

        foreach (var end in root.DescendantNodes(node =>
            node is not (BaseMethodDeclarationSyntax or BaseTypeDeclarationSyntax or LocalFunctionStatementSyntax or AnonymousFunctionExpressionSyntax))
                .OfType<ReturnStatementSyntax>())
        {
            _faults.Add($"{place}: '{end}' ends a notebook's cell, and would end the whole program; write what it returns as the last line, "
                + "without return and semicolon.");
        }

        foreach (var question in root.DescendantNodes().OfType<InvocationExpressionSyntax>().Select(NotebookCheck.QuestionIn).OfType<string>())
        {
            _faults.Add($"{place}: {question} asks a notebook's reader; make it a parameter, which a program takes as an argument.");
        }

        foreach (var member in root.Members)
        {
            Look(member, place, edits, isLast: member == root.Members[^1]);
        }

        // The parameter cell's own positions count from the cell's beginning: it has no references to take out.
        foreach (var parameter in parameters?.Parameters ?? [])
        {
            var expression = source[parameter.LiteralSpan.Start..parameter.LiteralSpan.End];
            edits.Add((parameter.LiteralSpan.Start, parameter.LiteralSpan.End,
                $"{NotebookProgram.Variable}.{nameof(NotebookProgram.Argument)}<{parameter.TypeName}>(\"{parameter.Name}\", {expression})"));
        }

        foreach (var (start, end, text) in edits.OrderByDescending(edit => edit.Start))
        {
            source = string.Concat(source.AsSpan(0, start), text, source.AsSpan(end));
        }

        return source.Trim('\n');
    }

    /// <summary>Takes a <c>#r</c> line out: the library becomes a project, a package a package.</summary>
    private bool Reference(string line, string place)
    {
        if (!line.StartsWith("#r ", StringComparison.Ordinal))
        {
            return false;
        }

        var what = line[3..].Trim().Trim('"').Trim();
        if (what.StartsWith("nuget:", StringComparison.OrdinalIgnoreCase))
        {
            var parts = what["nuget:".Length..].Split(',', StringSplitOptions.TrimEntries);
            _packages.Add(parts.Length > 1 ? $"{parts[0]}@{parts[1]}" : $"{parts[0]}@*");
        }
        else if (!what.EndsWith("NotebookLib.dll", StringComparison.Ordinal))
        {
            _faults.Add($"{place}: '{line}': a file-based program takes projects and packages, no files; make a package of it.");
        }

        return true;
    }

    private void Look(MemberDeclarationSyntax member, string place, List<(int Start, int End, string Text)> edits, bool isLast)
    {
        switch (member)
        {
            case BaseTypeDeclarationSyntax or DelegateDeclarationSyntax:
                _types.Add(member.ToString());
                edits.Add((member.SpanStart, member.Span.End, ""));
                break;
            case FieldDeclarationSyntax field:
                Plain(field.Modifiers, edits);
                foreach (var variable in field.Declaration.Variables)
                {
                    Declare(variable.Identifier.Text, place);
                }

                break;
            case MethodDeclarationSyntax method:
                Plain(method.Modifiers, edits);
                Declare(method.Identifier.Text, place);
                break;
            case GlobalStatementSyntax { Statement: ExpressionStatementSyntax { SemicolonToken.IsMissing: true } last } when isLast:
                edits.Add((last.SpanStart, last.SpanStart, $"{NotebookProgram.Variable}.{nameof(NotebookProgram.Show)}("));
                edits.Add((last.Expression.Span.End, last.Expression.Span.End, ");"));
                break;
            case not GlobalStatementSyntax:
                _faults.Add($"{place}: '{member.ToString().Split('\n')[0]}' stands outside of a type, where a script may have it and a program may not; "
                    + "use a variable or a method.");
                break;
        }
    }

    /// <summary>What a script's members may say of themselves and a program's locals may not.</summary>
    private static void Plain(SyntaxTokenList modifiers, List<(int Start, int End, string Text)> edits)
    {
        foreach (var word in modifiers.Where(word => word.Kind() is SyntaxKind.PublicKeyword or SyntaxKind.PrivateKeyword or SyntaxKind.InternalKeyword
            or SyntaxKind.ProtectedKeyword or SyntaxKind.ReadOnlyKeyword
            || (word.IsKind(SyntaxKind.StaticKeyword) && word.Parent is FieldDeclarationSyntax)))
        {
            edits.Add((word.SpanStart, word.FullSpan.End, ""));
        }
    }

    private void Declare(string name, string place)
    {
        if (name == NotebookProgram.Variable || !_declared.TryAdd(name, 0))
        {
            _faults.Add($"{place}: '{name}' is declared a second time, which a notebook may do and a program may not; give one of them another name.");
        }
    }
}
