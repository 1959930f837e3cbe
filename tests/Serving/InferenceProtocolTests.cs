extern alias runner;

using System.Net;
using System.Text.Json.Nodes;
using NotebookLib.Inference;
using NotebookLib.Model;
using NotebookLib.Tests.Inference;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;
using runner::NotebookRunner.Serving;

namespace NotebookLib.Tests.Serving;

/// <summary>Requests and answers as the Hub's inference protocol has them, worked out by hand on "the goat of bees": pieces ▁the ▁goat ▁of ▁bee s.</summary>
public class InferenceProtocolTests
{
    private const string Word = "{\"inputs\": \"the goat of bees\", \"parameters\": {\"aggregation_strategy\": \"STRATEGY\"}}";

    private static readonly DebertaTokenizer s_tokenizer = DebertaTokenizer.Load(SpmFile.TinyPath);

    private static FakeScorer Scorer => new(["O", "B-X", "I-X", "B-Y", "I-Y"], new()
    {
        [Id("▁goat")] = [0.25f, 0.75f, 0, 0, 0],
        [Id("▁of")] = [0.3f, 0.2f, 0.5f, 0, 0],
        [Id("▁bee")] = [0.25f, 0, 0.3f, 0.45f, 0],
        [Id("s")] = [0.2f, 0, 0.8f, 0, 0],
    });

