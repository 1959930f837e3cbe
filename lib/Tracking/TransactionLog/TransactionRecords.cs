using System.Globalization;
using Google.Protobuf.Collections;

namespace NotebookLib.Tracking.TransactionLog;

/// <summary>
/// Turns what the journal says into records of W&amp;B's log, in the form that both versions of its tool read (WANDB.md §11, offline/handmade).
/// </summary>
internal static class TransactionRecords
{
    public static LogRecord Header() => new() { Header = new() { VersionInfo = new() { Producer = "0.1.0", MinConsumer = "0.0.1" } } };

    public static LogRecord Run(RunHeader header, IReadOnlyDictionary<string, string> config)
    {
        var run = new LogRun { RunId = header.RunId, Project = header.Project, Host = header.Host, Config = new(), StartTime = Time(header.StartedAt) };
        // Absent and empty are the same on the wire; the setters refuse null.
        run.Entity = header.Entity ?? "";
        run.RunGroup = header.Group ?? "";
        run.JobType = header.JobType ?? "";
        run.DisplayName = header.Name ?? "";
        run.Notes = header.Notes ?? "";
        run.Tags.AddRange(header.Tags);
        Add(run.Config.Update, config);
        return new() { Run = run };
    }

    public static LogRecord Config(string json)
    {
        var config = new LogConfig();
        Add(config.Update, JsonMembers.Split(json));
        return new() { Config = config };
    }

    public static LogRecord Metric(MetricDefinition metric) => new()
    {
        Metric = new()
        {
            Name = metric.Name ?? "",
            GlobName = metric.Glob ?? "",
            StepMetric = metric.StepMetric ?? "",
            Options = new() { StepSync = metric.StepSync, Hidden = metric.Hidden, Defined = metric.Name is not null },
        },
    };

    public static LogRecord History(string json)
    {
        var history = new LogHistory { Step = new() };
        foreach (var (key, value) in JsonMembers.Split(json))
        {
            history.Item.Add(new LogItem { Key = key, ValueJson = value });
            history.Step.Num = key == "_step" ? long.Parse(value, CultureInfo.InvariantCulture) : history.Step.Num;
        }

        return new() { History = history };
    }

    public static LogRecord Summary(SummaryValues summary)
    {
        var record = new LogSummary();
        Add(record.Update, JsonMembers.Split(summary.ToJson()).Where(member => member.Key != "_wandb"));
        return new() { Summary = record };
    }

    /// <summary>The names lose their "system.", which W&amp;B's tool puts before them again.</summary>
    public static LogRecord Stats(string json)
    {
        var stats = new LogStats();
        foreach (var (key, value) in JsonMembers.Split(json))
        {
            if (key is "_timestamp")
            {
                stats.Timestamp = Time(DateTimeOffset.UnixEpoch.AddSeconds(double.Parse(value, CultureInfo.InvariantCulture)));
            }
            else if (key.StartsWith("system.", StringComparison.Ordinal))
            {
                stats.Item.Add(new LogItem { Key = key["system.".Length..], ValueJson = value });
            }
        }

        return new() { Stats = stats };
    }

    public static LogRecord Output(OutputLine line) => new()
    {
        OutputRaw = new() { OutputType = line.IsError ? 0 : 1, Timestamp = Time(line.Time), Line = line.Text + "\n" },
    };

    public static LogRecord Files(IEnumerable<string> names)
    {
        var files = new LogFiles();
        files.Files.AddRange(names.Select(name => new LogFile { Path = name, Policy = 1 }));
        return new() { Files = files };
    }

    public static LogRecord Exit(RunExit exit) => new() { Exit = new() { ExitCode = exit.Code, Runtime = (int)exit.RuntimeSeconds } };

    private static void Add(RepeatedField<LogItem> items, IEnumerable<KeyValuePair<string, string>> members)
        => items.AddRange(members.Select(member => new LogItem { Key = member.Key, ValueJson = member.Value }));

    private static LogTime Time(DateTimeOffset time)
    {
        var ticks = (time - DateTimeOffset.UnixEpoch).Ticks;
        return new() { Seconds = ticks / TimeSpan.TicksPerSecond, Nanos = (int)(ticks % TimeSpan.TicksPerSecond) * 100 };
    }
}
