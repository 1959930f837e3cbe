using System.Text.RegularExpressions;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>The files of a data set, by split, as they lie in the cache.</summary>
/// <param name="Name">Repository, revision and configuration, as they were asked for.</param>
/// <param name="Train">Files to train on, in order.</param>
/// <param name="Validation">Files to evaluate on; none where the data set has no such split.</param>
/// <param name="Test">Files to test on; none where it has no such split.</param>
internal sealed record HubDataset(string Name, IReadOnlyList<string> Train, IReadOnlyList<string> Validation, IReadOnlyList<string> Test);

/// <summary>
/// Data sets by name, whose files are Parquet or JSON lines: <c>org/name</c>, <c>org/name@revision</c>, <c>org/name:configuration</c>. Splits and
/// configurations are told by the files' names; where a repository has a script instead of such files, those that the Hub's own converter made of it are taken.
/// </summary>
internal static partial class HubDatasets
{
    private const string Converted = "refs/convert/parquet";
    private const int MostFiles = 1000;

    private static readonly string[] Extensions = [".parquet", ".jsonl", ".ndjson", ".json", ".jsonl.gz", ".json.gz", ".jsonl.zst", ".ndjson.gz"];

    // What may say what numbers stand for.
    private static readonly string[] Descriptions = ["README.md", "dataset_info.json", "dataset_infos.json"];

    /// <summary>Whether a text has the form of a data set's name, rather than of a file's.</summary>
    public static bool IsName(string text)
    {
        var name = text.Split('@', ':')[0];
        return name.Contains('/', StringComparison.Ordinal) && HubNames.IsRepository(name) && Path.GetExtension(name).Length == 0;
    }

    /// <summary>Fetches a data set, or finds it in the cache.</summary>
    /// <param name="name">Its name, see <see cref="HubDatasets"/>.</param>
    /// <param name="observer">Follows the transfers.</param>
    /// <param name="settings">Null for the environment's.</param>
    /// <param name="cancel">Gives up; what has arrived is kept. Ctrl-C does so anyway.</param>
    /// <exception cref="ArgumentException">The name has another form, or the data set has several configurations and none, or another, was named.</exception>
    /// <exception cref="HubException">It cannot be had, or has no files that are read here; the message says what it has.</exception>
    public static async Task<HubDataset> FetchAsync(string name, IHubObserver? observer = null, HubSettings? settings = null,
        CancellationToken cancel = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        var configuration = colon < 0 ? null : name[(colon + 1)..];
        var (repo, revision) = HubRepo.Parse(colon < 0 ? name : name[..colon], HubRepoKind.Dataset);
        using var client = new HubClient(settings, observer);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, Interruption.Token);
        var entries = await client.ListAsync(repo, revision, stop.Token).ConfigureAwait(false);
        var files = FilesOf(entries);
        if (files.Count == 0 && revision == "main" && await ConvertedAsync(client, repo, stop.Token).ConfigureAwait(false) is { } converted)
        {
            (entries, files, revision) = (converted, FilesOf(converted), Converted);
            observer?.Noticed($"{repo}: no Parquet or JSON lines of its own; taking those that the Hub's converter made ({Converted})");
        }

        var chosen = Choose(repo, entries, files, configuration);
        foreach (var description in Descriptions.Where(file => entries.Any(entry => entry.Path == file)))
        {
            await client.TryDownloadAsync(repo, description, revision, stop.Token).ConfigureAwait(false);
        }

        return new(name, await FetchAsync("train").ConfigureAwait(false), await FetchAsync("validation").ConfigureAwait(false),
            await FetchAsync("test").ConfigureAwait(false));

