using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace NotebookLib.Tests.House;

/// <summary>Lines keep the width that .editorconfig gives (max_line_length), which <c>dotnet format</c> does not check.</summary>
public sealed class WidthTests
{
    [Fact]
    public void No_line_is_wider_than_the_editorconfig_says_except_where_a_literal_leaves_no_place_to_break_it()
    {
        var width = int.Parse(File.ReadLines(Repository.PathOf(".editorconfig")).Single(line => line.StartsWith("max_line_length", StringComparison.Ordinal))
            .Split('=')[1], CultureInfo.InvariantCulture);
        var wide = ((string[])["lib", "tools", "tests", "bench", "data", "samples"])
            .SelectMany(folder => Directory.EnumerateFiles(Repository.PathOf(folder), "*.cs", SearchOption.AllDirectories))
            .Where(file => !file.Split(Path.DirectorySeparatorChar).Any(part => part is "obj" or "bin"))
            .SelectMany(file => WideLines(file, width));

        Assert.Empty(wide);
    }

    private static IEnumerable<string> WideLines(string file, int width)
    {
        var lines = File.ReadAllLines(file);
        if (lines.All(line => line.Length <= width))
        {
            yield break;
        }

        var tree = CSharpSyntaxTree.ParseText(File.ReadAllText(file));
        foreach (var line in tree.GetText().Lines.Where(line => line.Span.Length > width))
        {
            if (!tree.GetRoot().DescendantTokens(line.Span).Any(token => IsUnbreakable(token) && token.Span.IntersectsWith(line.Start + width)))
            {
                yield return $"{Path.GetRelativePath(Repository.Root, file)}:{line.LineNumber + 1}: {line.Span.Length} columns";
            }
        }
    }

    /// <summary>Text as it stands, raw or verbatim, and a string that has no blank to be cut at.</summary>
    private static bool IsUnbreakable(SyntaxToken token) =>
        token.Parent!.AncestorsAndSelf().OfType<InterpolatedStringExpressionSyntax>()
            .Any(text => !text.StringStartToken.IsKind(SyntaxKind.InterpolatedStringStartToken))
        || token.Kind() is SyntaxKind.SingleLineRawStringLiteralToken or SyntaxKind.MultiLineRawStringLiteralToken
        || (token.IsKind(SyntaxKind.StringLiteralToken) && (token.Text[0] == '@' || !token.Text.Contains(' ', StringComparison.Ordinal)));
}
