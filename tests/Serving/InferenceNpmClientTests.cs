extern alias runner;

using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using NotebookLib.Tests.Inference;
using runner::NotebookRunner.Serving;

namespace NotebookLib.Tests.Serving;

/// <summary>npm's <c>@huggingface/inference</c>, which tests/npm/run.sh installs, asks our server; without it the test is skipped.</summary>
public class InferenceNpmClientTests
{
    [Fact]
    public async Task The_Hubs_client_gets_entities_and_told_what_is_wrong()
    {
        var clients = Repository.PathOf("obj", "npm-clients");
        Assert.SkipUnless(Directory.Exists(Path.Combine(clients, "node_modules", "@huggingface", "inference")),
            "needs npm's @huggingface/inference: tests/npm/run.sh installs it and runs this test");
        await using var served = await ServedModel.StartAsync(new FakeScorer(["O", "B-X", "I-X", "B-Y"], [], otherLabel: 1),
            new ServerSettings { Token = "hf_s3cret" });
        served.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "hf_s3cret");

        var answers = await AskAsync(clients, served.Server.Address, "hf_s3cret", "the goat of bees");

        Assert.Equal(await served.AskAsync(ServedModel.Request("the goat of bees")), answers["plain"]!.ToJsonString());
        Assert.Equal(await served.AskAsync(ServedModel.Request("the goat of bees", "first")), answers["named"]!.ToJsonString());
        Assert.Equal(answers["plain"]!.ToJsonString(), answers["endpoint"]!.ToJsonString());
        Assert.Contains("inputs: expected a text", (string)answers["wrong"]!, StringComparison.Ordinal);
        Assert.Contains("Authorization: expected the server's token", (string)answers["stranger"]!, StringComparison.Ordinal);
    }

    private static async Task<JsonNode> AskAsync(string clients, Uri address, string token, string text)
    {
        var start = new ProcessStartInfo("node", [Path.Combine(clients, "infer.mjs"), address.ToString(), token, text])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        using var process = Process.Start(start)!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken),
            process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return process.ExitCode == 0 ? JsonNode.Parse(await output)! : throw new InvalidOperationException(await error);
    }
}
