using System.Text.Json;
using System.Text.Json.Serialization;
using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>How often something happens: every so many updates, or every so large a fraction of the whole run, or never.</summary>
/// <param name="Value">A whole number of updates from 1 on; a fraction of all updates between 0 and 1; 0 for never.</param>
[JsonConverter(typeof(IntervalJsonConverter))]
public readonly record struct Interval(double Value) : ICheckedSetting
{
    internal const string Words = "a whole number of updates (10), a fraction of the run below 1 (0.05), or 0 for never";

    /// <summary>It never happens.</summary>
    public static Interval Never => new(0);

    /// <summary>Reads a number as an interval: 10 is every tenth update, 0.05 is twenty times a run.</summary>
    public static implicit operator Interval(double value) => new(value);

    /// <inheritdoc cref="op_Implicit(double)"/>
    public static Interval FromDouble(double value) => new(value);

    /// <summary>True when the number makes sense.</summary>
    public bool IsValid => Value is >= 0 and < 1 || (Value is >= 1 and <= int.MaxValue && Value == Math.Floor(Value));

    object ICheckedSetting.Seen => Value;

    /// <summary>The interval in updates; a fraction is rounded up, as transformers 4.35.2 does (trainer.py, <c>state.logging_steps</c>).</summary>
    /// <param name="updates">Updates of the whole run.</param>
    /// <returns>At least 1, or 0 for never.</returns>
    public int InUpdates(int updates) => Value < 1 ? (int)Math.Ceiling(updates * Value) : (int)Value;

    /// <inheritdoc />
    public override string ToString() => Value == 0 ? "never" : Value < 1
        ? Invariant($"every {Value:0.####} of the run")
        : Invariant($"every {Value:0} updates");

    private sealed class IntervalJsonConverter : JsonConverter<Interval>
    {
        public override Interval Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => reader.GetDouble();

        public override void Write(Utf8JsonWriter writer, Interval value, JsonSerializerOptions options) => writer.WriteNumberValue(value.Value);
    }
}
