using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>A file from the Hub.</summary>
/// <param name="Path">Where it lies in the cache.</param>
/// <param name="Commit">The commit that it belongs to.</param>
internal sealed record HubFile(string Path, string Commit);

/// <summary>A file that a repository lists.</summary>
/// <param name="Path">Its name, with folders.</param>
/// <param name="SizeBytes">Its size.</param>
internal sealed record HubEntry(string Path, long SizeBytes);

/// <summary>Reads repositories of the Hugging Face Hub through the cache that Python shares. Safe to use from any thread.</summary>
internal sealed class HubClient : IDisposable
{
    private const int MostPages = 200;

    private readonly HubSession _session;
    private readonly HubSettings _settings;

    /// <summary>Makes a client; nothing is sent.</summary>
    /// <param name="settings">Null for the environment's.</param>
    /// <param name="observer">Follows transfers.</param>
    /// <param name="clock">Null for the system's.</param>
    /// <exception cref="ArgumentException">A setting is wrong; all are named.</exception>
    public HubClient(HubSettings? settings = null, IHubObserver? observer = null, TimeProvider? clock = null)
    {
        _session = new HubSession(settings, observer, clock);
        _settings = _session.Settings;
    }

    /// <summary>Whether everything comes from the cache.</summary>
    internal bool IsOffline => _settings.IsOffline;

