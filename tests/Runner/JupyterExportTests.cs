extern alias runner;

using System.Text.Json.Nodes;
using NJsonSchema;
using runner::NotebookRunner.Documents;
using runner::NotebookRunner.Reports;

namespace NotebookLib.Tests.Runner;

public class JupyterExportTests
{
    [Fact]
    public async Task A_run_with_everything_in_it_is_a_valid_notebook_of_format_4_5()
    {
        var schema = await Schema();

        Assert.Empty(schema.Validate(JupyterExport.ToJson(SampleRun.Create(withChart: true))));
    }

    [Fact]
    public async Task The_schema_notices_what_is_missing()
    {
        var schema = await Schema();
        var json = JupyterExport.ToJson(SampleRun.Create());

        Assert.NotEmpty(schema.Validate(json.Replace("\"id\"", "\"di\"", StringComparison.Ordinal)));
        Assert.NotEmpty(schema.Validate(json.Replace("\"traceback\"", "\"trace\"", StringComparison.Ordinal)));
        Assert.NotEmpty(schema.Validate(json.Replace("\"display_data\"", "\"display\"", StringComparison.Ordinal)));
    }

    [Fact]
    public void Outputs_are_those_of_the_page()
    {
        var cell = Cells(JupyterExport.ToJson(SampleRun.Create()))[1]!;

        Assert.Equal(
            ["stream", "display_data", "display_data", "stream", "display_data", "execute_result"],
            cell["outputs"]!.AsArray().Select(output => (string)output!["output_type"]!));
        Assert.Equal(1, (int)cell["execution_count"]!);
        Assert.Equal("parameters", (string)cell["metadata"]!["tags"]![0]!);
        Assert.Equal("csharp", (string)cell["metadata"]!["polyglot_notebook"]!["kernelName"]!);
    }

    [Fact]
    public void The_first_chart_brings_plotly_for_all()
    {
        var outputs = Cells(JupyterExport.ToJson(SampleRun.Create(withChart: true)))[1]!["outputs"]!.AsArray();
        var sizes = outputs.Select(output => output!["data"]?["text/html"]?.ToJsonString().Length ?? 0).Where(size => size > 0).ToList();

        Assert.Equal(4, sizes.Count);
        Assert.Single(sizes, size => size > 1_000_000);
        Assert.Equal(sizes.IndexOf(sizes.Max()), sizes.FindIndex(size => size > 1000));
    }

    [Fact]
    public void Ids_stay_the_same_from_run_to_run()
    {
        var ids = Ids(JupyterExport.ToJson(SampleRun.Create()));

        Assert.Equal(ids, Ids(JupyterExport.ToJson(SampleRun.Create(withChart: true))));
        Assert.Equal(ids.Count, ids.Distinct().Count());
    }

    [Fact]
    public async Task A_notebook_goes_to_ipynb_and_back_unchanged()
    {
        var notebook = new Notebook(new Dictionary<string, object>(),
            [new("markdown", "# Tïtle\n\ntext", 0), new("csharp", "// parameters\nvar a = 1;\n\na", 0)]);
        var json = JupyterExport.ToJson(notebook);

        Assert.Empty((await Schema()).Validate(json));
        Assert.Equal(notebook.Cells, NotebookFile.Parse(json, "n.ipynb").Cells);
    }

    [Theory]
    [InlineData("{}", "nbformat 4")]
    [InlineData("{\"nbformat\":3}", "found 3")]
    [InlineData("{\"nbformat\":4}", "not a Jupyter notebook")]
    [InlineData("{\"nbformat\":4,\"cells\":[{\"cell_type\":\"code\"}]}", "not a Jupyter notebook")]
    [InlineData("[1]", "not a Jupyter notebook")]
    [InlineData("", "is empty")]
    [InlineData("{\"nbformat\":4,\"cells\":[{\"cell_type\":\"code\",\"source\":5}]}", "cell 1: expected a source that is a text or a list of texts, found 5")]
    [InlineData("{\"nbformat\":4,\"cells\":[{\"cell_type\":\"code\",\"source\":[\"1\",2]}]}",
        "cell 1: expected a source that is a text or a list of texts, found [\"1\",2]")]
    [InlineData("{\"nbformat\":4,\"cells\":[{\"cell_type\":\"heading\",\"source\":\"1\"}]}",
        "cell 1: expected a cell_type code, markdown or raw, found \"heading\"")]
    [InlineData("{\"nbformat\":4,\"cells\":[7]}", "cell 1 is no object")]
    [InlineData("x", "not a Jupyter notebook")]
    public void A_file_that_is_no_notebook_is_refused(string text, string expected)
    {
        Assert.Contains(expected, Assert.Throws<NotebookFormatException>(() => NotebookFile.Parse(text, "n.ipynb")).Message, StringComparison.Ordinal);
    }

    private static Task<JsonSchema> Schema() =>
        JsonSchema.FromFileAsync(Repository.PathOf("tests", "goldens", "runner", "nbformat-4.5.schema.json"), TestContext.Current.CancellationToken);

    private static JsonArray Cells(string json) => JsonNode.Parse(json)!["cells"]!.AsArray();

    private static List<string> Ids(string json) => [.. Cells(json).Select(cell => (string)cell!["id"]!)];
}
