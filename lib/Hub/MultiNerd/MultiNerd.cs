using NotebookLib.Data;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>What to fetch of MultiNERD, and where it goes.</summary>
internal sealed record MultiNerdOptions
{
    /// <summary>The data set's repository.</summary>
    public string Repository { get; init; } = "Babelscape/multinerd";

    /// <summary>Branch, tag or commit.</summary>
    public string Revision { get; init; } = "main";

    /// <summary>The splits wanted; only their files are fetched.</summary>
    public IReadOnlyList<string> Splits { get; init; } = ["train", "validation", "test"];

    /// <summary>Holds a folder for each source commit; null is <c>notebooklib/multinerd</c> in HF_HOME.</summary>
    public string? Folder { get; init; }
}

/// <summary>MultiNERD's English part as Parquet files.</summary>
/// <param name="Folder">Holds the files and their manifest.</param>
/// <param name="Manifest">Source, hashes, counts, licence.</param>
internal sealed record MultiNerdFiles(string Folder, MultiNerdManifest Manifest)
{
    /// <summary>The Parquet file of a split.</summary>
    /// <param name="split">train, validation or test.</param>
    /// <exception cref="ArgumentException">That split was not asked for.</exception>
    public string PathOf(string split) => Manifest.Splits.TryGetValue(split, out var made)
        ? Path.Combine(Folder, made.File)
        : throw new ArgumentException($"split '{split}' is not here; expected one of {string.Join(", ", Manifest.Splits.Keys)}", nameof(split));

    /// <summary>What differs from the source that the original notebooks had; empty when nothing does.</summary>
    public IReadOnlyList<string> Differences =>
    [
        .. Manifest.Splits.Where(split => split.Value is { KnownSentences: not null, IsKnown: false }).Select(split => Invariant(
            $"{split.Key}: {split.Value.Sentences:N0} sentences, the original notebooks had {split.Value.KnownSentences:N0}: ")
                + Invariant($"{Manifest.Repository} changed (commit {Manifest.Revision[..8]}), so scores are not comparable with the published ones")),
    ];
}

/// <summary>MultiNERD, English: fetched from the Hub for whoever runs this, never shipped (CC BY-NC-SA 4.0), kept as Parquet by source commit.</summary>
internal static class MultiNerd
{
    private static readonly string[] SourceExtensions = [".jsonl", ".json", ".jsonl.gz", ".json.gz"];

    private static readonly Dictionary<string, string[]> SplitWords = new(StringComparer.Ordinal)
    {
        ["train"] = ["train", "training"],
        ["validation"] = ["val", "valid", "validation", "dev"],
        ["test"] = ["test"],
    };

    /// <summary>The splits, in the order of use.</summary>
    private static IReadOnlyList<string> Splits { get; } = ["train", "validation", "test"];

    /// <summary>Fetches the data set, or finds it where an earlier run left it.</summary>
    /// <param name="observer">Follows the transfers.</param>
    /// <param name="options">What to fetch; null for all of it.</param>
    /// <param name="settings">Null for the environment's.</param>
    /// <param name="cancel">Gives up; what has arrived is kept. Ctrl-C does so anyway.</param>
    /// <returns>The files; <see cref="MultiNerdFiles.Differences"/> says whether the source changed.</returns>
    /// <exception cref="HubException">It cannot be had; the message says what to do.</exception>
    /// <exception cref="DataFormatException">The source is not of MultiNERD's form; all wrong rows are listed with their lines.</exception>
    public static async Task<MultiNerdFiles> FetchAsync(
        IHubObserver? observer = null, MultiNerdOptions? options = null, HubSettings? settings = null, CancellationToken cancel = default)
    {
        options ??= new MultiNerdOptions();
        if (options.Splits.Count == 0 || options.Splits.Any(split => !Splits.Contains(split)))
        {
            throw new ArgumentException($"splits: expected some of {string.Join(", ", Splits)}, found {string.Join(", ", options.Splits)}",
                nameof(options));
        }

        settings ??= HubSettings.FromEnvironment();
        using var client = new HubClient(settings, observer);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, Interruption.Token);
        var files = await new Download(client, settings, options, observer, stop.Token).RunAsync().ConfigureAwait(false);
        foreach (var difference in files.Differences)
        {
            observer?.Noticed(difference);
        }

