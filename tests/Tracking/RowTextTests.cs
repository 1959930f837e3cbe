using System.Numerics;
using System.Text;
using System.Text.Json;
using NotebookLib.Net;
using NotebookLib.Tracking;
using static NotebookLib.Tests.Tracking.TrackingFixture;

namespace NotebookLib.Tests.Tracking;

/// <summary>Values on the wire, as W&amp;B's clients write them.</summary>
public sealed class RowTextTests
{
    public static TheoryData<object?, string> Values => new()
    {
        { null, "null" },
        { double.NaN, "NaN" },
        { float.PositiveInfinity, "Infinity" },
        { double.NegativeInfinity, "-Infinity" },
        { 0.1f, "0.10000000149011612" },
        { 0.1, "0.1" },
        { 1.0, "1" },
        { 1e-8, "1E-08" },
        { 9007199254740993L, "9007199254740993" },
        { ulong.MaxValue, "18446744073709551615" },
        { BigInteger.Pow(10, 30), "1000000000000000000000000000000" },
        { 1.10m, "1.10" },
        { (Half)0.5, "0.5" },
        { true, "true" },
        { "naïve ☃ \"quoted\" \\ \n", "\"naïve ☃ \\\"quoted\\\" \\\\ \\n\"" },
        { "half \uD83D of a pair", "\"half \uFFFD of a pair\"" },
        { DayOfWeek.Monday, "\"Monday\"" },
        { new[] { 1, 2 }, "[1,2]" },
        { new object?[] { 1, null, double.NaN }, "[1,null,NaN]" },
        { TimeSpan.FromSeconds(1.5), "1.5" },
        { JsonDocument.Parse("{\"a\":[1.50,\"x\"]}").RootElement, "{\"a\":[1.50,\"x\"]}" },
    };

    [Theory]
    [MemberData(nameof(Values))]
    public void A_value_has_the_clients_form(object? value, string expected) =>
        Assert.Equal($"{{\"k\":{expected},\"_step\":7,\"_runtime\":1.5,\"_timestamp\":2.5}}", Text(Row(("k", value))));

    [Theory]
    [InlineData("a.b.c")]
    [InlineData("train/loss")]
    [InlineData("ключ/日本 😀")]
    [InlineData("with \"quotes\" and \\")]
    [InlineData(" ")]
    public void Keys_are_sent_as_they_are_typed(string key)
    {
        using var row = JsonDocument.Parse(Text(Row((key, 1))));

        Assert.Equal(1, row.RootElement.GetProperty(key).GetInt32());
    }

    [Fact]
    public void Nested_values_stay_nested()
        => Assert.StartsWith("{\"nested\":{\"a\":1,\"b\":{\"c\":2.5,\"4\":\"x\"}},",
            Text(Row(("nested", Row(("a", 1), ("b", new Dictionary<object, object> { ["c"] = 2.5, [4] = "x" }))))), StringComparison.Ordinal);

    [Fact]
    public void Dictionaries_of_any_type_are_objects()
        => Assert.StartsWith("{\"scores\":{\"f1\":0.5},\"sorted\":{\"1\":\"x\"},",
            Text(Row(("scores", new Dictionary<string, double> { ["f1"] = 0.5 }), ("sorted", new SortedList<int, string> { [1] = "x" }))),
            StringComparison.Ordinal);

    [Theory]
    [InlineData("_step")]
    [InlineData("_runtime")]
    [InlineData("_timestamp")]
    [InlineData("")]
    public void Keys_that_the_tracker_fills_are_refused(string key)
        => Assert.Contains("expected a name other than", Assert.Throws<ArgumentException>(() => Text(Row((key, 1)))).Message, StringComparison.Ordinal);

    [Fact]
    public async Task A_value_without_a_form_is_named_with_its_key_and_the_row_is_not_logged()
    {
        var folder = Directory.CreateTempSubdirectory("tracking-").FullName;
        var run = TrackedRun.Start("offline", folder);

        var fault = Assert.Throws<ArgumentException>(() => run.Log(Row(("ok", 1), ("task", Task.CompletedTask))));

        Assert.Contains("key \"task\": a value of type", fault.Message, StringComparison.Ordinal);
        Assert.Equal(0, run.Status().RowsKept);
        await run.DisposeAsync();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_value_that_contains_itself_is_refused()
    {
        var self = new Dictionary<string, object?>();
        self["self"] = self;

        Assert.Contains("nested deeper than 32", Assert.Throws<ArgumentException>(() => Text(self)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Configurations_hold_no_bare_NaN()
        => Assert.Equal("\"NaN\"", RowText.Value(double.NaN, isConfig: true));

    [Theory]
    [InlineData("{}", "")]
    [InlineData("{\"a\":NaN,\"b\":{\"c\":[1,{\"d\":\"},]\"}]},\"e\":\"\\\"}\"}", "a=NaN|b={\"c\":[1,{\"d\":\"},]\"}]}|e=\"\\\"}\"")]
    [InlineData(" { \"a\" : 1.50 , \"b\":-Infinity }", "a=1.50|b=-Infinity")]
    public void Members_are_split_without_being_read(string json, string expected)
        => Assert.Equal(expected, string.Join('|', JsonMembers.Split(json).Select(member => $"{member.Key}={member.Value}")));

    [Theory]
    [InlineData("")]
    [InlineData("[1]")]
    [InlineData("{\"a\":1")]
    [InlineData("{\"a\"}")]
    [InlineData("{\"a\":1}x")]
    public void What_is_no_object_is_refused(string json) => Assert.Throws<FormatException>(() => JsonMembers.Split(json).Count());

    private static string Text(IEnumerable<KeyValuePair<string, object?>> row)
    {
        using var text = new RowText(Secrets.None);
        return Encoding.UTF8.GetString(text.History(row, 7, 1.5, 2.5));
    }
}
