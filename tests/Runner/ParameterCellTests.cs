extern alias runner;

using runner::NotebookRunner.Documents;
using runner::NotebookRunner.Parameters;

namespace NotebookLib.Tests.Runner;

public class ParameterCellTests
{
    private const string Source = """
        // parameters: literals only, set with -p name=value
        string profile = "demo";    // demo | small | full: how much work
        var seed = 42;              // makes runs repeatable
        // peak of the schedule
        // per update
        double learningRate = 2e-5;
        float dropout = 0.1f; bool useLora = false;
        long rows = -1L;
        decimal price = 1.5m;
        string? path = null;        // a folder
        int? steps = null;
        var doubled = seed * 2;
        """;

    [Fact]
    public void Every_declaration_with_a_literal_is_a_parameter_with_type_default_and_meaning()
    {
        var found = Cell().Parameters.Select(parameter => $"{parameter.TypeName} {parameter.Name} = {parameter.Literal} // {parameter.Doc}");

        Assert.Equal(
            [
                "string profile = \"demo\" // demo | small | full: how much work",
                "int seed = 42 // makes runs repeatable",
                "double learningRate = 2e-5 // peak of the schedule per update",
                "float dropout = 0.1f // ",
                "bool useLora = false // ",
                "long rows = -1L // ",
                "decimal price = 1.5m // ",
                "string? path = null // a folder",
                "int? steps = null // ",
            ],
            found);
    }

    [Theory]
    [InlineData("seed", "7", "var seed = 7;              // makes runs repeatable")]
    [InlineData("seed", "-7", "var seed = -7; ")]
    [InlineData("learningRate", "1", "double learningRate = 1d;")]
    [InlineData("learningRate", "3.5E-4", "double learningRate = 0.00035d;")]
    [InlineData("dropout", ".25", "float dropout = 0.25f; bool useLora = false;")]
    [InlineData("useLora", "True", "bool useLora = true;")]
    [InlineData("rows", "9000000000", "long rows = 9000000000L;")]
    [InlineData("price", "2.50", "decimal price = 2.50m;")]
    [InlineData("profile", "full", "string profile = \"full\";")]
    [InlineData("path", "C:\\a \"b\"\n=c", "string? path = \"C:\\\\a \\\"b\\\"\\n=c\";")]
    [InlineData("path", "null", "string? path = null;")]
    [InlineData("steps", "12", "int? steps = 12;")]
    public void Setting_a_parameter_rewrites_its_literal_and_nothing_else(string name, string value, string line)
    {
        var changed = Cell().With(new Dictionary<string, string> { [name] = value });

        Assert.Contains(line, changed, StringComparison.Ordinal);
        Assert.Equal(1, Source.Split('\n').Zip(changed.Split('\n'), (before, after) => before == after ? 0 : 1).Sum() + (value == "null" ? 1 : 0));
    }