        return files;
    }

    /// <summary>The one English file of a split among all that the data set's tree lists: by what their names say, not by a guess at the names.</summary>
    /// <exception cref="HubException">None or several fit; the message lists what is there.</exception>
    private static string Choose(IReadOnlyList<HubEntry> tree, string split, HubRepo repo)
    {
        var candidates = tree.Select(entry => entry.Path).Where(path => IsEnglish(path) && SplitsOf(path) is [var only] && only == split).ToList();
        if (candidates is [var file])
        {
            return file;
        }

        var lines = tree.Select(entry => entry.Path).Where(HasLines).Take(12).ToList();
        throw new HubException(HubFault.EntryNotFound, candidates.Count == 0
            ? $"{repo}: none of its {tree.Count} files looks like the English {split} split (expected a name such as train/train_en.jsonl); JSON lines there: "
                + $"{(lines.Count == 0 ? "none" : string.Join(", ", lines))}"
            : $"{repo}: {candidates.Count} files look like the English {split} split: {string.Join(", ", candidates.Take(12))}; expected one");
    }

    private static bool HasLines(string path) => SourceExtensions.Any(extension => path.EndsWith(extension, StringComparison.OrdinalIgnoreCase));

    private static bool IsEnglish(string path) => HasLines(path) && WordsOf(path).Any(word => word is "en" or "english");

    private static List<string> SplitsOf(string path) => [.. Splits.Where(split => WordsOf(path).Any(SplitWords[split].Contains))];

    private static IEnumerable<string> WordsOf(string path) => path.ToLowerInvariant().Split(['/', '_', '-', '.', ' '], StringSplitOptions.RemoveEmptyEntries);

    private sealed class Download(HubClient client, HubSettings settings, MultiNerdOptions options, IHubObserver? observer, CancellationToken cancel)
    {
        private readonly HubRepo _repo = new(options.Repository, HubRepoKind.Dataset);
        private readonly string _root = options.Folder ?? Path.Combine(settings.HomeFolder, "notebooklib", "multinerd");
        private IReadOnlyList<HubEntry> _tree = [];

        public async Task<MultiNerdFiles> RunAsync()
        {
            var commit = await CommitAsync().ConfigureAwait(false);
            var folder = Path.Combine(_root, commit);
            using (await HubLock.TakeAsync(Path.Combine(_root, ".locks", commit + ".lock"), _repo.ToString(), observer, cancel).ConfigureAwait(false))
            {
                var made = Whole(folder);
                foreach (var split in options.Splits.Where(split => !made.ContainsKey(split)))
                {
                    made[split] = await MakeAsync(split, commit, folder).ConfigureAwait(false);
                    Manifest(commit, made).Write(folder);
                }

                return new MultiNerdFiles(folder, Manifest(commit, made));
            }
        }

        /// <summary>The source's commit; where the Hub cannot be asked, that of the latest files that are complete.</summary>
        private async Task<string> CommitAsync()
        {
            try
            {
                _tree = await client.ListAsync(_repo, options.Revision, cancel).ConfigureAwait(false);
                return await client.CommitAsync(_repo, Choose(_tree, options.Splits[0], _repo), options.Revision, cancel).ConfigureAwait(false);
            }
            catch (HubException fault) when ((settings.IsOffline || fault.Fault is HubFault.Unreachable) && Latest() is { } latest)
            {
                observer?.Noticed($"{_repo}: taking the files of commit {latest[..8]}, made earlier{(settings.IsOffline ? "" : $" ({fault.Message})")}");
                return latest;
            }
        }

        private string? Latest() => !Directory.Exists(_root) ? null : new DirectoryInfo(_root).EnumerateDirectories()
            .Where(folder => HubNames.IsCommit(folder.Name) && Whole(folder.FullName) is var made && options.Splits.All(made.ContainsKey))
            .OrderByDescending(folder => File.GetLastWriteTimeUtc(Path.Combine(folder.FullName, MultiNerdManifest.FileName)))
            .FirstOrDefault()?.Name;

        private SortedDictionary<string, MultiNerdSplit> Whole(string folder)
        {
            var manifest = MultiNerdManifest.Read(folder);
            var splits = manifest?.Repository == options.Repository ? manifest.Splits.Where(split => SplitMaker.IsWhole(folder, split.Value)) : [];
            return new(splits.ToDictionary(split => split.Key, split => split.Value), StringComparer.Ordinal);
        }

        private async Task<MultiNerdSplit> MakeAsync(string split, string commit, string folder)
        {
            var name = Choose(_tree, split, _repo);
            var source = await client.DownloadAsync(_repo, name, commit, cancel).ConfigureAwait(false);
            var made = await Task.Run(() => SplitMaker.Make(split, source.Path, name, folder, cancel), cancel).ConfigureAwait(false);
            observer?.Noticed(Invariant($"{split}: {made.Sentences:N0} sentences, {made.Words:N0} words, {made.Entities:N0} entities ({made.Choice}) ")
                + Invariant($"in {made.File}, {made.Bytes / 1e6:0.0} MB"));
            return made;
        }

        private MultiNerdManifest Manifest(string commit, IReadOnlyDictionary<string, MultiNerdSplit> splits)
            => new() { Repository = options.Repository, Revision = commit, Labels = LabelSet.SystemA.Names, Splits = splits };
    }
}
