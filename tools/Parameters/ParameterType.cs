using System.Globalization;
using Microsoft.CodeAnalysis.CSharp;

namespace NotebookRunner.Parameters;

/// <summary>A type that parameters may have: how a value is read from the command line and written as a C# literal.</summary>
internal sealed class ParameterType
{
    private const NumberStyles Whole = NumberStyles.AllowLeadingSign;
    private const NumberStyles Real = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    private readonly Func<string, string?> _toLiteral;

    private ParameterType(string keyword, Type clrType, string expectation, Func<string, string?> toLiteral)
    {
        (Keyword, ClrType, Expectation, _toLiteral) = (keyword, clrType, expectation, toLiteral);
    }

    public static IReadOnlyList<ParameterType> All { get; } =
    [
        new("bool", typeof(bool), "true or false", text => bool.TryParse(text, out var value) ? (value ? "true" : "false") : null),
        new("int", typeof(int), "a whole number", text => int.TryParse(text, Whole, Culture, out var value) ? value.ToString(Culture) : null),
        new("long", typeof(long), "a whole number", text => long.TryParse(text, Whole, Culture, out var value) ? $"{value}L" : null),
        new("float", typeof(float), "a number", text => float.TryParse(text, Real, Culture, out var value) && float.IsFinite(value) ? value.ToString("R", Culture) + "f" : null),
        new("double", typeof(double), "a number", text => double.TryParse(text, Real, Culture, out var value) && double.IsFinite(value) ? value.ToString("R", Culture) + "d" : null),
        new("decimal", typeof(decimal), "a number", text => decimal.TryParse(text, Real, Culture, out var value) ? value.ToString(Culture) + "m" : null),
        new("string", typeof(string), "text", text => SymbolDisplay.FormatLiteral(text, quote: true)),
    ];

    /// <summary>The C# keyword.</summary>
    public string Keyword { get; }

    /// <summary>The type of a literal's value.</summary>
    public Type ClrType { get; }

    /// <summary>What a value should look like, in words.</summary>
    public string Expectation { get; }

    private static CultureInfo Culture => CultureInfo.InvariantCulture;

    /// <summary>The type of a C# keyword, or null when parameters cannot have it.</summary>
    public static ParameterType? OfKeyword(string keyword) => All.FirstOrDefault(type => type.Keyword == keyword);

    /// <summary>The type of a literal's value, or null when parameters cannot have it.</summary>
    public static ParameterType? OfValue(object? value) => All.FirstOrDefault(type => type.ClrType == value?.GetType());

    /// <summary>The C# literal for a value from the command line, or null when it is not one of this type.</summary>
    public string? ToLiteral(string text) => _toLiteral(text);
}
