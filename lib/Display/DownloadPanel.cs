using System.Collections.Concurrent;
using NotebookLib.Html;
using NotebookLib.Hub;
using NotebookLib.Platform;

namespace NotebookLib.Display;

/// <summary>
/// Shows transfers from and to the Hub while they go on: a line a file with its rate and the time left, replaced in place where the host can.
/// </summary>
public sealed class DownloadPanel : IHubObserver
{
    private static readonly TimeSpan WriteEvery = TimeSpan.FromSeconds(10);

    private readonly ConcurrentDictionary<string, HubProgress> _files = new(StringComparer.Ordinal);
    private readonly List<string> _notices = [];
    private readonly Lock _lock = new();
    private INotebookHost? _host;
    private IDisplayHandle? _handle;
    private long _written;

    /// <inheritdoc />
    public void Progressed(HubProgress progress)
    {
        ArgumentNullException.ThrowIfNull(progress);
        var isNews = !_files.TryGetValue(KeyOf(progress), out var before) || before.Phase != progress.Phase;
        _files[KeyOf(progress)] = progress;
        lock (_lock)
        {
            _host ??= NotebookHost.Current;
            if (_host.CanUpdate)
            {
                Show(View());
            }
            else if (isNews || System.Diagnostics.Stopwatch.GetElapsedTime(_written) > WriteEvery)
            {
                _written = System.Diagnostics.Stopwatch.GetTimestamp();
                Show($"{progress.Origin}: {progress.File} {Words(progress)}");
            }
        }
    }

    /// <inheritdoc />
    public void Noticed(string message)
    {
        lock (_lock)
        {
            _host ??= NotebookHost.Current;
            _notices.Add(message);
            Show(_host.CanUpdate ? View() : message);
        }
    }

    private static string KeyOf(HubProgress progress) => $"{progress.Origin}/{progress.File}";

    private void Show(object value)
    {
        if (_handle is null)
        {
            _handle = _host!.Show(value);
        }
        else
        {
            _handle.Update(value);
        }
    }

    private TableView View() => new(
        "Transfers",
        [new("file"), new("from"), new("size", true), new("state")],
        [.. _files.Values.OrderBy(KeyOf, StringComparer.Ordinal).Select(file => new Row(
            [file.File, file.Origin, NumberText.Size(file.TotalBytes ?? file.DoneBytes),
                new(Words(file), Bar: file is { Phase: HubTransferPhase.Running, TotalBytes: > 0 } ? file.DoneBytes / (double)file.TotalBytes : null)]))],
        note: string.Join(" · ", _notices.TakeLast(3)));

    private static string Words(HubProgress file) => file.Phase switch
    {
        HubTransferPhase.Done => file.IsUpload ? "is on the Hub" : "is here, hash checked",
        HubTransferPhase.AlreadyThere => "was there already",
        HubTransferPhase.Failed => $"given up after {NumberText.Size(file.DoneBytes)}",
        _ => $"{NumberText.Size(file.DoneBytes)}, "
            + $"{NumberText.Size((long)file.BytesPerSecond)}/s{(file.Remaining is { } left ? $", {NumberText.Duration(left.TotalSeconds)} left" : "")}",
    };
}
