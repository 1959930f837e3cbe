using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace NotebookRunner.Parameters;

/// <summary>
/// One knob of a notebook, named once: a declaration in the parameter cell (<c>var seed = 42; // makes runs repeatable</c>), or a property of a settings object
/// that is made there (<c>LearningRate = profile == "demo" ? 1e-3 : 5e-5, // the peak</c>).
/// </summary>
/// <param name="Name">What <c>-p</c> calls it: the variable's name, or the property's with a small first letter.</param>
/// <param name="Place">Where the cell's expressions find it: <c>seed</c>, <c>settings.LearningRate</c>.</param>
/// <param name="Type">What values it takes.</param>
/// <param name="IsNullable">Whether <c>null</c> is one of them.</param>
/// <param name="Expression">The initialiser: a literal, a member of an enumeration, a list of literals, or a choice among such by other parameters.</param>
/// <param name="Doc">The comment beside or above it: meaning and unit.</param>
/// <param name="Choices">The values that the comment lists (<c>demo | small | full</c>); empty when any value goes.</param>
internal sealed record Parameter(
    string Name, string Place, ParameterType Type, bool IsNullable, ExpressionSyntax Expression, string Doc, IReadOnlyList<string> Choices)
{
    /// <summary>Where the initialiser stands in the cell.</summary>
    public TextSpan LiteralSpan => Expression.Span;

    /// <summary>The initialiser as the notebook has it, on one line.</summary>
    public string Literal => Expression.WithoutTrivia().NormalizeWhitespace("", " ").ToString();

    public string TypeName => Type.Keyword + (IsNullable ? "?" : "");
}

/// <summary>A parameter and its value in a run.</summary>
/// <param name="Parameter">The declaration.</param>
/// <param name="Literal">The value that holds, as C# text: what the profile decides is decided.</param>
/// <param name="Default">The value that would hold had the command line not set it.</param>
/// <param name="IsSet">True when it came from the command line.</param>
internal sealed record ParameterValue(Parameter Parameter, string Literal, string Default, bool IsSet);

/// <summary>A parameter that was named or valued wrongly; the message says what would be right.</summary>
internal sealed class ParameterException(string message) : Exception(message);
