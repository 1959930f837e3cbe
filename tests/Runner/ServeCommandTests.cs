using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using NotebookLib.Tests.Data;
using NotebookLib.Tests.Inference;

namespace NotebookLib.Tests.Runner;

/// <summary><c>serve</c> as a person types it, on a model folder made for the occasion.</summary>
[StartsProcesses]
public sealed class ServeCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public ServeCommandTests() => TrainedFolder.Save(Model);

    private string Model => _folder.PathOf("model");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("INT", "Ctrl-C")]
    [InlineData("TERM", "SIGTERM")]
    public async Task It_prints_its_address_answers_and_ends_well_when_it_is_asked_to_stop(string signal, string word)
    {
        using var process = RunnerProcess.Start("serve", Model, "--port", "0", "--name", "org/my-model", "--device", "cpu");
        using var client = await ClientAsync(process);

        using var answer = await client.PostAsync("/models/org/my-model", new StringContent("{\"inputs\": \"Marie Curie was in Paris, Secretville.\"}"),
            Cancel);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Contains("\"entity_group\":", await answer.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
        Assert.Contains("org/my-model", await client.GetStringAsync("/", Cancel), StringComparison.Ordinal);
        using (Process.Start("kill", [$"-{signal}", $"{process.Id}"]))
        {
            var (code, output, error) = await RunnerProcess.FinishAsync(process);
            Assert.True(code == 0, error);
            Assert.Equal("", output);
            Assert.Contains(word, error, StringComparison.Ordinal);
            Assert.DoesNotContain("Secretville", error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_token_from_the_environment_is_asked_for_and_shown_nowhere()
    {
        var how = RunnerProcess.HowToStart("serve", Model, "--port", "0", "--host", "0.0.0.0", "--device", "cpu");
        how.Environment["SERVE_TOKEN"] = "s3cret-token";
        using var process = Process.Start(how)!;
        using var client = await ClientAsync(process);

        using (var refused = await client.GetAsync("/health", Cancel))
        {
            Assert.Equal(HttpStatusCode.Unauthorized, refused.StatusCode);
        }

        client.DefaultRequestHeaders.Authorization = new("Bearer", "s3cret-token");
        Assert.DoesNotContain("s3cret", await client.GetStringAsync("/", Cancel), StringComparison.Ordinal);
        using (Process.Start("kill", ["-TERM", $"{process.Id}"]))
        {
            var (code, output, error) = await RunnerProcess.FinishAsync(process);
            Assert.True(code == 0, error);
            Assert.DoesNotContain("s3cret", output + error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task What_was_typed_wrongly_is_named()
    {
        foreach (var (arguments, expected) in new (string[], string)[]
        {
            (["--host", "0.0.0.0"], "--token"),
            (["--host", "0.0.0.0", "--token", ""], "--token: expected"),
            (["--token", "two words"], "--token: expected"),
            (["--host", "my-machine"], "--host: expected an address"),
            (["--port", "65536"], "--port: expected a whole number from 0 to 65535"),
            (["--queue", "0"], "--queue"),
            (["--timeout", "0"], "--timeout"),
        })
        {
            var (code, output, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start(["serve", Model, .. arguments]));
            Assert.Equal((2, arguments[0]), (code, arguments[0]));
            Assert.Contains(expected, error + output, StringComparison.Ordinal);
        }

        var (missing, _, told) = await RunnerProcess.FinishAsync(RunnerProcess.Start("serve", _folder.PathOf("none")));
        Assert.Equal(2, missing);
        Assert.Contains("no such folder", told, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said_to_be()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();

        var (code, _, error) = await RunnerProcess.FinishAsync(RunnerProcess.Start("serve", Model, "--port", $"{((IPEndPoint)other.LocalEndpoint).Port}"));

        Assert.Equal(1, code);
        Assert.Contains("--port", error, StringComparison.Ordinal);
    }

    private static async Task<HttpClient> ClientAsync(Process process)
    {
        if (await RunnerProcess.ReadUntilAsync(process, "http://") is not { } address)
        {
            throw new InvalidOperationException(await process.StandardError.ReadToEndAsync(Cancel));
        }

        var port = new Uri(address).Port;
        return new() { BaseAddress = new($"http://127.0.0.1:{port}/") };
    }
}