    [Theory]
    [InlineData(
        "none", """[{"entity":"B-X","score":0.75,"index":2,"word":"▁goat","start":3,"end":8},{"entity":"I-X","score":0.5,"index":3,"word":"▁of","start":8,"end":11},{"entity":"B-Y","score":0.45,"index":4,"word":"▁bee","start":11,"end":15},{"entity":"I-X","score":0.8,"index":5,"word":"s","start":15,"end":16}]""")]
    [InlineData(
        "simple", """[{"entity_group":"X","score":0.625,"word":"goat of","start":3,"end":11},{"entity_group":"Y","score":0.45,"word":"bee","start":11,"end":15},{"entity_group":"X","score":0.8,"word":"s","start":15,"end":16}]""")]
    [InlineData(
        "FIRST", """[{"entity_group":"X","score":0.625,"word":"goatof","start":3,"end":11},{"entity_group":"Y","score":0.45,"word":"bees","start":11,"end":16}]""")]
    [InlineData(
        "words", """[{"entity_group":"X","score":0.625,"word":"goat of","start":4,"end":11},{"entity_group":"Y","score":0.45,"word":"bees","start":12,"end":16}]""")]
    public async Task A_text_gets_the_pipelines_own_fields_in_its_order(string strategy, string expected)
    {
        await using var served = await ServedModel.StartAsync(Scorer);

        AssertSame(expected, await served.AskAsync(Word.Replace("STRATEGY", strategy, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_list_gets_a_list_of_lists_and_the_Hubs_default_strategy()
    {
        await using var served = await ServedModel.StartAsync(Scorer);

        AssertSame("""[[{"entity_group":"X","score":0.75,"word":"goat","start":3,"end":8}],[]]""",
            await served.AskAsync("""{"inputs": ["the goat", ""], "options": {"wait_for_model": true}}""", path: "/models/org/demo"));
        AssertSame("""[[{"entity_group":"X","score":0.75,"word":"goat","start":0,"end":4}]]""",
            await served.AskAsync("""{"inputs": ["goat"], "parameters": null}""", path: "/models/demo"));
        AssertSame("[]", await served.AskAsync("""{"inputs": []}""", path: "/models/org%2Fdemo"));
    }

    [Fact]
    public async Task Places_count_code_points_as_Python_does()
    {
        await using var served = await ServedModel.StartAsync(Scorer);

        foreach (var strategy in new[] { "first", "words" })
        {
            var entity = JsonNode.Parse(await served.AskAsync(ServedModel.Request("😀 the 😀 goat", strategy)))!.AsArray().Last()!;
            Assert.Equal(("X", 12), ((string)entity["entity_group"]!, (int)entity["end"]!));
        }
    }

    [Theory]
    [InlineData("""{"inputs": "goat", "parameters": {"threshold": 0.75}}""", 1)]
    [InlineData("""{"inputs": "goat", "parameters": {"threshold": 0.76}}""", 0)]
    [InlineData("""{"inputs": "goat", "parameters": {"ignore_labels": ["X", "O"]}}""", 0)]
    [InlineData("""{"inputs": "goat", "parameters": {"ignore_labels": ["X"], "aggregation_strategy": "words"}}""", 0)]
    [InlineData("""{"inputs": "the", "parameters": {"ignore_labels": [], "stride": 16}}""", 1)]
    public async Task Parameters_leave_out_what_they_say(string body, int count)
    {
        await using var served = await ServedModel.StartAsync(Scorer);

        Assert.Equal(count, JsonNode.Parse(await served.AskAsync(body))!.AsArray().Count);
    }

    [Theory]
    [InlineData("", "body")]
    [InlineData("{", "body")]
    [InlineData("nonsense", "body")]
    [InlineData("[]", "body")]
    [InlineData("{\"inputs\": \"a\"} x", "body")]
    [InlineData("{}", "inputs")]
    [InlineData("{\"inputs\": null}", "inputs")]
    [InlineData("{\"inputs\": 5}", "inputs")]
    [InlineData("{\"inputs\": {\"text\": \"a\"}}", "inputs")]
    [InlineData("{\"inputs\": [\"a\", [\"b\"]]}", "inputs[1]")]
    [InlineData("{\"inputs\": \"a\", \"inputs\": \"b\"}", "inputs")]
    [InlineData("{\"inputs\": \"a\", \"\\u0069nputs\": \"b\"}", "inputs")]
    [InlineData("{\"inputs\": \"\\ud83d\"}", "inputs")]
    [InlineData("{\"inputs\": [\"a\", \"\\ude00\\ud83d\"]}", "inputs[1]")]
    [InlineData("{\"inputs\": \"a\", \"\\ud83d\": 1}", "body")]
    [InlineData("{\"inputs\": \"a\", \"aggregation_strategy\": \"first\"}", "body")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": []}", "parameters")]
    [InlineData("{\"inputs\": \"a\", \"options\": 1}", "options")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": {\"treshold\": 0.5}}", "parameters")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": {\"threshold\": \"0.5\"}}", "parameters.threshold")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": {\"threshold\": 1e999}}", "parameters.threshold")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": {\"threshold\": 0.5, \"threshold\": 0.6}}", "threshold")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": {\"aggregation_strategy\": \"1\"}}", "parameters.aggregation_strategy")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": {\"aggregation_strategy\": 1}}", "parameters.aggregation_strategy")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": {\"ignore_labels\": \"O\"}}", "parameters.ignore_labels")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": {\"ignore_labels\": [0]}}", "parameters.ignore_labels[0]")]
    [InlineData("{\"inputs\": \"a\", \"parameters\": {\"stride\": 1.5}}", "parameters.stride")]
    [InlineData("{\"inputs\": [[[[[[[[[\"a\"]]]]]]]]]}", "body")]
    public async Task A_wrong_request_is_told_which_field_is_wrong(string body, string field)
    {
        await using var served = await ServedModel.StartAsync(Scorer);

        var answer = JsonNode.Parse(await served.AskAsync(body, HttpStatusCode.BadRequest))!.AsObject();

        Assert.StartsWith(field + ":", (string)Assert.Single(answer).Value!, StringComparison.Ordinal);
        Assert.Equal("", served.Said);
    }

    [Fact]
    public async Task Bytes_that_are_no_UTF8_are_refused_and_a_byte_order_mark_is_not()
    {
        await using var served = await ServedModel.StartAsync(Scorer);
        foreach (var (body, expected)
            in new[] { ("{\"inputs\": \"\u00FF\"}", HttpStatusCode.BadRequest), ("\u00EF\u00BB\u00BF{\"inputs\": \"goat\"}", HttpStatusCode.OK) })
        {
            using var response = await served.Client.PostAsync("/", new ByteArrayContent(System.Text.Encoding.Latin1.GetBytes(body)),
                TestContext.Current.CancellationToken);
            Assert.Equal(expected, response.StatusCode);
        }
    }

    [Fact]
    public async Task Labels_that_are_no_BIO_are_served_but_not_by_words()
    {
        await using var served = await ServedModel.StartAsync(new FakeScorer(["O", "NAME"], [], otherLabel: 1));

        Assert.Equal("NAME", (string)JsonNode.Parse(await served.AskAsync(ServedModel.Request("goat")))![0]!["entity_group"]!);
        Assert.Contains("label NAME", await served.AskAsync(ServedModel.Request("goat", "words"), HttpStatusCode.BadRequest), StringComparison.Ordinal);
        Assert.DoesNotContain("\"words\"", await served.Client.GetStringAsync("/", TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_transformers_gives_for_a_model_the_server_gives_too()
    {
        var folder = Repository.Shared("reference", "transformers-5");
        using var tagger = EntityTagger.Load(Path.Combine(folder, "float32"), new LoadOptions());
        var settings = new ServerSettings { Names = ["demo"] };
        await using var server = new InferenceServer(tagger, settings, ServicePage.Create(tagger, "demo", [], settings), _ => { });
        await server.StartAsync();
        using var client = new HttpClient { BaseAddress = server.Address };
        var compared = 0;
        // All of them are the pipeline's own test (Transformers5Checks).
        foreach (var golden in File.ReadLines(Path.Combine(folder, "pipeline.jsonl")).Where((_, line) => line % 6 == 0).Select(line => JsonNode.Parse(line)!))
        {
            using var response = await client.PostAsync("/", new StringContent(ServedModel.Request((string)golden["text"]!, (string)golden["strategy"]!)),
                TestContext.Current.CancellationToken);
            AssertSame(golden["result"]!.ToJsonString(), await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), 1e-4, sorted: true);
            compared++;
        }

        Assert.True(compared >= 20, $"{compared} goldens");
    }

    /// <summary>The same JSON, scores within a tolerance.</summary>
    private static void AssertSame(string expected, string actual, double tolerance = 1e-6, bool sorted = false)
    {
        var (one, other) = (JsonNode.Parse(expected)!.AsArray(), JsonNode.Parse(actual)!.AsArray());
        Assert.All(Scores(one).Zip(Scores(other)), pair => Assert.Equal(pair.First, pair.Second, tolerance));
        Assert.Equal(WithoutScores(one, sorted), WithoutScores(other, sorted));
    }

    private static IEnumerable<double> Scores(JsonArray answer) => Objects(answer).Select(entity => (double)entity["score"]!);

    private static IEnumerable<JsonObject> Objects(JsonArray answer) => answer.SelectMany(item => item is JsonArray list ? Objects(list) : [item!.AsObject()]);

    private static string WithoutScores(JsonArray answer, bool sorted)
    {
        foreach (var entity in Objects(answer))
        {
            entity["score"] = 0;
        }

        return sorted
            ? string.Join('\n', Objects(answer)
            .Select(entity => string.Join(' ', entity.OrderBy(field => field.Key, StringComparer.Ordinal).Select(field => $"{field.Key} {field.Value}"))))
            : answer.ToJsonString();
    }

    private static int Id(string piece) => s_tokenizer.FindId(piece)!.Value;
}
