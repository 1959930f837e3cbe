using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace NotebookLib.Tests.Notebooks;

/// <summary>The released tool `dotnet-interactive`, driven over its standard streams as VS Code drives it.</summary>
internal sealed class ReleasedTool : IAsyncDisposable
{
    private const string Version = "1.0.712001";
    private static readonly string Folder = Repository.PathOf("bin", "released-tool");

    private readonly Process _process;
    private int _last;

    private ReleasedTool(Process process) => _process = process;

    /// <summary>Installs the tool (once) and starts it, as for a notebook in a folder; skips the test where it cannot be had.</summary>
    /// <param name="workingFolder">The folder.</param>
    /// <param name="threads">How many cores its kernels may use; null for all.</param>
    public static async Task<ReleasedTool> StartAsync(string workingFolder, int? threads = null)
    {
        var program = Path.Combine(Folder, "dotnet-interactive");
        if (!File.Exists(program))
        {
            using var install = Process.Start(
                new ProcessStartInfo("dotnet", ["tool", "install", "Microsoft.dotnet-interactive", "--version", Version, "--tool-path", Folder])
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                })!;
            var said = await install.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)
                + await install.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await install.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.SkipUnless(File.Exists(program), $"dotnet-interactive {Version} cannot be installed here: {said.Trim()}");
        }

        var start = new ProcessStartInfo(program, ["[vscode]", "stdio", "--working-dir", workingFolder])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = workingFolder,
        };
        if (threads is { } count)
        {
            start.Environment["OMP_NUM_THREADS"] = count.ToString(CultureInfo.InvariantCulture);
        }

        start.Environment["DOTNET_INTERACTIVE_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment["DOTNET_ROOT"] =
            Path.GetDirectoryName(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet"
            ? path : typeof(object).Assembly.Location.Split("/shared/")[0] + "/dotnet");
        var tool = new ReleasedTool(Process.Start(start)!);
        _ = tool._process.StandardError.ReadToEndAsync(CancellationToken.None);
        await tool.ReadAsync(happened => (string)happened["eventType"]! == "KernelReady");
        return tool;
    }

    /// <summary>Sends a cell's text.</summary>
    /// <returns>The token under which its events come.</returns>
    public async Task<string> SendAsync(string code, string kernel = "csharp")
    {
        var token = $"cell-{++_last}";
        await WriteAsync(
            new() { ["commandType"] = "SubmitCode", ["command"] = new JsonObject { ["code"] = code, ["targetKernelName"] = kernel }, ["token"] = token });
        return token;
    }

    /// <summary>What the stop button sends.</summary>
    public Task CancelAsync() =>
        WriteAsync(new() { ["commandType"] = "Cancel", ["command"] = new JsonObject { ["targetKernelName"] = ".NET" }, ["token"] = $"cancel-{++_last}" });

    /// <summary>Runs a cell to its end.</summary>
    /// <returns>Its events as "type: text", the last one a success or a failure.</returns>
    public async Task<List<string>> RunAsync(string code, string kernel = "csharp") => await EndOfAsync(await SendAsync(code, kernel));

    /// <summary>Waits for a cell's end.</summary>
    /// <param name="token">The cell's.</param>
    /// <param name="happened">Told of each event as it comes.</param>
    /// <inheritdoc cref="RunAsync" path="/returns"/>
    public async Task<List<string>> EndOfAsync(string token, Action<string>? happened = null)
    {
        var seen = new List<string>();
        await ReadAsync(message =>
        {
            var type = (string)message["eventType"]!;
            var own = (string?)message["command"]?["token"] is { } of && (of == token || of.StartsWith(token + ".", StringComparison.Ordinal));
            if (own && type is "DisplayedValueProduced" or "DisplayedValueUpdated" or "ReturnValueProduced" or "StandardOutputValueProduced"
                or "StandardErrorValueProduced" or "CommandFailed" or "CommandSucceeded")
            {
                var values = message["event"]?["formattedValues"]?.AsArray().Select(value => (string?)value!["value"]) ?? [];
                seen.Add($"{type}: {(string?)message["event"]?["message"] ?? string.Concat(values)}");
                happened?.Invoke(seen[^1]);
            }

            return own && type is "CommandSucceeded" or "CommandFailed" && (string)message["command"]!["token"]! == token;
        });
        return seen;
    }

    /// <summary>Waits until a cell has printed a text.</summary>
    public Task UntilAsync(string text) =>
        ReadAsync(happened =>
            happened.ToJsonString().Contains(text, StringComparison.Ordinal) && (string)happened["eventType"]! == "StandardOutputValueProduced");

    public async ValueTask DisposeAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }

    private async Task WriteAsync(JsonObject command)
    {
        await _process.StandardInput.WriteLineAsync(command.ToJsonString());
        await _process.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
    }

    private async Task ReadAsync(Func<JsonNode, bool> isLast)
    {
        while (true)
        {
            var line = await _process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken)
                ?? throw new InvalidOperationException("dotnet-interactive has ended.");
            if (line.StartsWith('{') && JsonNode.Parse(line) is { } happened && happened["eventType"] is not null && isLast(happened))
            {
                return;
            }
        }
    }
}
