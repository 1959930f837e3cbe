using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using NotebookRunner.Kernel;

namespace NotebookRunner.Running;

/// <summary>A cell that uses what a later cell makes: the compiler only knows that the name does not exist, the notebook knows who makes it.</summary>
internal static partial class CellOrder
{
    private static readonly CSharpParseOptions Script = new(LanguageVersion.Latest, kind: SourceCodeKind.Script);

    /// <summary>Adds to a compile error which cells make the names that do not exist yet.</summary>
    /// <param name="error">The error.</param>
    /// <param name="failed">The cell that has it.</param>
    /// <param name="cells">The notebook's code cells.</param>
    public static CellError Explain(CellError error, CellState failed, IEnumerable<CellState> cells)
    {
        var unknown = UnknownName().Matches(error.Details).Select(match => match.Groups[1].Value).Distinct(StringComparer.Ordinal).ToList();
        var later = cells.Where(cell => cell.Number > failed.Number && cell.Cell.IsCSharp).ToList();
        var sentences = unknown.Select(name => later.FirstOrDefault(cell => Makes(cell.Source, name)) is { } maker
            ? $"\n'{name}' is made by cell {maker.Number} ({maker.Name}), which comes after this one: move that cell up, or this one down." : "");
        return error with { Message = error.Message + string.Concat(sentences) };
    }

    private static bool Makes(string source, string name) => source.Contains(name, StringComparison.Ordinal)
        && CSharpSyntaxTree.ParseText(source, Script).GetCompilationUnitRoot().Members.Any(member => member switch
        {
            FieldDeclarationSyntax field => field.Declaration.Variables.Any(variable => variable.Identifier.ValueText == name),
            MethodDeclarationSyntax method => method.Identifier.ValueText == name,
            BaseTypeDeclarationSyntax type => type.Identifier.ValueText == name,
            GlobalStatementSyntax statement =>
                statement.DescendantNodes().OfType<SingleVariableDesignationSyntax>().Any(made => made.Identifier.ValueText == name),
            _ => false,
        });

    [GeneratedRegex(@"CS0103: The name '(\w+)' does not exist")]
    private static partial Regex UnknownName();
}
