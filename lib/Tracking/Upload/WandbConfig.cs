using System.Text.Json;

namespace NotebookLib.Tracking;

/// <summary>The configuration as the server stores it: each key under "value", and the client's own block _wandb (WANDB.md §3).</summary>
internal static class WandbConfig
{
    // Field numbers of the telemetry record: 5 client version, 13 platform. "t" must be there, or the server's resume check takes the run for missing.
    private const string VersionField = "5";
    private const string PlatformField = "13";

    /// <summary>The configuration as one JSON object.</summary>
    public static string ToJson(RunReplay run)
    {
        var members = run.Config.Where(member => member.Key != "_wandb").Select(member => KeyValuePair.Create(member.Key, $"{{\"value\":{member.Value}}}"));
        return JsonMembers.Join(members.Append(new("_wandb", $"{{\"value\":{Client(run)}}}")));
    }

    /// <summary>Metric definitions as "m": name 1 or glob 2, index of the step metric 5, options 6 (1 step sync, 2 hidden, 3 defined), summaries 7.</summary>
    public static string Metrics(IReadOnlyList<MetricDefinition> metrics)
    {
        List<MetricDefinition> all = [.. metrics];
        foreach (var step in metrics.Select(metric => metric.StepMetric).OfType<string>().Distinct().Where(step => metrics.All(metric => metric.Name != step)))
        {
            all.Insert(0, new MetricDefinition(step, null, null, false, false, []));
        }

        return "[" + string.Join(",", all.Select(metric => Metric(metric, all))) + "]";
    }

    private static string Metric(MetricDefinition metric, List<MetricDefinition> all)
    {
        List<int> options = [];
        options.AddRange(metric.StepSync ? [1] : []);
        options.AddRange(metric.Hidden ? [2] : []);
        // A glob defines no metric of its own: 031-b-hf-trainer:6 gives it option 1 alone.
        options.AddRange(metric.Name is null ? [] : [3]);
        Dictionary<string, object?> members = new() { [metric.Name is null ? "2" : "1"] = metric.Name ?? metric.Glob };
        if (metric.StepMetric is not null)
        {
            members["5"] = all.FindIndex(other => other.Name == metric.StepMetric) + 1;
        }

        members["6"] = options;
        members["7"] = metric.Summary;
        return RowText.Value(members);
    }

    private static string Client(RunReplay run)
    {
        var version = typeof(WandbConfig).Assembly.GetName().Version?.ToString(3) ?? "0.0.0";
        var platform = Invariant($"{(OperatingSystem.IsWindows() ? "windows" : OperatingSystem.IsMacOS() ? "darwin" : "linux")}-{Architecture()}");
        var environment = run.Header!.Environment.ToDictionary(member => member.Key, member => (object?)member.Value);
        return JsonMembers.Join([
            new("cli_version", JsonSerializer.Serialize(version)),
            new("t", RowText.Value(new Dictionary<string, object?> { [VersionField] = version, [PlatformField] = platform })),
            new("m", Metrics(run.Metrics)),
            new("e", RowText.Value(new Dictionary<string, object?> { [run.Header.WriterId] = environment })),
        ]);
    }

    private static string Architecture() => System.Runtime.InteropServices.RuntimeInformation.OSArchitecture switch
    {
        System.Runtime.InteropServices.Architecture.X64 => "x86_64",
        System.Runtime.InteropServices.Architecture.Arm64 => "arm64",
        var other => other.ToString(),
    };
}
