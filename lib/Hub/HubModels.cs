using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>Models and adapters by name: <c>microsoft/deberta-v3-base</c>, with a revision <c>org/name@v1.0</c>, or a folder of one's own.</summary>
internal static class HubModels
{
    private const long LargestIndexBytes = 64 << 20;
    private const int MostShards = 1000;

    private static readonly string[] WeightFiles = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];
    private static readonly string[] AdapterFiles = ["adapter_model.safetensors", "adapter_model.bin"];
    private static readonly string[] TokenizerFiles = ["spm.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.json"];

    /// <summary>The folder of a model or adapter, with configuration, weights and tokenizer; fetched from the Hub when it is not a local folder.</summary>
    /// <param name="nameOrFolder">A local folder, returned as it is, or <c>org/name</c>, <c>org/name@revision</c>.</param>
    /// <param name="observer">Follows the transfers.</param>
    /// <param name="settings">Null for the environment's.</param>
    /// <param name="cancel">Gives up; what has arrived is kept. Ctrl-C does so anyway.</param>
    /// <returns>The folder: all of its files are of one commit.</returns>
    /// <exception cref="DirectoryNotFoundException">It looks like a path, and no such folder exists.</exception>
    /// <exception cref="ArgumentException">It is neither a folder nor a repository's name.</exception>
    /// <exception cref="HubException">It cannot be had; the message says what to do.</exception>
    public static async Task<string> FetchAsync(string nameOrFolder, IHubObserver? observer = null, HubSettings? settings = null,
        CancellationToken cancel = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(nameOrFolder);
        if (Directory.Exists(nameOrFolder))
        {
            return nameOrFolder;
        }

        ThrowIfPath(nameOrFolder);
        var (repo, revision) = HubRepo.Parse(nameOrFolder);
        using var client = new HubClient(settings, observer);
        return await new Fetch(client, repo, revision, cancel).RunAsync().ConfigureAwait(false);
    }

    private static void ThrowIfPath(string text)
    {
        if (Path.IsPathRooted(text) || text[0] is '.' or '~' || text.Contains('\\', StringComparison.Ordinal) || text.Split('@')[0].Count(c => c == '/') > 1)
        {
            throw new DirectoryNotFoundException($"{text}: no such folder; expected an existing folder, or a name on the Hub such as "
                + "microsoft/deberta-v3-base");
        }
    }

    /// <summary>One model's way here; after the first file everything is asked of that file's commit.</summary>
    private sealed class Fetch(HubClient client, HubRepo repo, string revision, CancellationToken cancel)
    {
        private string _revision = revision;
        private string? _folder;

        public async Task<string> RunAsync()
        {
            var asked = $"{repo}@{_revision}";
            var isModel = await TryAsync("config.json").ConfigureAwait(false) && await FirstOfAsync(WeightFiles).ConfigureAwait(false);
            var isAdapter = !isModel && await TryAsync("adapter_config.json").ConfigureAwait(false) && await FirstOfAsync(AdapterFiles).ConfigureAwait(false);
            if (!isModel && !isAdapter && client.IsOffline)
            {
                throw client.NotInCache(repo, _folder is null ? "" : "weights", _revision);
            }

            if (!isModel && !isAdapter)
            {
                throw new HubException(HubFault.EntryNotFound,
                    $"{asked} holds no model that we read: expected config.json with one of {string.Join(", ", WeightFiles)}, "
                    + $"or adapter_config.json with one of {string.Join(", ", AdapterFiles)}");
            }

            foreach (var file in TokenizerFiles)
            {
                await TryAsync(file).ConfigureAwait(false);
            }

            return _folder!;
        }

        private async Task<bool> FirstOfAsync(string[] names)
        {
            foreach (var name in names)
            {
                if (await TryAsync(name).ConfigureAwait(false))
                {
                    await FetchShardsAsync(name).ConfigureAwait(false);
                    return true;
                }
            }

            return false;
        }

        private async Task<bool> TryAsync(string name)
        {
            if (await client.TryDownloadAsync(repo, name, _revision, cancel).ConfigureAwait(false) is not { } file)
            {
                return false;
            }

            (_revision, _folder) = (file.Commit, Path.GetDirectoryName(file.Path)!);
            return true;
        }

        private async Task FetchShardsAsync(string name)
        {
            if (name.EndsWith(".index.json", StringComparison.Ordinal))
            {
                foreach (var shard in Shards(Path.Combine(_folder!, name)))
                {
                    await client.DownloadAsync(repo, shard, _revision, cancel).ConfigureAwait(false);
                }
            }
        }
    }

    private static List<string> Shards(string index)
    {
        try
        {
            if (new FileInfo(index).Length > LargestIndexBytes)
            {
                throw new InvalidDataException($"{index}: larger than {LargestIndexBytes} bytes; expected an index of tensor names");
            }

            using var json = StrictJson.Parse(File.ReadAllBytes(index));
            var shards = json.RootElement.GetProperty("weight_map").EnumerateObject().Select(pair => HubNames.Checked(pair.Value.GetString(), index))
                .Distinct(StringComparer.Ordinal).ToList();
            return shards.Count <= MostShards ? shards : throw new InvalidDataException($"{index}: names {shards.Count} files; expected at most {MostShards}");
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"{index}: not a checkpoint index: expected an object weight_map of tensor name and file name ({error.Message})",
                error);
        }
    }
}