        async Task<IReadOnlyList<string>> FetchAsync(string split)
        {
            var paths = new List<string>();
            foreach (var file in chosen.Where(file => file.Split == split))
            {
                paths.Add((await client.DownloadAsync(repo, file.Name, revision, stop.Token).ConfigureAwait(false)).Path);
            }

            return paths;
        }
    }

    private static async Task<IReadOnlyList<HubEntry>?> ConvertedAsync(HubClient client, HubRepo repo, CancellationToken cancel)
    {
        try
        {
            return await client.ListAsync(repo, Converted, cancel).ConfigureAwait(false);
        }
        catch (HubException fault) when (fault.Fault is HubFault.RevisionNotFound or HubFault.EntryNotFound or HubFault.NotInCache)
        {
            return null;
        }
    }

    /// <summary>A data file: its split, and what its path says beside split and number, which tells configurations apart.</summary>
    private readonly record struct DataFile(string Name, string Split, string Configuration);

    private static List<DataFile> FilesOf(IReadOnlyList<HubEntry> entries)
    {
        var files = new List<DataFile>();
        foreach (var name in entries.Select(entry => entry.Path).Order(StringComparer.Ordinal))
        {
            var extension = Extensions.Where(extension => name.EndsWith(extension, StringComparison.OrdinalIgnoreCase)).MaxBy(extension => extension.Length);
            var split = extension is null ? Match.Empty : SplitPattern().Matches(name).LastOrDefault() ?? Match.Empty;
            if (split.Success)
            {
                var rest = ShardPattern().Replace(SplitPattern().Replace(name[..^extension!.Length], ""), "");
                var parts = rest.Split(new[] { '/', '-', '_', '.' }, StringSplitOptions.RemoveEmptyEntries);
                files.Add(new(name, SplitOf(split.Value), string.Join('/', parts)));
            }
        }

        // The same data in two forms.
        return files.Exists(IsParquet) ? files.FindAll(IsParquet) : files;

        static string SplitOf(string name) => name.StartsWith("tr", StringComparison.OrdinalIgnoreCase)
            ? "train" : name.StartsWith("te", StringComparison.OrdinalIgnoreCase) ? "test" : "validation";

        static bool IsParquet(DataFile file) => file.Name.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase);
    }

    private static List<DataFile> Choose(HubRepo repo, IReadOnlyList<HubEntry> entries, List<DataFile> files, string? configuration)
    {
        if (files.Count == 0)
        {
            throw new HubException(HubFault.EntryNotFound,
                $"{repo} has no Parquet or JSON lines files with a split (train, validation, test) in their names; it has "
                + $"{string.Join(", ", entries.Take(12).Select(entry => Excerpt.Long(entry.Path)))}{(entries.Count > 12 ? ", …" : "")}. "
                    + "Fetch what you need, and name the file");
        }

        List<string> configurations = [.. files.Select(file => file.Configuration).Distinct(StringComparer.Ordinal)];
        var chosen = configuration is null && configurations.Count == 1 ? files
            : files.FindAll(file => file.Configuration == configuration || file.Configuration.Split('/').Contains(configuration, StringComparer.Ordinal));
        var found = chosen.Select(file => file.Configuration).Distinct(StringComparer.Ordinal).Count();
        return found == 1 && chosen.Exists(file => file.Split == "train") && chosen.Count <= MostFiles ? chosen
            : found == 1
            ? throw new HubException(HubFault.EntryNotFound,
            $"{repo} has {chosen.Count} such files, those of {string.Join(", ", chosen.Select(file => file.Split).Distinct())}; expected a train split, "
            + $"and at most {MostFiles} files")
            : throw new ArgumentException($"{repo} has several "
                + $"configurations{(configuration is null ? "" : $", and '{Excerpt.Long(configuration)}' names {(found == 0 ? "none" : found)} of them")}: "
                + $"{string.Join(", ", configurations.Take(40).Select(name => Excerpt.Long(name)))}; name one behind a colon: "
                    + $"{repo.Name}:{Excerpt.Long(configurations[0])}");
    }

    [GeneratedRegex("(?<![A-Za-z])(?:training|train|validation|valid|val|development|dev|testing|test)(?![A-Za-z])", RegexOptions.IgnoreCase)]
    private static partial Regex SplitPattern();

    [GeneratedRegex("[0-9]{4,5}-of-[0-9]{4,5}|(?<![A-Za-z0-9])[0-9]{4}(?![A-Za-z0-9])", RegexOptions.IgnoreCase)]
    private static partial Regex ShardPattern();
}
