using System.Globalization;

namespace NotebookLib.Tracking;

/// <summary>The last value of every key, in the order of first appearance, plus what the user set.</summary>
internal sealed class SummaryValues
{
    private readonly List<string> _older = [];
    private Dictionary<string, string> _values = [];
    private HashSet<string> _pinned = [];

    /// <summary>The step of the last row, or -1.</summary>
    public long Step { get; private set; } = -1;

    public double RuntimeSeconds { get; private set; }

    /// <summary>Counts the changes.</summary>
    public long Version { get; private set; }

    /// <summary>Takes a row's values, except for keys whose value the user set.</summary>
    public void Apply(RowContent row)
    {
        (Step, RuntimeSeconds) = (row.Step ?? Step, row.RuntimeSeconds ?? RuntimeSeconds);
        foreach (var (key, value) in row.Members)
        {
            if (!_pinned.Contains(key))
            {
                _values[key] = value;
            }
        }

        Version++;
    }

    /// <summary>The run ended: its time is then that of the whole run, not of the last row.</summary>
    public void End(double runtimeSeconds)
    {
        RuntimeSeconds = Math.Max(RuntimeSeconds, runtimeSeconds);
        Version++;
    }

    /// <summary>Takes values that stay, whatever later rows say.</summary>
    public void Set(IEnumerable<KeyValuePair<string, string>> members)
    {
        foreach (var (key, value) in members)
        {
            _values[key] = value;
            _pinned.Add(key);
        }

        Version++;
    }

    /// <summary>The values as they are now, to come back to.</summary>
    public SummaryValues Copy() => new() { _values = new(_values), _pinned = [.. _pinned], Step = Step };

    /// <summary>Comes back to earlier values; the run's time goes on.</summary>
    public void ReturnTo(SummaryValues earlier)
    {
        (_values, _pinned, Step) = (new(earlier._values), [.. earlier._pinned], earlier.Step);
        Version++;
        foreach (var json in _older.ToArray())
        {
            AddOlder(json);
        }
    }

    /// <summary>Takes values of an earlier part of the run where this one has none.</summary>
    public void AddOlder(string json)
    {
        if (!_older.Contains(json))
        {
            _older.Add(json);
        }

        foreach (var (key, value) in JsonMembers.Split(json))
        {
            if (key is not "_wandb")
            {
                _values.TryAdd(key, value);
            }
        }

        Version++;
    }

    /// <summary>The summary as one line of JSON; null values are left out, as wandb 0.31 does.</summary>
    /// <param name="stepOffset">Added to _step: a resumed run's earlier steps, unless the user numbers them.</param>
    /// <param name="runtimeOffset">Added to _runtime, in seconds.</param>
    public string ToJson(long stepOffset = 0, double runtimeOffset = 0)
    {
        var runtime = RuntimeSeconds + runtimeOffset;
        var members = _values.Where(pair => pair.Value != "null").Select(pair => pair.Key switch
        {
            "_step" when Step >= 0 => new(pair.Key, (Step + stepOffset).ToString(CultureInfo.InvariantCulture)),
            "_runtime" when Step >= 0 => new(pair.Key, runtime.ToString("R", CultureInfo.InvariantCulture)),
            _ => pair,
        });
        return JsonMembers.Join(members.Append(new("_wandb", $"{{\"runtime\":{(long)runtime}}}")));
    }
}
