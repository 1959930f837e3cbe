extern alias lib;

using System.Globalization;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace NotebookRunner.Parameters;

/// <summary>A type that parameters may have: how a value is read from the command line and written as a C# literal.</summary>
internal sealed class ParameterType
{
    private const NumberStyles Whole = NumberStyles.AllowLeadingSign;
    private const NumberStyles Real = NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;

    private static readonly ParameterType Words = new("string[]", typeof(IReadOnlyList<string>), "words with commas between", text =>
        $"[{string.Join(", ", text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Select(word => SymbolDisplay.FormatLiteral(word, quote: true)))}]");

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
        new("float", typeof(float), "a number",
            text => float.TryParse(text, Real, Culture, out var value) && float.IsFinite(value) ? value.ToString("R", Culture) + "f" : null),
        new("double", typeof(double), "a number",
            text => double.TryParse(text, Real, Culture, out var value) && double.IsFinite(value) ? value.ToString("R", Culture) + "d" : null),
        new("decimal", typeof(decimal), "a number", text => decimal.TryParse(text, Real, Culture, out var value) ? value.ToString(Culture) + "m" : null),
        new("string", typeof(string), "text", text => SymbolDisplay.FormatLiteral(text, quote: true)),
    ];

    /// <summary>The C# keyword, or the name of an enumeration.</summary>
    public string Keyword { get; }

    /// <summary>The type of a literal's value.</summary>
    public Type ClrType { get; }

    /// <summary>What a value should look like, in words.</summary>
    public string Expectation { get; }

    private static CultureInfo Culture => CultureInfo.InvariantCulture;

    /// <summary>The type of a C# keyword, or null when parameters cannot have it.</summary>
    public static ParameterType? OfKeyword(string keyword) =>
        All.Append(Words).FirstOrDefault(type => type.Keyword == keyword) ?? (LibraryTypes.Find(keyword) is { IsEnum: true } found ? OfEnum(found) : null);

    /// <summary>The type of a literal's value, or null when parameters cannot have it.</summary>
    public static ParameterType? OfValue(object? value) => All.FirstOrDefault(type => type.ClrType == value?.GetType());

    /// <summary>The type of a property of the library's settings, and whether it takes null; no type when parameters cannot have it.</summary>
    public static (ParameterType? Type, bool IsNullable) OfProperty(System.Reflection.PropertyInfo property)
    {
        var inner = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var isNullable = inner != property.PropertyType
            || (!inner.IsValueType
            && new System.Reflection.NullabilityInfoContext().Create(property).WriteState == System.Reflection.NullabilityState.Nullable);
        return (inner.IsEnum ? OfEnum(inner)
            : inner == typeof(IReadOnlyList<string>) ? Words
            : All.FirstOrDefault(type => type.ClrType == inner) ?? (ConvertsFromDouble(inner) ? All.First(type => type.ClrType == typeof(double)) : null),
            isNullable);
    }

    /// <summary>The type that an initialiser shows: that of its literals.</summary>
    public static ParameterType? OfExpression(ExpressionSyntax expression) => expression switch
    {
        LiteralExpressionSyntax { Token: var token } => OfValue(token.Value),
        PrefixUnaryExpressionSyntax minus => OfExpression(minus.Operand),
        ParenthesizedExpressionSyntax inner => OfExpression(inner.Expression),
        CollectionExpressionSyntax => Words,
        MemberAccessExpressionSyntax { Expression: IdentifierNameSyntax type } => OfKeyword(type.Identifier.Text),
        BinaryExpressionSyntax { RawKind: (int)SyntaxKind.AddExpression } sum => OfExpression(sum.Left),
        BinaryExpressionSyntax or IsPatternExpressionSyntax => OfValue(true),
        ConditionalExpressionSyntax choice => Widest([choice.WhenTrue, choice.WhenFalse]),
        SwitchExpressionSyntax choice => Widest(choice.Arms.Select(arm => arm.Expression)),
        _ => null,
    };

    /// <summary>The C# literal for a value from the command line, or null when it is not one of this type.</summary>
    public string? ToLiteral(string text) => _toLiteral(text);

    /// <summary>The values of an enumeration; empty for other types.</summary>
    public IReadOnlyList<string> Members => ClrType.IsEnum ? Enum.GetNames(ClrType) : [];

    private static ParameterType OfEnum(Type type) => new(type.Name, type, $"one of {string.Join(", ", Enum.GetNames(type))}", text =>
        Enum.GetNames(type).FirstOrDefault(name => string.Equals(name, text, StringComparison.OrdinalIgnoreCase)) is { } member
            ? $"{type.Name}.{member}" : null);

    private static bool ConvertsFromDouble(Type type) => type.GetMethod("op_Implicit", [typeof(double)])?.ReturnType == type;

    // 1 and 0.5 together are numbers with a fraction, as the compiler sees it.
    private static ParameterType? Widest(IEnumerable<ExpressionSyntax> arms)
    {
        var types = arms.Select(OfExpression).OfType<ParameterType>().ToList();
        return types.Find(type => type.Keyword == "double") ?? types.FirstOrDefault();
    }
}

/// <summary>
/// The library's public types by their simple names: what a parameter cell's <c>new TrainingSettings { … }</c> and <c>ScheduleShape.Cosine</c> mean.
/// </summary>
internal static class LibraryTypes
{
    private static readonly Lazy<Dictionary<string, Type>> Found = new(() =>
    {
        LibraryFolder.MakeLoadable();
        return Exported();
    });

    /// <summary>A type, or null when the library has none of that name.</summary>
    public static Type? Find(string name) => Found.Value.GetValueOrDefault(name);

    private static Dictionary<string, Type> Exported()
    {
        var types = new Dictionary<string, Type>(StringComparer.Ordinal);
        foreach (var type in typeof(lib::NotebookLib.Training.TrainingSettings).Assembly.GetExportedTypes()
            .Where(type => type.IsEnum || type.GetMethod("<Clone>$") is not null))
        {
            types.TryAdd(type.Name, type);
        }

        return types;
    }
}
