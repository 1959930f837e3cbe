using System.Globalization;
using System.Reflection;

namespace NotebookLib.Platform;

/// <summary>
/// What a setting may be, and how a message says so: declared once, at the setting. A setting of an enum's type needs none, it is one of the names.
/// </summary>
/// <param name="words">What was expected, with a value that would work: <c>a rate above 0, for instance 5e-5</c>.</param>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class ExpectedAttribute(string words) : Attribute
{
    /// <summary>What was expected.</summary>
    public string Words => words;

    /// <summary>The smallest number; every finite one where nothing is said.</summary>
    public double Least { get; init; } = double.MinValue;

    /// <summary>The largest number; infinity allows what is not finite.</summary>
    public double Most { get; init; } = double.MaxValue;

    /// <summary>A number that is itself too small.</summary>
    public double Above { get; init; } = double.NaN;

    /// <summary>A number that is itself too large.</summary>
    public double Below { get; init; } = double.NaN;

    /// <summary>Whether null is a fault too.</summary>
    public bool IsNeeded { get; init; }

    /// <summary>Another setting, which makes this one count for nothing when it is not null.</summary>
    public string? Unless { get; init; }

    /// <summary>Whether a value is fit.</summary>
    public bool Allows(object? value) => value switch
    {
        null => !IsNeeded,
        string text => !string.IsNullOrWhiteSpace(text),
        IReadOnlyCollection<string> names => names.Count > 0,
        ICheckedSetting setting => setting.IsValid,
        _ => Allows(Convert.ToDouble(value, CultureInfo.InvariantCulture)),
    };

    private bool Allows(double number) => number >= Least && number <= Most && !(number <= Above) && !(number >= Below);
}

/// <summary>A setting's value that knows itself whether it makes sense.</summary>
internal interface ICheckedSetting
{
    /// <summary>True when it makes sense.</summary>
    bool IsValid { get; }

    /// <summary>How a message shows it.</summary>
    object Seen { get; }
}

/// <summary>The one way in which settings are checked and their faults are worded: the name, the value seen, and what would work.</summary>
internal static class SettingRules
{
    /// <summary>Finds the faults of settings each by itself, in the order of their declarations (<see cref="ExpectedAttribute"/>, enums).</summary>
    public static List<string> FindFaults(object settings)
    {
        var faults = new List<string>();
        foreach (var property in settings.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
            var expected = property.GetCustomAttribute<ExpectedAttribute>();
            if (expected is null && !type.IsEnum)
            {
                continue;
            }

            var value = property.GetValue(settings);
            if (type.IsEnum)
            {
                Require(value is null || Enum.IsDefined(type, value), property.Name, value, "one of " + string.Join(", ", Enum.GetNames(type)), faults);
            }
            else if (expected!.Unless is not { } other || settings.GetType().GetProperty(other)!.GetValue(settings) is null)
            {
                Require(expected.Allows(value), property.Name, Seen(value), expected.Words, faults);
            }
        }

        return faults;
    }

    /// <summary>Adds a fault when a rule does not hold.</summary>
    /// <param name="holds">Whether all is well.</param>
    /// <param name="name">The setting.</param>
    /// <param name="seen">Its value.</param>
    /// <param name="expected">What would work.</param>
    /// <param name="faults">Where to.</param>
    public static void Require(bool holds, string name, object? seen, string expected, List<string> faults)
    {
        if (!holds)
        {
            faults.Add($"{name} is {(seen is null ? "null" : Convert.ToString(seen, CultureInfo.InvariantCulture))}; expected {expected}.");
        }
    }

    /// <summary>Refuses settings with faults.</summary>
    /// <param name="what">Whose they are: <c>training</c>, <c>LoRA</c>.</param>
    /// <param name="faults">What was found.</param>
    /// <exception cref="ArgumentException">There are faults: all together, a line each.</exception>
    public static void ThrowIfFaulty(string what, IReadOnlyList<string> faults)
    {
        if (faults.Count > 0)
        {
            throw new ArgumentException($"The {what} settings have {faults.Count} {(faults.Count == 1 ? "fault" : "faults")}:\n"
                + string.Join('\n', faults.Select(fault => "  " + fault)));
        }
    }

    private static object? Seen(object? value) => value switch
    {
        string text => $"\"{text}\"",
        IReadOnlyCollection<string> => "empty",
        ICheckedSetting setting => setting.Seen,
        _ => value,
    };
}
