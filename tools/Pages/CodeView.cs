using System.Net;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace NotebookRunner.Pages;

/// <summary>Colours C# by the compiler's own tokens.</summary>
internal static class CodeView
{
    private static readonly CSharpParseOptions ScriptOptions = new(LanguageVersion.CSharp14, kind: SourceCodeKind.Script);

    /// <summary>
    /// The source as HTML: escaped text with spans of class <c>k</c>eyword, <c>s</c>tring, <c>n</c>umber, <c>c</c>omment, <c>d</c>irective, <c>t</c>ype,
    /// <c>m</c>ethod.
    /// </summary>
    public static string ToHtml(string source)
    {
        var html = new StringBuilder();
        var root = CSharpSyntaxTree.ParseText(source, ScriptOptions).GetRoot();
        foreach (var token in root.DescendantTokens())
        {
            AppendTrivia(html, token.LeadingTrivia);
            Append(html, token.ToString(), ClassOf(token));
            AppendTrivia(html, token.TrailingTrivia);
        }

        return html.ToString();
    }

    private static void AppendTrivia(StringBuilder html, SyntaxTriviaList trivia)
    {
        foreach (var piece in trivia)
        {
            var isComment = piece.Kind() is SyntaxKind.SingleLineCommentTrivia or SyntaxKind.MultiLineCommentTrivia
                or SyntaxKind.SingleLineDocumentationCommentTrivia or SyntaxKind.MultiLineDocumentationCommentTrivia;
            Append(html, piece.ToFullString(), isComment ? "c" : piece.IsDirective ? "d" : null);
        }
    }

    private static void Append(StringBuilder html, string text, string? cssClass)
    {
        var escaped = WebUtility.HtmlEncode(text);
        html.Append(cssClass is null ? escaped : $"<span class=\"{cssClass}\">{escaped}</span>");
    }

    private static string? ClassOf(SyntaxToken token) => token.Kind() switch
    {
        SyntaxKind.NumericLiteralToken => "n",
        SyntaxKind.StringLiteralToken or SyntaxKind.CharacterLiteralToken or SyntaxKind.SingleLineRawStringLiteralToken
            or SyntaxKind.MultiLineRawStringLiteralToken
            or SyntaxKind.InterpolatedStringStartToken or SyntaxKind.InterpolatedStringTextToken or SyntaxKind.InterpolatedStringEndToken
            or SyntaxKind.InterpolatedVerbatimStringStartToken or SyntaxKind.InterpolatedSingleLineRawStringStartToken
            or SyntaxKind.InterpolatedMultiLineRawStringStartToken or SyntaxKind.InterpolatedRawStringEndToken => "s",
        SyntaxKind.IdentifierToken => ClassOfIdentifier(token),
        _ => token.IsKeyword() || SyntaxFacts.IsContextualKeyword(token.Kind()) ? "k" : null,
    };

    private static string? ClassOfIdentifier(SyntaxToken token) => token.Parent switch
    {
        IdentifierNameSyntax { IsVar: true } => "k",
        BaseTypeDeclarationSyntax => "t",
        MethodDeclarationSyntax or LocalFunctionStatementSyntax => "m",
        SimpleNameSyntax { Parent: InvocationExpressionSyntax } => "m",
        SimpleNameSyntax { Parent: MemberAccessExpressionSyntax { Parent: InvocationExpressionSyntax } access } name when access.Name == name => "m",
        SimpleNameSyntax
        {
            Parent: ObjectCreationExpressionSyntax or VariableDeclarationSyntax or ParameterSyntax or TypeArgumentListSyntax
            or CastExpressionSyntax
        } => "t",
        GenericNameSyntax => "t",
        SimpleNameSyntax { Parent: MemberAccessExpressionSyntax access } name when access.Expression == name && token.ValueText is [var first, ..]
            && char.IsUpper(first) => "t",
        _ => null,
    };
}
