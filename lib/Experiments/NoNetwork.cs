using NotebookLib.Hub;
using NotebookLib.Platform;

namespace NotebookLib.Experiments;

/// <summary>What an experiment says when the Hub cannot be asked: what is missing, and the ways out.</summary>
internal static class NoNetwork
{
    /// <summary>Brings something from the Hub; where that cannot be reached, or may not be, says what the whole experiment lacks.</summary>
    /// <exception cref="HubException">It cannot be had; the message says what to do.</exception>
    public static async Task<T> ExplainAsync<T>(InputSettings inputs, Func<Task<T>> fetch)
    {
        try
        {
            return await fetch().ConfigureAwait(false);
        }
        catch (HubException fault) when (fault.Fault is HubFault.Unreachable or HubFault.NotInCache)
        {
            throw new HubException(fault.Fault,
                $"{fault.Message}\nMissing on this machine: {string.Join(", ", await MissingAsync(inputs).ConfigureAwait(false))}.\n"
                + $"Three ways out: run it again with a network; {HostWords.Set("model", "FOLDER")} takes a model of your "
                    + $"own{(NeedsHub(inputs) ? $", {HostWords.Set("trainData", "FILE")} sentences of your own" : "")}; "
                + $"{HostWords.Set("profile", "demo")} needs no network.", fault);
        }
    }

    private static async Task<IReadOnlyList<string>> MissingAsync(InputSettings inputs)
    {
        var offline = HubSettings.FromEnvironment() with { IsOffline = true };
        List<string> missing = [];
        foreach (var (kind, name) in new[] { ("model", inputs.Model), ("tokenizer", inputs.Tokenizer), ("adapter", inputs.Adapter) })
        {
            if (name is not null && RepositoryFiles.Find(name) is null
                && !await IsThereAsync(() => HubModels.FetchAsync(name, settings: offline)).ConfigureAwait(false))
            {
                missing.Add($"{kind} {name}");
            }
        }

        if (inputs.TrainData is { } own && RepositoryFiles.Find(own) is null
            && !await IsThereAsync(() => HubDatasets.FetchAsync(own, settings: offline)).ConfigureAwait(false))
        {
            missing.Add($"data {own}");
        }

        if (NeedsHub(inputs) && !await IsThereAsync(() => MultiNerd.FetchAsync(options: new() { Splits = ["test"] }, settings: offline)).ConfigureAwait(false))
        {
            missing.Add($"data {inputs.Dataset}");
        }

        return missing.Count > 0 ? missing : ["a file that only the Hub has"];
    }

    private static bool NeedsHub(InputSettings inputs) => !inputs.IsOwn && inputs.Dataset == InputSettings.MultiNerd;

    private static async Task<bool> IsThereAsync<T>(Func<Task<T>> take)
    {
        try
        {
            _ = await take().ConfigureAwait(false);
            return true;
        }
        catch (HubException)
        {
            return false;
        }
    }
}
