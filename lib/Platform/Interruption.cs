using System.Runtime.InteropServices;

namespace NotebookLib.Platform;

/// <summary>
/// A person's wish to stop: Ctrl-C. Long work takes <see cref="Token"/>, ends at the next safe point, and keeps what it has (a checkpoint, a table).
/// In the runner the token comes from its kernel process; in a plain process the first Ctrl-C cancels it and the second ends the process.
/// </summary>
public static class Interruption
{
    /// <summary>The name under which a host publishes its token with <see cref="AppContext.SetData"/>.</summary>
    public const string DataName = "NotebookHost.Interrupted";

    private static readonly Lazy<CancellationTokenSource> OwnSource = new(ListenToCtrlC);
    private static PosixSignalRegistration? _registration;

    /// <summary>Cancelled once somebody asked to stop.</summary>
    public static CancellationToken Token => AppContext.GetData(DataName) is CancellationToken published ? published : OwnSource.Value.Token;

    private static CancellationTokenSource ListenToCtrlC()
    {
        var source = new CancellationTokenSource();
        _registration = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal =>
        {
            signal.Cancel = !source.IsCancellationRequested;
            source.Cancel();
        });
        return source;
    }
}