    [Fact]
    public void Several_parameters_are_set_at_once()
    {
        var changed = Cell().With(new Dictionary<string, string> { ["seed"] = "1234567", ["profile"] = "small", ["steps"] = "3" });

        Assert.Contains("string profile = \"small\";", changed, StringComparison.Ordinal);
        Assert.Contains("var seed = 1234567;", changed, StringComparison.Ordinal);
        Assert.Contains("int? steps = 3;", changed, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sede", "1", "Did you mean 'seed'?")]
    [InlineData("learning_rate", "1", "Did you mean 'learningRate'?")]
    [InlineData("Seed", "1", "Did you mean 'seed'?")]
    [InlineData("entirelyOther", "1", "The notebook has: profile, seed,")]
    [InlineData("doubled", "1", "computed in the notebook")]
    [InlineData("seed", "x", "expected a whole number (int, like 42), found 'x'")]
    [InlineData("seed", "1.5", "expected a whole number")]
    [InlineData("seed", "99999999999", "expected a whole number")]
    [InlineData("seed", "1; Evil()", "expected a whole number")]
    [InlineData("learningRate", "NaN", "expected a number")]
    [InlineData("learningRate", "1,5", "expected a number")]
    [InlineData("useLora", "yes", "expected true or false")]
    [InlineData("profile", "ful", "Did you mean 'full'?")]
    [InlineData("seed", "null", "expected a whole number")]
    public void A_wrong_name_or_value_is_refused_with_what_would_be_right(string name, string value, string expected)
    {
        var error = Assert.Throws<ParameterException>(() => Cell().With(new Dictionary<string, string> { [name] = value }));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_parameter_cell_is_the_first_one_that_says_so()
    {
        NotebookCell[] cells = [new("markdown", "// parameters", 1), new("csharp", "var x = 1;", 2), new("csharp", "// Parameters\nvar y = 1;", 3),
            new("csharp", "// parameters\nvar z = 1;", 5)];

        Assert.Equal("y", ParameterCell.Find(cells)!.Parameters.Single().Name);
        Assert.Null(ParameterCell.Find([.. cells.Take(2)]));
    }

    [Theory]
    [InlineData("kitten", "sitting", 3)]
    [InlineData("seed", "sede", 1)]
    [InlineData("", "abc", 3)]
    [InlineData("same", "same", 0)]
    public void Distance_counts_insertions_deletions_replacements_and_swaps(string a, string b, int distance)
    {
        Assert.Equal(distance, Suggestion.Distance(a, b));
    }

    private const string Settings = """
        // parameters
        var profile = "demo";  // demo | full
        var shape = ScheduleShape.Cosine;
        var settings = new TrainingSettings
        {
            LearningRate = profile switch { "demo" => 5e-3, _ => 1e-4 },  // the peak
            // over all sentences
            Epochs = shape == ScheduleShape.Linear || profile is "full" or "other" ? 3 : 4,
            MaximumUpdates = null,  // null lets the epochs decide
            BatchSize = profile switch  // sentences
            {
                "full" => 16,
                _ => 32,
            },
            Schedule = ScheduleShape.Linear,  // Linear | Cosine | Constant
            SaveEvery = 257,
            OutputFolder = Path.Combine("a", "b"),
        };
        var lora = new LoraSettings { Rank = 4, Targets = ["query_proj", "key_proj"] };
        var text = profile == "demo" ? "a" : "b"
            + "c";
        var own = new Anything { Width = 3, Unknown = null };
        """;

    [Fact]
    public void Properties_of_the_objects_that_the_cell_makes_are_parameters_with_the_value_that_will_hold()
    {
        var found = Of(Settings).Valued(new Dictionary<string, string>())
            .Select(value => $"{value.Parameter.TypeName} {value.Parameter.Name} = {value.Literal} // {value.Parameter.Doc}");

        Assert.Equal(
            [
                "string profile = \"demo\" // demo | full", "ScheduleShape shape = ScheduleShape.Cosine // ", "double learningRate = 5e-3 // the peak",
                "double epochs = 4 // over all sentences",
                "int? maximumUpdates = null // null lets the epochs decide", "int batchSize = 32 // sentences",
                "ScheduleShape schedule = ScheduleShape.Linear // Linear | Cosine | Constant",
                "double saveEvery = 257 // ", "int? rank = 4 // ", "string[]? targets = [\"query_proj\", \"key_proj\"] // ", "string text = \"a\" // ",
                "int width = 3 // ",
            ],
            found);
    }

    [Fact]
    public void What_depends_on_the_profile_follows_it_and_what_is_set_wins()
    {
        string Value(string name, params (string Name, string Value)[] set) =>
            Of(Settings).Valued(set.ToDictionary(pair => pair.Name, pair => pair.Value)).Single(value => value.Parameter.Name == name).Literal;

        Assert.Equal(("1e-4", "16", "3", "\"bc\""),
            (Value("learningRate", ("profile", "full")), Value("batchSize", ("profile", "full")), Value("epochs", ("profile", "full")),
            Value("text", ("profile", "full"))));
        Assert.Equal(("3", "0.002d"), (Value("epochs", ("shape", "linear")), Value("learningRate", ("profile", "full"), ("learningRate", "2e-3"))));
        var value = Of(Settings).Valued(new Dictionary<string, string> { ["profile"] = "full", ["batchSize"] = "8" })
            .Single(value => value.Parameter.Name == "batchSize");
        Assert.Equal(("8", "16", true), (value.Literal, value.Default, value.IsSet));
    }

    [Theory]
    [InlineData("batchSize", "8", "    BatchSize = 8,  // sentences", true)]
    [InlineData("schedule", "CONSTANT", "    Schedule = ScheduleShape.Constant,  // Linear", false)]
    [InlineData("targets", "query_proj, value_proj", "Targets = [\"query_proj\", \"value_proj\"] }", false)]
    [InlineData("targets", "", "Targets = [] }", false)]
    [InlineData("loraRank", "16", "{ Rank = 16, ", false)]
    [InlineData("updates", "7", "    MaximumUpdates = 7,", false)]
    [InlineData("saveEvery", "0.5", "    SaveEvery = 0.5d,", false)]
    public void Setting_a_property_rewrites_its_value_alone(string name, string value, string expected, bool losesComment)
    {
        var changed = Of(Settings).With(new Dictionary<string, string> { [name] = value });

        Assert.Contains(losesComment ? expected[..expected.IndexOf("  //", StringComparison.Ordinal)] : expected, changed, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("schedule", "cubic", "expected one of Linear, Cosine, Constant, found 'cubic'")]
    [InlineData("rank", "1.5", "expected a whole number (int?, like 4)")]
    [InlineData("BatchSize", "8", "Did you mean 'batchSize'?")]
    [InlineData("outputFolder", "x", "There is no parameter 'outputFolder'")]
    [InlineData("batchSize", "null", "expected a whole number")]
    public void A_wrong_property_or_value_is_refused(string name, string value, string expected)
    {
        var error = Assert.Throws<ParameterException>(() => Of(Settings).With(new Dictionary<string, string> { [name] = value }));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_parameter_by_two_names_is_set_twice()
    {
        var error = Assert.Throws<ParameterException>(() => Of(Settings).With(new Dictionary<string, string> { ["rank"] = "8", ["loraRank"] = "16" }));

        Assert.Contains("'rank' is set twice", error.Message, StringComparison.Ordinal);
    }

    private static ParameterCell Of(string source) => ParameterCell.Find([new("csharp", source, 1)])!;

    private static ParameterCell Cell() => ParameterCell.Find([new("csharp", Source, 1)])!;

    [Theory]
    [InlineData("1.0", "1d", true)]
    [InlineData("1e-3", "0.001d", true)]
    [InlineData("-2", "-2L", true)]
    [InlineData("1", "1d", true)]
    [InlineData("9007199254740993", "9007199254740992L", false)]
    [InlineData("@\"a\\b\"", "\"a\\\\b\"", true)]
    [InlineData("\"1\"", "1", false)]
    [InlineData("null", "null", true)]
    [InlineData("true", "false", false)]
    [InlineData("Mode.A", "Mode.B", false)]
    public void Literals_are_the_same_when_their_values_are(string left, string right, bool expected)
    {
        Assert.Equal(expected, ParameterValues.AreSame(left, right));
        Assert.Equal(expected, ParameterValues.AreSame(right, left));
    }
}
