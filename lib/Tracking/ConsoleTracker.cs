using System.Globalization;

namespace NotebookLib.Tracking;

/// <summary>Prints rows as short lines: "step 12  train/loss 0.4531  train/epoch 0.5", at most one per interval.</summary>
/// <param name="output">Where to.</param>
/// <param name="clock">Measures the interval.</param>
/// <param name="intervalSeconds">Seconds between two lines; rows in between are not printed.</param>
public sealed class ConsoleTracker(TextWriter output, TimeProvider clock, double intervalSeconds = 1) : ITracker
{
    private readonly Lock _lock = new();
    private long? _printedAt;
    private long _rows;

    /// <inheritdoc/>
    public void Log(IReadOnlyDictionary<string, object?> row, long? atStep = null)
    {
        lock (_lock)
        {
            var number = atStep ?? _rows;
            _rows = number + 1;
            if (_printedAt is { } before && clock.GetElapsedTime(before).TotalSeconds < intervalSeconds)
            {
                return;
            }

            _printedAt = clock.GetTimestamp();
            var values = row.Where(pair => pair.Value is IFormattable or string or bool).Select(pair => $"{pair.Key} {Short(pair.Value!)}");
            output.WriteLine($"step {number}  {string.Join("  ", values)}");
        }
    }

    /// <inheritdoc/>
    public ValueTask FinishAsync(int exitCode = 0, CancellationToken cancel = default)
    {
        output.WriteLine(exitCode == 0 ? $"run finished after {_rows} steps" : $"run failed with exit code {exitCode} after {_rows} steps");
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static string Short(object value) => value switch
    {
        double or float or Half => Convert.ToDouble(value, CultureInfo.InvariantCulture).ToString("G4", CultureInfo.InvariantCulture),
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };
}
