using System.Diagnostics;
using System.IO.Pipes;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using NotebookRunner.Kernel;

namespace NotebookRunner.Running;

/// <summary>The kernel's process, seen from the parent: requests in, events out, and a way to end it for certain.</summary>
internal sealed class KernelProcess : IAsyncDisposable
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan DrainPatience = TimeSpan.FromSeconds(2);

    private readonly Process _process;
    private readonly NamedPipeServerStream _pipe;
    private readonly StreamWriter _requests;
    private readonly MarkedStream[] _nativeStreams;
    private readonly Channel<KernelEvent> _events = Channel.CreateUnbounded<KernelEvent>();
    private readonly Task _reading;

    private KernelProcess(Process process, NamedPipeServerStream pipe, string marker)
    {
        (_process, _pipe) = (process, pipe);
        _requests = new StreamWriter(pipe, new UTF8Encoding(false)) { NewLine = "\n" };
        _nativeStreams =
        [
            new(process.StandardOutput.BaseStream, marker, text => _events.Writer.TryWrite(new KernelEvent.StreamText("stdout", text))),
            new(process.StandardError.BaseStream, marker, text => _events.Writer.TryWrite(new KernelEvent.StreamText("stderr", text))),
        ];
        _reading = ReadAsync();
    }

    /// <summary>Everything that happens, in order; completes when the process has ended.</summary>
    public ChannelReader<KernelEvent> Events => _events.Reader;

    /// <summary>Starts a kernel.</summary>
    /// <param name="workingFolder">The notebook's folder: relative paths in cells count from it.</param>
    /// <param name="environment">Variables to add.</param>
    /// <exception cref="KernelStartException">The process ended or stayed silent instead of connecting.</exception>
    public static async Task<KernelProcess> StartAsync(string workingFolder, IReadOnlyDictionary<string, string> environment)
    {
        var pipeName = $"notebook-{Guid.NewGuid():N}";
        var marker = $"\u0002end of cell {Guid.NewGuid():N}";
        var pipe = new NamedPipeServerStream(pipeName, PipeDirection.InOut, 1, PipeTransmissionMode.Byte,
            PipeOptions.Asynchronous | PipeOptions.CurrentUserOnly);
        var process = Process.Start(StartInfo(workingFolder, environment, pipeName, marker))!;
        process.StandardInput.Close();
        using var patience = new CancellationTokenSource(StartPatience);
        var connected = pipe.WaitForConnectionAsync(patience.Token);
        if (await Task.WhenAny(connected, process.WaitForExitAsync(patience.Token)) != connected || !connected.IsCompletedSuccessfully)
        {
            var said = process.HasExited ? await process.StandardError.ReadToEndAsync(CancellationToken.None) : "it did not answer";
            process.Kill(entireProcessTree: true);
            throw new KernelStartException($"The process that runs the cells did not start: {said.Trim()}");
        }

        return new(process, pipe, marker);
    }

    /// <summary>Sends a request; a process that is gone already is noticed through <see cref="Events"/>.</summary>
    public async Task SendAsync(KernelRequest request)
    {
        try
        {
            await _requests.WriteLineAsync(KernelJson.Line(request));
            await _requests.FlushAsync();
        }
        catch (IOException)
        {
            // The process has just died: the event stream ends, and that is where it is told.
        }
    }

    /// <summary>Ends the process and everything it started, now.</summary>
    public void Kill()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
        }
    }

    /// <summary>How the process ended, in words.</summary>
    public async Task<string> ExitInWordsAsync()
    {
        await _process.WaitForExitAsync();
        return _process.ExitCode switch
        {
            134 => "it aborted (SIGABRT, exit code 134), as a fatal error in native code or Environment.FailFast does",
            137 => "it was killed (SIGKILL, exit code 137); if nobody did that, the system may have run out of memory",
            139 => "it crashed in native code (SIGSEGV, exit code 139)",
            var code => $"it ended with exit code {code}",
        };
    }

    /// <summary>Asks the process to end and waits for it, however long it takes.</summary>
    public async Task EndAsync(CancellationToken cancellation)
    {
        await SendAsync(new KernelRequest.Stop());
        await _process.WaitForExitAsync(cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync()
    {
        await SendAsync(new KernelRequest.Stop());
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await Task.WhenAny(_process.WaitForExitAsync(patience.Token), Task.Delay(Timeout.Infinite, patience.Token));
        Kill();
        await _reading;
        await _pipe.DisposeAsync();
        _process.Dispose();
    }

    private static ProcessStartInfo StartInfo(string workingFolder, IReadOnlyDictionary<string, string> environment, string pipeName, string marker)
    {
        var self = typeof(KernelProcess).Assembly.Location;
        var host = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
            ? Environment.ProcessPath! : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";
        var start = new ProcessStartInfo(host, [self, KernelCommandName, pipeName, marker])
        {
            WorkingDirectory = workingFolder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        return start;
    }

    /// <summary>The hidden verb that makes this program a kernel.</summary>
    public const string KernelCommandName = "kernel";

    private async Task ReadAsync()
    {
        var native = Task.WhenAll(_nativeStreams.Select(stream => stream.ReadAsync()));
        try
        {
            using var reader = new StreamReader(_pipe, new UTF8Encoding(false), false, 1 << 16, leaveOpen: true);
            while (await reader.ReadLineAsync() is { } line)
            {
                var happened = JsonSerializer.Deserialize(line, KernelJson.Default.KernelEvent)!;
                if (happened is KernelEvent.Done)
                {
                    await Task.WhenAll(_nativeStreams.Select(stream => stream.PassMarkerAsync(DrainPatience)));
                }

                await _events.Writer.WriteAsync(happened);
            }
        }
        catch (Exception error) when (error is IOException or JsonException)
        {
            // A killed process may leave half a line behind; its end is reported below like any other.
        }

        // A process that a cell left behind may hold the streams open: what it would still say is not waited for.
        await Task.WhenAny(native, Task.Delay(DrainPatience));
        _events.Writer.Complete();
    }
}

/// <summary>The process for the cells did not come up; the message says what it said.</summary>
internal sealed class KernelStartException(string message) : Exception(message);
