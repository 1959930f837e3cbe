using NotebookLib.Hub;
using NotebookLib.Tracking;

namespace NotebookLib.Experiments;

/// <summary>Where a run's results go, and what becomes of results that are there already.</summary>
public sealed record RunSettings
{
    /// <summary>
    /// Folder of the run's files, seen from the repository's root; null takes the runner's, else a new one under <c>results/runs</c>. One that holds an earlier
    /// run is refused unless <see cref="Resume"/> is set.
    /// </summary>
    public string? Output { get; init; }

    /// <summary>Go on with the run in <see cref="Output"/>, which another process began.</summary>
    public bool Resume { get; init; }

    /// <summary>Train a run that is finished once more, in its place. One that was stopped is gone on with whatever this says.</summary>
    public bool Restart { get; init; }

    /// <summary>Weights and Biases: <c>auto</c> (online when a key is found), <c>online</c>, <c>offline</c>, <c>disabled</c>.</summary>
    public string Tracking { get; init; } = "offline";

    /// <summary>Publish the result on the Hub under this name, <c>organisation/name</c>, privately; null publishes nothing.</summary>
    public string? Push { get; init; }

    /// <summary>Finds what would fail after the training, before it: names, tokens, keys.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="environment">Looks up a variable; null for the process's.</param>
    /// <returns>One line per fault, each with the value seen and one that would work.</returns>
    internal IEnumerable<string> FindFaults(string folder, Func<string, string?> environment)
    {
        if (Resume && Output is null)
        {
            yield return "Resume is true, but Output is null; expected the folder of the run to go on with, for instance results/runs/my-run.";
        }

        foreach (var fault in FaultsOfPush(environment).Concat(FaultsOfTracking(folder, environment)))
        {
            yield return fault;
        }
    }

    private List<string> FaultsOfPush(Func<string, string?> environment)
    {
        if (Push is not { } push)
        {
            return [];
        }

        List<string> faults = push.Contains('/', StringComparison.Ordinal) && HubNames.IsRepository(push)
            ? [] : [$"Push is \"{push}\"; expected organisation/name, or null to publish nothing."];
        try
        {
            var hub = HubSettings.FromEnvironment();
            faults.AddRange(hub.Token is null
                ? [$"Push is \"{push}\", but there is no token; set HF_TOKEN to one that may write ({hub.Endpoint}/settings/tokens), or leave Push null."]
                : []);
            faults.AddRange(hub.IsOffline ? [$"Push is \"{push}\", but HF_HUB_OFFLINE allows no request; unset it, or leave Push null."] : []);
        }
        catch (ArgumentException fault)
        {
            faults.Add(fault.Message);
        }

        return faults;
    }

    private List<string> FaultsOfTracking(string folder, Func<string, string?> environment)
    {
        if (Tracking is not ("auto" or "online" or "offline" or "disabled"))
        {
            return [$"Tracking is \"{Tracking}\"; expected auto, online, offline, disabled."];
        }

        try
        {
            var settings = TrackingEnvironment.ForNotebook(Tracking, folder, environment: environment);
            return Tracking == "online" && settings.Key is null
                ? ["Tracking is \"online\", but there is no API key; set WANDB_API_KEY (or netrc), or Tracking to offline and upload later with sync."]
                : [.. settings.Validate()];
        }
        catch (ArgumentException fault)
        {
            return [fault.Message];
        }
    }
}
