using System.Runtime.InteropServices;

namespace NotebookLib.Platform;

/// <summary>
/// A wish to stop: Ctrl-C, SIGTERM to the runner, or a front end's stop button. Long work takes <see cref="Token"/>, ends at the next safe point, and keeps
/// what it has (a checkpoint, a table). In the runner the token comes from its kernel process, in .NET Interactive it is the running cell's own; in a plain
/// process the first Ctrl-C cancels it and the second ends the process; SIGTERM ends such a process at once, since nobody else would end one that does not look
/// at the token.
/// </summary>
public static class Interruption
{
    private static readonly Lazy<CancellationTokenSource> OwnSource = new(ListenToCtrlC);
    private static PosixSignalRegistration? _registration;

    /// <summary>Cancelled once somebody asked to stop. Ask for it anew in each cell: in .NET Interactive stopping one cell does not stop the next.</summary>
    public static CancellationToken Token => TokenOfHost ?? OwnSource.Value.Token;

    /// <summary>Whether somebody asked to stop the running cell, or the process; asking this takes nothing over.</summary>
    internal static bool IsRequested => TokenOfHost?.IsCancellationRequested ?? (OwnSource.IsValueCreated && OwnSource.Value.IsCancellationRequested);

    /// <summary>The token of the notebook's host; null in a plain process, where asking for <see cref="Token"/> is what takes Ctrl-C over.</summary>
    internal static CancellationToken? TokenOfHost => AppContext.GetData(HostContract.InterruptedSlot) is CancellationToken published
        ? published
        : InteractiveKernel.Find() is { } interactive ? InteractiveKernel.StopToken(interactive) : null;

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
