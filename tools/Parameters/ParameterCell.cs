using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using NotebookRunner.Documents;

namespace NotebookRunner.Parameters;

/// <summary>
/// The cell with the knobs: the first C# cell whose first line is a comment that begins with "parameters". Every declaration in it, and every property of an
/// object that it makes, whose value is a literal or a choice among literals can be set from outside; only that value is rewritten, so the cell reads as
/// before.
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

    /// <summary>The cell's source with some initialisers replaced by literals.</summary>
    /// <param name="values">Values as given on the command line, by parameter name.</param>
    /// <exception cref="ParameterException">An unknown name (with a suggestion) or a value of another type.</exception>
    public string With(IReadOnlyDictionary<string, string> values)
    {
        var source = _source;
        foreach (var (parameter, literal) in Literals(values).OrderByDescending(pair => pair.Key.LiteralSpan.Start))
        {
            source = string.Concat(source.AsSpan(0, parameter.LiteralSpan.Start), literal, source.AsSpan(parameter.LiteralSpan.End));
        }

        return source;
    }

    /// <summary>All parameters with the values that hold in a run, what the profile decides included.</summary>
    /// <inheritdoc cref="With" path="/param|/exception"/>
    public IReadOnlyList<ParameterValue> Valued(IReadOnlyDictionary<string, string> values)
    {
        var (literals, known, found) = (Literals(values), new ParameterValues(), new List<ParameterValue>());
        foreach (var parameter in Parameters)
        {
            var usual = known.Of(parameter.Expression);
            found.Add(literals.TryGetValue(parameter, out var literal) ? new(parameter, literal, usual, true) : new(parameter, usual, usual, false));
            known.Add(parameter.Place, found[^1].Literal);
        }

        return found;
    }

    private Dictionary<Parameter, string> Literals(IReadOnlyDictionary<string, string> values)
    {
        var literals = new Dictionary<Parameter, string>();
        foreach (var (name, text) in values)
        {
            var parameter = Named(name);
            if (!literals.TryAdd(parameter, LiteralFor(parameter, text)))
            {
                throw new ParameterException($"'{parameter.Name}' is set twice, once as '{name}'.");
            }
        }

        return literals;
    }

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
                else if (variable.Initializer?.Value is ObjectCreationExpressionSyntax { Type: IdentifierNameSyntax type, Initializer: { } properties })
                {
                    parameters.AddRange(Properties(variable.Identifier.Text, type.Identifier.Text, properties));
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
        if (variable.Initializer?.Value is not { } value || !ParameterValues.CanBe(value))
        {
            return null;
        }

        var isNullable = declaration.Type is NullableTypeSyntax;
        var written = declaration.Type is NullableTypeSyntax nullable ? nullable.ElementType : declaration.Type;
        var type = written.IsVar ? ParameterType.OfExpression(value) : ParameterType.OfKeyword(written.ToString());
        var doc = DocOf(declaration.Parent!);
        return type is null ? null : new(variable.Identifier.Text, variable.Identifier.Text, type, isNullable, value, doc, ChoicesIn(doc));
    }

    /// <summary>The properties that an object initialiser sets.</summary>
    private static IEnumerable<Parameter> Properties(string variable, string typeName, InitializerExpressionSyntax initializer)
    {
        var settings = LibraryTypes.Find(typeName);
        foreach (var assignment in initializer.Expressions.OfType<AssignmentExpressionSyntax>().Where(assignment => ParameterValues.CanBe(assignment.Right)))
        {
            var name = assignment.Left.ToString();
            var (type, isNullable) = settings?.GetProperty(name) is { } property
                ? ParameterType.OfProperty(property) : (ParameterType.OfExpression(assignment.Right), false);
            if (type is not null)
            {
                var doc = DocOf(assignment);
                yield return new(char.ToLowerInvariant(name[0]) + name[1..], $"{variable}.{name}", type, isNullable, assignment.Right, doc, ChoicesIn(doc));
            }
        }
    }

    /// <summary>The comment behind the declaration or at the end of its first line, else the comment lines directly above it.</summary>
    private static string DocOf(SyntaxNode node)
    {
        var firstLine = node.SyntaxTree.GetText().Lines.GetLineFromPosition(node.SpanStart);
        var behind = node.SyntaxTree.GetRoot().DescendantTrivia()
            .Where(trivia => trivia.IsKind(SyntaxKind.SingleLineCommentTrivia) && trivia.SpanStart > node.SpanStart
                && (trivia.SpanStart < firstLine.End || IsBehind(node, trivia))).ToList();
        if (behind.Count > 0)
        {
            return CommentText(behind[0]);
        }

        var above = node.GetLeadingTrivia().Where(trivia => trivia.IsKind(SyntaxKind.SingleLineCommentTrivia)).Select(CommentText);
        return string.Join(' ', above.Where(text => !MarkerText().IsMatch(text)));
    }

    // Behind the comma or semicolon that ends it.
    private static bool IsBehind(SyntaxNode node, SyntaxTrivia trivia) =>
        node.SyntaxTree.GetText().Lines.GetLineFromPosition(node.Span.End).Span.Contains(trivia.SpanStart) && trivia.SpanStart >= node.Span.End;

    private static string CommentText(SyntaxTrivia comment) => comment.ToString().TrimStart('/').Trim();

    private static string[] ChoicesIn(string doc) =>
        Choices().Match(doc) is { Success: true } match ? match.Groups[1].Value.Split('|', StringSplitOptions.TrimEntries) : [];

    private Parameter Named(string name)
    {
        // loraRank is Rank of lora; updates is maximumUpdates, as long as no other name ends so.
        var ending = name.Length == 0 ? name : char.ToUpperInvariant(name[0]) + name[1..];
        if (Parameters.FirstOrDefault(parameter => parameter.Name == name || parameter.Place.Replace(".", "", StringComparison.Ordinal) == name) is { } found)
        {
            return found;
        }

        if (name.Length > 0 && char.IsLower(name[0])
            && Parameters.Where(parameter => parameter.Name.EndsWith(ending, StringComparison.Ordinal)).ToList() is [var only])
        {
            return only;
        }

        var names = Parameters.Select(parameter => parameter.Name).ToList();
        throw new ParameterException(_computed.Contains(name)
            ? $"'{name}' is computed in the notebook, so it cannot be set from outside; parameters are the values that stand there as literals, "
                + $"or as a choice among some: {string.Join(", ", names)}."
            : $"There is no parameter '{name}'.{Suggestion.For(name, names)} The notebook has: {(names.Count == 0 ? "none" : string.Join(", ", names))}.");
    }

    private string LiteralFor(Parameter parameter, string text)
    {
        if (parameter.IsNullable && text == "null")
        {
            return "null";
        }

        if (parameter.Type.Members.Count > 0)
        {
            return parameter.Type.ToLiteral(text) ?? throw new ParameterException(
                $"Parameter {parameter.Name}: expected {parameter.Type.Expectation}, found '{text}'.{Suggestion.For(text, parameter.Type.Members)}");
        }

        if (parameter.Choices.Count > 0 && !parameter.Choices.Contains(text))
        {
            throw new ParameterException(
                $"Parameter {parameter.Name}: expected one of {string.Join(", ", parameter.Choices)}, found "
                    + $"'{text}'.{Suggestion.For(text, parameter.Choices)}");
        }

        return parameter.Type.ToLiteral(text) ?? throw new ParameterException(
            $"Parameter {parameter.Name}: expected {parameter.Type.Expectation} ({parameter.TypeName}, like "
                + $"{Valued(new Dictionary<string, string>()).First(value => value.Parameter == parameter).Literal}), found '{text}'.");
    }

    [GeneratedRegex(@"\A//+[ \t]*parameters\b", RegexOptions.IgnoreCase)]
    private static partial Regex Marker();

    [GeneratedRegex(@"\Aparameters\b", RegexOptions.IgnoreCase)]
    private static partial Regex MarkerText();

    // A list opens the comment ("demo | small | full: how much work") or follows "one of".
    [GeneratedRegex(@"(?:\A|\bone of )([\w./-]+(?: \| [\w./-]+)+)")]
    private static partial Regex Choices();
}
