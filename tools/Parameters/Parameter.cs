using Microsoft.CodeAnalysis.Text;

namespace NotebookRunner.Parameters;

/// <summary>One knob of a notebook: a declaration with a literal in the parameter cell, for instance <c>var seed = 42; // makes runs repeatable</c>.</summary>
/// <param name="Name">The variable's name.</param>
/// <param name="Type">What values it takes.</param>
/// <param name="IsNullable">Whether <c>null</c> is one of them.</param>
/// <param name="Literal">The initialiser as C# text.</param>
/// <param name="Doc">The comment beside or above it: meaning and unit.</param>
/// <param name="Choices">The values that the comment lists (<c>demo | small | full</c>); empty when any value goes.</param>
/// <param name="LiteralSpan">Where <paramref name="Literal"/> stands in the cell.</param>
internal sealed record Parameter(
    string Name, ParameterType Type, bool IsNullable, string Literal, string Doc, IReadOnlyList<string> Choices, TextSpan LiteralSpan)
{
    public string TypeName => Type.Keyword + (IsNullable ? "?" : "");
}

/// <summary>A parameter and its value in a run.</summary>
/// <param name="Parameter">The declaration.</param>
/// <param name="Literal">The value as C# text.</param>
/// <param name="IsSet">True when it came from the command line.</param>
internal sealed record ParameterValue(Parameter Parameter, string Literal, bool IsSet);

/// <summary>A parameter that was named or valued wrongly; the message says what would be right.</summary>
internal sealed class ParameterException(string message) : Exception(message);
