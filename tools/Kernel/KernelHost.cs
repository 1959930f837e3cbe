using System.Diagnostics;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Threading.Channels;
using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Commands;
using Microsoft.DotNet.Interactive.Events;
using NotebookLib.Platform;
using NotebookRunner.Running;

namespace NotebookRunner.Kernel;

/// <summary>
/// The child process: reads requests from a pipe, lets the kernels of .NET Interactive run cells, sends what happens. It runs in a process of its own because
/// only that can be stopped for certain, and because a native crash then leaves the parent alive to write the report.
/// </summary>
internal sealed class KernelHost : IDisposable
{
    /// <summary>The process ends with this code when its parent vanished.</summary>
    public const int OrphanExitCode = 3;

    private readonly EventSink _sink;
    private readonly NativeOutput _nativeOutput;
    private readonly CompositeKernel _kernels = CellKernels.Create();
    private readonly CellSubmissions _submissions;
    private readonly ErrorReport _errors;
    private readonly LoadedLibraries _libraries;
    private readonly CancellationTokenSource _interrupted = new();
    private readonly Channel<KernelRequest.RunCell> _cells = Channel.CreateUnbounded<KernelRequest.RunCell>();
    private KernelRequest.RunCell? _running;

    private KernelHost(EventSink sink, NativeOutput nativeOutput)
    {
        (_sink, _nativeOutput) = (sink, nativeOutput);
        _submissions = new(CellKernels.CSharp(_kernels));
        _errors = new(_submissions);
        _libraries = new(_kernels);
        _kernels.RegisterCommandHandler<RequestInput>(Answer);
        _kernels.KernelEvents.Subscribe(happened => EventForwarding.Forward(happened, sink.Take));
    }

    /// <summary>Serves until told to stop.</summary>
    /// <param name="pipeName">The parent's pipe.</param>
    /// <param name="marker">A secret line that separates the cells in the native standard streams.</param>
    public static async Task ServeAsync(string pipeName, string marker)
    {
        // A terminal sends Ctrl-C and its own end to both processes, `timeout` and supervisors SIGTERM to the whole group; what happens then is the parent's
        // decision. A parent that is gone closes the pipe, which ends this process too.
        var signals = StopRequests.Listened().Select(signal => PosixSignalRegistration.Create(signal, context => context.Cancel = true)).ToArray();
        using var pipe = new NamedPipeClientStream(".", pipeName, PipeDirection.InOut, PipeOptions.Asynchronous | PipeOptions.CurrentUserOnly);
        await pipe.ConnectAsync(TimeSpan.FromSeconds(30), CancellationToken.None);
        using var sink = new EventSink(pipe);
        using var host = new KernelHost(sink, new NativeOutput(marker));
        await host.RunAsync(pipe);
        Array.ForEach(signals, signal => signal.Dispose());
    }

    public void Dispose()
    {
        _kernels.Dispose();
        _interrupted.Dispose();
    }

    private async Task RunAsync(Stream pipe)
    {
        Console.SetIn(new NoKeyboard());
        CellKernels.SetUpFormatting();
        AppContext.SetData(HostContract.InterruptedSlot, _interrupted.Token);
        AppContext.SetData(HostContract.PlotlySlot, true);

        _sink.Send(new KernelEvent.Ready(RuntimeInformation.FrameworkDescription, RuntimeInformation.OSDescription, Environment.ProcessId));
        new Thread(() => ReadRequests(pipe)) { IsBackground = true, Name = "requests" }.Start();

        await foreach (var cell in _cells.Reader.ReadAllAsync())
        {
            await RunCellAsync(cell);
        }
    }

    private void ReadRequests(Stream pipe)
    {
        var reader = new StreamReader(pipe);
        while (reader.ReadLine() is { } line)
        {
            switch (System.Text.Json.JsonSerializer.Deserialize(line, KernelJson.Default.KernelRequest))
            {
                case KernelRequest.RunCell cell:
                    _cells.Writer.TryWrite(cell);
                    break;
                case KernelRequest.Interrupt:
                    // Callbacks of the token are the cell's code: they must not end this thread.
                    ThreadPool.QueueUserWorkItem(_ => _interrupted.Cancel());
                    break;
                case KernelRequest.Stop:
                    _cells.Writer.Complete();
                    return;
            }
        }

        Environment.Exit(OrphanExitCode);
    }

    private async Task RunCellAsync(KernelRequest.RunCell cell)
    {
        var clock = Stopwatch.StartNew();
        _running = cell;
        _submissions.Begin(cell.File, cell.Code);
        var error = await OutcomeOf(cell);
        _sink.Flush();
        _nativeOutput.MarkEndOfCell();
        if (error is not null)
        {
            _sink.Send(new KernelEvent.Raised(error));
        }

        _sink.Send(new KernelEvent.Done(cell.Number, error is null, clock.Elapsed.TotalSeconds, _libraries.Versions()));
    }

    private async Task<CellError?> OutcomeOf(KernelRequest.RunCell cell)
    {
        try
        {
            var result = await _kernels.SendAsync(new SubmitCode(cell.Code, cell.Kernel));
            return result.Events.OfType<CommandFailed>().FirstOrDefault() is { } failed ? _errors.Of(failed) : null;
        }
#pragma warning disable CA1031 // A value whose formatter throws, a library that does not load: the cell's fault, reported as its error.
        catch (Exception error)
#pragma warning restore CA1031
        {
            return _errors.OfException(error);
        }
    }

    private Task Answer(RequestInput request, KernelInvocationContext context)
    {
        if (_running!.Answers.TryGetValue(request.Prompt, out var answer))
        {
            context.Publish(new InputProduced(answer, request));
        }
        else
        {
            context.Fail(request, message: $"The cell asks '{request.Prompt}', and nobody is there to answer: "
                + "make it a parameter of the notebook and set it by -p name=value.");
        }

        return Task.CompletedTask;
    }
}
