using System.Diagnostics;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace NotebookRunner.Kernel;

/// <summary>
/// The child process: reads requests from a pipe, runs cells, sends what happens. It runs in a process of its own because only that can be stopped
/// for certain, and because a native crash then leaves the parent alive to write the report.
/// </summary>
internal sealed class KernelHost : IDisposable
{
    /// <summary>The process ends with this code when its parent vanished.</summary>
    public const int OrphanExitCode = 3;

    /// <summary>Where the library finds the token of Ctrl-C and SIGTERM (<c>NotebookLib.Platform.Interruption.DataName</c>).</summary>
    private const string InterruptedName = "NotebookHost.Interrupted";

    /// <summary>Where the library finds the door for displays (<c>NotebookLib.Display.NotebookHost.DataName</c>).</summary>
    private const string DisplayName = "NotebookHost.DisplayUpdatable";

    /// <summary>Where the library's charts learn that the page brings plotly.js (<c>NotebookLib.Charts.PlotlyScript.EmbeddedByHost</c>).</summary>
    private const string PlotlyName = "NotebookHost.EmbedsPlotly";

    private readonly EventSink _sink;
    private readonly NativeOutput _nativeOutput;
    private readonly CancellationTokenSource _interrupted = new();
    private readonly Channel<KernelRequest.RunCell> _cells = Channel.CreateUnbounded<KernelRequest.RunCell>();

    private KernelHost(EventSink sink, NativeOutput nativeOutput) => (_sink, _nativeOutput) = (sink, nativeOutput);

    /// <summary>Serves until told to stop.</summary>
    /// <param name="pipeName">The parent's pipe.</param>
    /// <param name="marker">A secret line that separates the cells in the native standard streams.</param>
    public static async Task ServeAsync(string pipeName, string marker)
    {
        // A terminal sends Ctrl-C to both processes, `timeout` and supervisors SIGTERM to the whole group; what happens then is the parent's decision.
        // A parent that is gone closes the pipe, which ends this process too.
        using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
        using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => signal.Cancel = true);
        using var pipe = new NamedPipeClientStream(".", pipeName, PipeDirection.InOut, PipeOptions.Asynchronous | PipeOptions.CurrentUserOnly);
        await pipe.ConnectAsync(TimeSpan.FromSeconds(30), CancellationToken.None);
        using var sink = new EventSink(pipe);
        using var host = new KernelHost(sink, new NativeOutput(marker));
        await host.RunAsync(pipe);
    }

    public void Dispose() => _interrupted.Dispose();

    private async Task RunAsync(Stream pipe)
    {
        CellFunctions.Attach(_sink);
        Console.SetOut(TextWriter.Synchronized(new CellWriter(_sink, "stdout")));
        Console.SetError(TextWriter.Synchronized(new CellWriter(_sink, "stderr")));
        Console.SetIn(TextReader.Null);
        AppContext.SetData(InterruptedName, _interrupted.Token);
        AppContext.SetData(PlotlyName, true);
        AppContext.SetData(DisplayName, (Func<string, string, string, Action<string, string>>)CellFunctions.DisplayUpdatable);

        _sink.Send(new KernelEvent.Ready(RuntimeInformation.FrameworkDescription, RuntimeInformation.OSDescription, Environment.ProcessId));
        new Thread(() => ReadRequests(pipe)) { IsBackground = true, Name = "requests" }.Start();

        using var script = new CellScript();
        await foreach (var cell in _cells.Reader.ReadAllAsync())
        {
            await RunCellAsync(script, cell);
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

    private async Task RunCellAsync(CellScript script, KernelRequest.RunCell cell)
    {
        var clock = Stopwatch.StartNew();
        var error = await OutcomeOf(script, cell);
        _sink.Flush();
        _nativeOutput.MarkEndOfCell();
        if (error is not null)
        {
            _sink.Send(new KernelEvent.Raised(error));
        }

        _sink.Send(new KernelEvent.Done(cell.Number, error is null, clock.Elapsed.TotalSeconds, script.LibraryVersions));
    }

    private async Task<CellError?> OutcomeOf(CellScript script, KernelRequest.RunCell cell)
    {
        try
        {
            var outcome = await script.RunAsync(cell.Code, cell.File);
            if (outcome.HasValue)
            {
                _sink.Send(new KernelEvent.Displayed(null, ValueFormatting.Format(outcome.Value), IsResult: true));
            }

            return outcome.Error;
        }
#pragma warning disable CA1031 // A value whose formatter throws, a library that does not load: the cell's fault, reported as its error.
        catch (Exception error)
#pragma warning restore CA1031
        {
            return ErrorReport.OfException(error, cell.File);
        }
    }
}
