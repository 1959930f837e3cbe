namespace NotebookLib.Html;

/// <summary>
/// Names the class that makes a type's formatters. .NET Interactive knows this attribute by its simple name alone, wherever it is defined
/// (dotnet/interactive 098a01b docs/formatting.md and src/Microsoft.DotNet.Interactive.Formatting/Formatter.cs L553).
/// </summary>
/// <param name="formatterSourceType">A class with a parameterless constructor and <c>CreateTypeFormatters()</c>.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, Inherited = true)]
internal sealed class TypeFormatterSourceAttribute(Type formatterSourceType) : Attribute
{
    /// <summary>The class whose <c>CreateTypeFormatters()</c> is called.</summary>
    public Type FormatterSourceType { get; } = formatterSourceType;

    /// <summary>Both forms are kept, best first, so that a saved notebook also reads well where HTML is not shown.</summary>
    public string[] PreferredMimeTypes { get; } = ["text/html", "text/plain"];
}
