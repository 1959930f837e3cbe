using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace NotebookRunner.Parameters;

/// <summary>
/// Works out initialisers without running anything: literals, members of enumerations, lists, and choices among such by the values of parameters before
/// (<c>profile switch { "demo" =&gt; 32, _ =&gt; 16 }</c>, <c>profile == "small" ? 8_000 : null</c>).
/// </summary>
internal sealed class ParameterValues
{
    private readonly Dictionary<string, string> _literals = new(StringComparer.Ordinal);

    /// <summary>Notes the value of a parameter, for those behind it.</summary>
    public void Add(string place, string literal) => _literals[place] = literal;

    /// <summary>Whether an initialiser is of the kinds that are worked out here.</summary>
    public static bool CanBe(ExpressionSyntax expression) => expression switch
    {
        LiteralExpressionSyntax => !expression.IsKind(SyntaxKind.DefaultLiteralExpression),
        PrefixUnaryExpressionSyntax minus => minus.IsKind(SyntaxKind.UnaryMinusExpression) && minus.Operand is LiteralExpressionSyntax,
        MemberAccessExpressionSyntax { Expression: IdentifierNameSyntax type } => char.IsUpper(type.Identifier.Text[0]),
        CollectionExpressionSyntax list => list.Elements.All(element => element is ExpressionElementSyntax { Expression: LiteralExpressionSyntax }),
        ParenthesizedExpressionSyntax inner => CanBe(inner.Expression),
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.AddExpression } sum => IsText(sum.Left) && IsText(sum.Right),
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.EqualsExpression or (int)SyntaxKind.NotEqualsExpression } => true,
        IsPatternExpressionSyntax => true,
        ConditionalExpressionSyntax choice => CanBe(choice.WhenTrue) && CanBe(choice.WhenFalse),
        SwitchExpressionSyntax choice => choice.Arms.All(arm => CanBe(arm.Expression)),
        _ => false,
    };

    /// <summary>The C# literal that an initialiser comes to; its own text where it depends on something else than parameters.</summary>
    public string Of(ExpressionSyntax expression) => Evaluate(expression) ?? expression.WithoutTrivia().NormalizeWhitespace("", " ").ToString();

    /// <summary>Whether two literals are the same value: <c>1.0</c> in the notebook and <c>1d</c> from the command line are.</summary>
    public static bool AreSame(string left, string right)
    {
        return left == right || (ValueOf(left), ValueOf(right)) switch
        {
            (double or float, not null) or (not null, double or float) => AsDouble(left) is { } one && one.Equals(AsDouble(right)),
            (string one, string other) => one == other,
            (long one, long other) => one == other,
            _ => false,
        };

        static object? ValueOf(string literal) => SyntaxFactory.ParseExpression(literal) switch
        {
            LiteralExpressionSyntax { Token.Value: int or uint or long } whole => Convert.ToInt64(whole.Token.Value, CultureInfo.InvariantCulture),
            LiteralExpressionSyntax value => value.Token.Value,
            PrefixUnaryExpressionSyntax { RawKind: (int)SyntaxKind.UnaryMinusExpression } minus => ValueOf(minus.Operand.ToString()) switch
            {
                long whole => -whole,
                double number => -number,
                float number => -number,
                _ => null,
            },
            _ => null,
        };

        static double? AsDouble(string literal) => ValueOf(literal) switch { long whole => whole, double number => number, float number => number, _ => null };
    }

    private string? Evaluate(ExpressionSyntax expression) => expression switch
    {
        ParenthesizedExpressionSyntax inner => Evaluate(inner.Expression),
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.AddExpression } sum => SymbolDisplay.FormatLiteral(Text(sum.Left) + Text(sum.Right), quote: true),
        BinaryExpressionSyntax or IsPatternExpressionSyntax => Holds(expression) is { } holds ? (holds ? "true" : "false") : null,
        ConditionalExpressionSyntax choice => Holds(choice.Condition) is { } holds ? Evaluate(holds ? choice.WhenTrue : choice.WhenFalse) : null,
        SwitchExpressionSyntax choice => Known(choice.GoverningExpression) is { } value
            ? choice.Arms.FirstOrDefault(arm => arm.WhenClause is null && Matches(arm.Pattern, value)) is { } arm ? Evaluate(arm.Expression) : null
            : null,
        IdentifierNameSyntax or MemberAccessExpressionSyntax => Known(expression),
        _ => expression.WithoutTrivia().ToString(),
    };

    private bool? Holds(ExpressionSyntax condition) => condition switch
    {
        ParenthesizedExpressionSyntax inner => Holds(inner.Expression),
        IsPatternExpressionSyntax test => Known(test.Expression) is { } value ? Matches(test.Pattern, value) : null,
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.EqualsExpression } equals => AreEqual(equals),
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.NotEqualsExpression } differs => !AreEqual(differs),
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.LogicalAndExpression } both => Holds(both.Left) & Holds(both.Right),
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.LogicalOrExpression } either => Holds(either.Left) | Holds(either.Right),
        LiteralExpressionSyntax literal => literal.IsKind(SyntaxKind.TrueLiteralExpression),
        _ => Known(condition) is "true" or "false" ? Known(condition) == "true" : null,
    };

    private bool? AreEqual(BinaryExpressionSyntax pair) => (Known(pair.Left), Known(pair.Right)) is ({ } left, { } right) ? left == right : null;

    private static bool Matches(PatternSyntax pattern, string value) => pattern switch
    {
        DiscardPatternSyntax => true,
        ConstantPatternSyntax constant => constant.Expression.ToString() == value,
        ParenthesizedPatternSyntax inner => Matches(inner.Pattern, value),
        UnaryPatternSyntax not => !Matches(not.Pattern, value),
        BinaryPatternSyntax { RawKind: (int)SyntaxKind.OrPattern } either => Matches(either.Left, value) || Matches(either.Right, value),
        BinaryPatternSyntax both => Matches(both.Left, value) && Matches(both.Right, value),
        _ => false,
    };

    /// <summary>The literal of a parameter; a literal or a member of an enumeration as it stands; null for everything else.</summary>
    private string? Known(ExpressionSyntax expression) => expression switch
    {
        LiteralExpressionSyntax => expression.ToString(),
        IdentifierNameSyntax name => _literals.GetValueOrDefault(name.Identifier.Text),
        MemberAccessExpressionSyntax member => _literals.GetValueOrDefault(member.ToString()) ?? (CanBe(member) ? member.ToString() : null),
        _ => null,
    };

    private static bool IsText(ExpressionSyntax expression) => expression.IsKind(SyntaxKind.StringLiteralExpression)
        || (expression is BinaryExpressionSyntax { RawKind: (int)SyntaxKind.AddExpression } sum && IsText(sum.Left) && IsText(sum.Right));

    private static string Text(ExpressionSyntax expression) =>
        expression is BinaryExpressionSyntax sum ? Text(sum.Left) + Text(sum.Right) : ((LiteralExpressionSyntax)expression).Token.ValueText;
}
