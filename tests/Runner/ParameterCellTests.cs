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
        NotebookCell[] cells = [new("markdown", "// parameters", 1), new("csharp", "var x = 1;", 2), new("csharp", "// Parameters\nvar y = 1;", 3), new("csharp", "// parameters\nvar z = 1;", 5)];

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

    private static ParameterCell Cell() => ParameterCell.Find([new("csharp", Source, 1)])!;
}