    /// <summary>A file, from the cache where it is current and else fetched. Processes that want the same file at once fetch it once.</summary>
    /// <param name="repo">The repository.</param>
    /// <param name="file">Its name in it.</param>
    /// <param name="revision">Branch, tag or commit; a full commit that is in the cache needs no network.</param>
    /// <param name="cancel">Gives up; what has arrived is kept for the next time. Ctrl-C does so anyway.</param>
    /// <exception cref="HubException">It cannot be had; <see cref="HubException.Fault"/> says why, the message what to do.</exception>
    /// <exception cref="OperationCanceledException">Given up.</exception>
    public async Task<HubFile> DownloadAsync(HubRepo repo, string file, string revision = "main", CancellationToken cancel = default)
    {
        HubNames.Checked(file, "the caller");
        ThrowIfNoRevision(revision);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, Interruption.Token);
        var cache = new RepoCache(_settings.ResolvedCacheFolder, repo);
        return InCache(cache, repo, file, revision) ?? await FetchAsync(cache, repo, file, revision, stop.Token).ConfigureAwait(false);
    }

    /// <summary>Like <see cref="DownloadAsync"/>, with null for a file that the repository does not have.</summary>
    /// <inheritdoc cref="DownloadAsync"/>
    public async Task<HubFile?> TryDownloadAsync(HubRepo repo, string file, string revision = "main", CancellationToken cancel = default)
    {
        try
        {
            return await DownloadAsync(repo, file, revision, cancel).ConfigureAwait(false);
        }
        catch (HubException absent) when (absent.Fault is HubFault.EntryNotFound || (absent.Fault is HubFault.NotInCache && _settings.IsOffline))
        {
            return null;
        }
    }

    /// <summary>The commit that a revision stands at; offline, the one that it stood at when last asked.</summary>
    /// <param name="repo">The repository.</param>
    /// <param name="file">A file that it has: the Hub tells the commit with each file.</param>
    /// <param name="revision">Branch, tag or commit.</param>
    /// <param name="cancel">Gives up.</param>
    /// <inheritdoc cref="DownloadAsync" path="/exception"/>
    public async Task<string> CommitAsync(HubRepo repo, string file, string revision = "main", CancellationToken cancel = default)
    {
        HubNames.Checked(file, "the caller");
        ThrowIfNoRevision(revision);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, Interruption.Token);
        var cache = new RepoCache(_settings.ResolvedCacheFolder, repo);
        if (HubNames.IsCommit(revision) || _settings.IsOffline)
        {
            return cache.CommitOf(revision) ?? throw NotInCache(repo, file, revision);
        }

        var remote = await ResolveAsync(cache, repo, file, revision, null, stop.Token).ConfigureAwait(false);
        cache.Remember(revision, remote.Commit);
        return remote.Commit;
    }

    /// <summary>The files of a repository; offline, those in the cache.</summary>
    /// <inheritdoc cref="DownloadAsync"/>
    public async Task<IReadOnlyList<HubEntry>> ListAsync(HubRepo repo, string revision = "main", CancellationToken cancel = default)
    {
        ThrowIfNoRevision(revision);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, Interruption.Token);
        if (_settings.IsOffline)
        {
            var cache = new RepoCache(_settings.ResolvedCacheFolder, repo);
            var commit = cache.CommitOf(revision) ?? throw NotInCache(repo, "", revision);
            return [.. cache.FilesOf(commit).Select(file => new HubEntry(file.Name, new FileInfo(file.Path).Length))];
        }

        var entries = new List<HubEntry>();
        var url = (string?)_session.Url($"{repo.ApiPath}/tree/{Uri.EscapeDataString(revision)}?recursive=true");
        for (var page = 0; url is not null; page++)
        {
            var answer = await _session.SendAsync(repo.ToString(), HttpMethod.Get, url, null, stop.Token).ConfigureAwait(false);
            if (!answer.IsSuccess)
            {
                throw _session.Refusal(answer, repo, revision);
            }

            entries.AddRange(ReadTree(HubSession.Json(answer, $"{repo}: the list of files"), repo));
            url = page < MostPages
                ? NextPage(repo, answer["Link"])
                : throw new HubException(HubFault.BadAnswer, $"{repo}: its list of files has more than {MostPages} pages");
        }

        return entries;
    }

    /// <inheritdoc/>
    public void Dispose() => _session.Dispose();

    private HubFile? InCache(RepoCache cache, HubRepo repo, string file, string revision)
    {
        var isPinned = HubNames.IsCommit(revision);
        if (!isPinned && !_settings.IsOffline)
        {
            return null;
        }

        var commit = cache.CommitOf(revision);
        if (commit is not null && cache.Find(commit, file) is { } path)
        {
            return new HubFile(path, commit);
        }

        if (commit is not null && cache.IsKnownAbsent(commit, file))
        {
            throw new HubException(HubFault.EntryNotFound, $"{repo}@{revision}: no file {file} (remembered in the cache)");
        }

        return _settings.IsOffline ? throw NotInCache(repo, file, revision) : null;
    }

    private async Task<HubFile> FetchAsync(RepoCache cache, HubRepo repo, string file, string revision, CancellationToken cancel)
    {
        var known = cache.CommitOf(revision) is { } seen && cache.Find(seen, file) is { } old ? new HubFile(old, seen) : null;
        RemoteFile remote;
        try
        {
            remote = await ResolveAsync(cache, repo, file, revision, known is null ? null : 1, cancel).ConfigureAwait(false);
        }
        catch (HubException fault) when (fault.Fault is HubFault.Unreachable && known is not null)
        {
            _session.Observer?.Noticed($"{fault.Message}; taking {repo}/{file} of commit {known.Commit} from the cache");
            return known;
        }

        cache.Remember(revision, remote.Commit);
        if (cache.Find(remote.Commit, file) is { } current)
        {
            return new HubFile(current, remote.Commit);
        }

        using (await HubLock.TakeAsync(cache.LockOf(remote.Etag), $"{repo}/{file}", _session.Observer, cancel).ConfigureAwait(false))
        {
            await FillBlobAsync(cache, (repo, revision, file), remote, cancel).ConfigureAwait(false);
            return new HubFile(cache.Link(remote.Commit, file, remote.Etag), remote.Commit);
        }
    }

    private async Task FillBlobAsync(RepoCache cache, (HubRepo Repo, string Revision, string File) place, RemoteFile remote, CancellationToken cancel)
    {
        var blob = cache.BlobOf(remote.Etag);
        var meter = _session.Meter(place.Repo, place.File, isUpload: false);
        if (File.Exists(blob) && new FileInfo(blob).Length == (remote.SizeBytes ?? new FileInfo(blob).Length))
        {
            meter.End(HubTransferPhase.AlreadyThere);
            return;
        }

        // Asked of the commit: main may have moved since it was resolved.
        var url = ResolveUrl(place.Repo, remote.Commit, place.File);
        try
        {
            await new BlobDownload(_session).RunAsync(url, place, remote, blob + ".incomplete", meter, cancel).ConfigureAwait(false);
            File.Move(blob + ".incomplete", blob, overwrite: true);
            meter.End(HubTransferPhase.Done);
        }
        catch
        {
            meter.End(HubTransferPhase.Failed);
            throw;
        }
    }

    private async Task<RemoteFile> ResolveAsync(RepoCache cache, HubRepo repo, string file, string revision, int? tries, CancellationToken cancel)
    {
        var answer = await _session.HeadAsync($"{repo}/{file}", ResolveUrl(repo, revision, file), tries, cancel).ConfigureAwait(false);
        var commit = answer["X-Repo-Commit"];
        if (!answer.IsSuccess && !answer.IsRedirect)
        {
            var refusal = _session.Refusal(answer, repo, revision, file);
            if (refusal.Fault is HubFault.EntryNotFound && HubNames.IsCommit(commit))
            {
                cache.Remember(revision, commit!);
                cache.RememberAbsence(commit!, file);
            }

            throw refusal;
        }

        var etag = (answer["X-Linked-Etag"] ?? answer["ETag"])?.Replace("W/", "", StringComparison.Ordinal).Trim('"');
        if (!HubNames.IsCommit(commit) || !HubNames.IsBlob(etag))
        {
            throw new HubException(HubFault.BadAnswer,
                $"{repo}/{file}: {_settings.Endpoint} names no usable commit and etag (X-Repo-Commit, ETag); is HF_ENDPOINT the address of a Hub?");
        }

        // The length of a redirect's own text says nothing of the file.
        var size = answer["X-Linked-Size"] ?? (answer.IsRedirect ? null : answer["Content-Length"]);
        return new RemoteFile(commit!, etag!, long.TryParse(size, System.Globalization.NumberStyles.None, null, out var bytes) ? bytes : null);
    }

    private string ResolveUrl(HubRepo repo, string revision, string file)
        => _session.Url($"{repo.PagePath}/resolve/{Uri.EscapeDataString(revision)}/{string.Join('/', file.Split('/').Select(Uri.EscapeDataString))}");

    private static IEnumerable<HubEntry> ReadTree(JsonNode json, HubRepo repo)
    {
        if (json is not JsonArray rows)
        {
            throw new HubException(HubFault.BadAnswer, $"{repo}: expected a list of files, the Hub answered something else");
        }

        foreach (var row in rows.OfType<JsonObject>().Where(row => row["type"]?.ToString() == "file"))
        {
            var size = row["size"] is JsonValue value && value.TryGetValue<long>(out var bytes) ? bytes : 0;
            yield return new HubEntry(HubNames.Checked(row["path"]?.ToString(), $"the list of files of {repo}"), size);
        }
    }

    // RFC 8288: <address>; rel="next", and only within the Hub.
    private string? NextPage(HubRepo repo, string? link)
    {
        var next = link?.Split(',').Select(part => part.Trim())
            .FirstOrDefault(part => part.Contains("rel=\"next\"", StringComparison.Ordinal) && part.StartsWith('<'));
        var url = next?[1..Math.Max(1, next.IndexOf('>', StringComparison.Ordinal))];
        return url is null ? null : url.StartsWith('/') ? _session.Url(url[1..])
            : url.StartsWith(_session.Url(""), StringComparison.Ordinal) ? url
            : throw new HubException(HubFault.BadAnswer, $"{repo}: the list of files goes on at another host; refused");
    }

    private static void ThrowIfNoRevision(string revision)
    {
        if (!HubNames.IsRevision(revision))
        {
            throw new ArgumentException($"\"{Excerpt.Long(revision)}\" is no branch, tag or commit", nameof(revision));
        }
    }

    /// <summary>What offline work lacks, and what lets it be fetched.</summary>
    internal HubException NotInCache(HubRepo repo, string file, string revision)
    {
        var cache = _settings.ResolvedCacheFolder;
        var isEmpty = !Directory.Exists(cache) || !Directory.EnumerateDirectories(cache, "*--*").Any();
        return new(HubFault.NotInCache,
            (isEmpty ? $"The cache {cache} is empty" : $"The cache {cache} has no {(file.Length == 0 ? "" : $"{file} of ")}{repo}@{revision}")
            + $", and HF_HUB_OFFLINE is set: nothing is fetched. Unset HF_HUB_OFFLINE once, with a network at hand, and {repo} stays in the cache");
    }
}
