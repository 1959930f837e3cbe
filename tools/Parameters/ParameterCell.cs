using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using NotebookRunner.Documents;

namespace NotebookRunner.Parameters;

/// <summary>
/// The cell with the knobs: the first C# cell whose first line is a comment that begins with "parameters". Every declaration in it whose value is a
/// literal can be set from outside; only that literal is rewritten, so the cell reads as before.
/// </summary>
internal sealed partial class ParameterCell
{
    private static readonly CSharpParseOptions ScriptOptions = new(LanguageVersion.CSharp14, kind: SourceCodeKind.Script);

    private readonly string _source;
    private readonly HashSet<string> _computed;

    private ParameterCell(int index, string source, IReadOnlyList<Parameter> parameters, HashSet<string> computed)
    {
        (Index, _source, Parameters, _computed) = (index, source, parameters, computed);
    }

    /// <summary>The cell's place in the notebook, from 0.</summary>
    public int Index { get; }

    /// <summary>The parameters in the order of the cell.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>Whether a cell is one with parameters, by its first line.</summary>
    public static bool IsMarked(NotebookCell cell) => cell.IsCSharp && Marker().IsMatch(cell.Source);

    /// <summary>Finds the parameter cell; null when the notebook has none.</summary>
    public static ParameterCell? Find(IReadOnlyList<NotebookCell> cells)
    {
        for (var i = 0; i < cells.Count; i++)
        {
            if (IsMarked(cells[i]))
            {
                return Read(i, cells[i].Source);
            }
        }

        return null;
    }

    /// <summary>The cell's source with some literals replaced.</summary>
    /// <param name="values">Values as given on the command line, by parameter name.</param>
    /// <exception cref="ParameterException">An unknown name (with a suggestion) or a value of another type.</exception>
    public string With(IReadOnlyDictionary<string, string> values)
    {
        var literals = values.Select(value => (Parameter: Named(value.Key), Text: value.Value)).Select(pair => (pair.Parameter, Literal: LiteralFor(pair.Parameter, pair.Text)));
        var source = _source;
        foreach (var (parameter, literal) in literals.OrderByDescending(pair => pair.Parameter.LiteralSpan.Start))
        {
            source = string.Concat(source.AsSpan(0, parameter.LiteralSpan.Start), literal, source.AsSpan(parameter.LiteralSpan.End));
        }

        return source;
    }

    /// <summary>All parameters with the values of a run.</summary>
    /// <inheritdoc cref="With" path="/param|/exception"/>
    public IReadOnlyList<ParameterValue> Valued(IReadOnlyDictionary<string, string> values) => [.. Parameters.Select(parameter =>
        values.TryGetValue(parameter.Name, out var text) ? new ParameterValue(parameter, LiteralFor(parameter, text), true) : new(parameter, parameter.Literal, false))];

    private static ParameterCell Read(int index, string source)
    {
        var root = CSharpSyntaxTree.ParseText(source, ScriptOptions).GetCompilationUnitRoot();
        var parameters = new List<Parameter>();
        var computed = new HashSet<string>(StringComparer.Ordinal);
        foreach (var declaration in root.Members.Select(DeclarationIn).OfType<VariableDeclarationSyntax>())
        {
            foreach (var variable in declaration.Variables)
            {
                if (ToParameter(declaration, variable) is { } parameter)
                {
                    parameters.Add(parameter);
                }
                else
                {
                    computed.Add(variable.Identifier.Text);
                }
            }
        }

        return new(index, source, parameters, computed);
    }

    private static VariableDeclarationSyntax? DeclarationIn(MemberDeclarationSyntax member) => member switch
    {
        FieldDeclarationSyntax field => field.Declaration,
        GlobalStatementSyntax { Statement: LocalDeclarationStatementSyntax local } => local.Declaration,
        _ => null,
    };

    private static Parameter? ToParameter(VariableDeclarationSyntax declaration, VariableDeclaratorSyntax variable)
    {
        var value = variable.Initializer?.Value;
        var literal = value is PrefixUnaryExpressionSyntax { RawKind: (int)SyntaxKind.UnaryMinusExpression } minus ? minus.Operand : value;
        if (value is null || literal is not LiteralExpressionSyntax { Token: var token } || literal.IsKind(SyntaxKind.DefaultLiteralExpression))
        {
            return null;
        }

        var isNullable = declaration.Type is NullableTypeSyntax;
        var written = declaration.Type is NullableTypeSyntax nullable ? nullable.ElementType : declaration.Type;
        var type = written.IsVar ? ParameterType.OfValue(token.Value) : ParameterType.OfKeyword(written.ToString());
        var doc = DocOf(declaration.Parent!);
        return type is null ? null : new(variable.Identifier.Text, type, isNullable, value.ToString(), doc, ChoicesIn(doc), value.Span);
    }

    /// <summary>The comment behind the declaration, else the comment lines directly above it.</summary>
    private static string DocOf(SyntaxNode statement)
    {
        var behind = statement.GetTrailingTrivia().Where(trivia => trivia.IsKind(SyntaxKind.SingleLineCommentTrivia)).ToList();
        if (behind.Count > 0)
        {
            return CommentText(behind[0]);
        }

        var above = statement.GetLeadingTrivia().Where(trivia => trivia.IsKind(SyntaxKind.SingleLineCommentTrivia)).Select(CommentText);
        return string.Join(' ', above.Where(text => !MarkerText().IsMatch(text)));
    }

    private static string CommentText(SyntaxTrivia comment) => comment.ToString().TrimStart('/').Trim();

    private static string[] ChoicesIn(string doc) =>
        Choices().Match(doc) is { Success: true } match ? match.Groups[1].Value.Split('|', StringSplitOptions.TrimEntries) : [];

    private Parameter Named(string name)
    {
        if (Parameters.FirstOrDefault(parameter => parameter.Name == name) is { } found)
        {
            return found;
        }

        var names = Parameters.Select(parameter => parameter.Name).ToList();
        throw new ParameterException(_computed.Contains(name)
            ? $"'{name}' is computed in the notebook, so it cannot be set from outside; parameters are the declarations with a literal: {string.Join(", ", names)}."
            : $"There is no parameter '{name}'.{Suggestion.For(name, names)} The notebook has: {string.Join(", ", names)}.");
    }

    private static string LiteralFor(Parameter parameter, string text)
    {
        if (parameter.IsNullable && text == "null")
        {
            return "null";
        }

        if (parameter.Choices.Count > 0 && !parameter.Choices.Contains(text))
        {
            throw new ParameterException(
                $"Parameter {parameter.Name}: expected one of {string.Join(", ", parameter.Choices)}, found '{text}'.{Suggestion.For(text, parameter.Choices)}");
        }

        return parameter.Type.ToLiteral(text) ?? throw new ParameterException(
            $"Parameter {parameter.Name}: expected {parameter.Type.Expectation} ({parameter.TypeName}, like {parameter.Literal}), found '{text}'.");
    }

    [GeneratedRegex(@"\A//+[ \t]*parameters\b", RegexOptions.IgnoreCase)]
    private static partial Regex Marker();

    [GeneratedRegex(@"\Aparameters\b", RegexOptions.IgnoreCase)]
    private static partial Regex MarkerText();

    // A list opens the comment ("demo | small | full: how much work") or follows "one of".
    [GeneratedRegex(@"(?:\A|\bone of )([\w./-]+(?: \| [\w./-]+)+)")]
    private static partial Regex Choices();
}
