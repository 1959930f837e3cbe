using NotebookLib.Platform;

namespace NotebookLib.Hub;

/// <summary>
/// One repository in the cache that Python and we share (huggingface_hub, "Understand caching"):
/// <code>
/// models--org--name/refs/main                          the commit that main stood at when last asked
/// models--org--name/blobs/ETAG                         contents, by sha256 or git sha1; ETAG.incomplete while they arrive
/// models--org--name/snapshots/COMMIT/folder/file       → ../../../blobs/ETAG
/// models--org--name/.no_exist/COMMIT/file              empty: that commit is known to lack the file
/// .locks/models--org--name/ETAG.lock                   held while a blob is fetched
/// </code>
/// </summary>
internal sealed class RepoCache(string cacheFolder, HubRepo repo)
{
    private readonly string _folder = Path.Combine(cacheFolder, repo.CacheName);

    public string LockOf(string etag) => Path.Combine(cacheFolder, ".locks", repo.CacheName, etag + ".lock");

    public string BlobOf(string etag) => Path.Combine(_folder, "blobs", etag);

    public string SnapshotOf(string commit) => Path.Combine(_folder, "snapshots", commit);

    /// <summary>The commit of a revision as it was last seen, or null.</summary>
    public string? CommitOf(string revision)
    {
        if (HubNames.IsCommit(revision))
        {
            return revision;
        }

        var path = RefOf(revision);
        return File.Exists(path) && new FileInfo(path).Length < 100 && File.ReadAllText(path).Trim() is var commit && HubNames.IsCommit(commit) ? commit : null;
    }

    public void Remember(string revision, string commit)
    {
        if (!HubNames.IsCommit(revision) && CommitOf(revision) != commit)
        {
            AtomicFile.WriteText(RefOf(revision), commit);
        }
    }

    /// <summary>A file's path in a commit's snapshot, or null when it is not there.</summary>
    public string? Find(string commit, string file)
    {
        var path = Path.Combine(SnapshotOf(commit), file);
        return IsWhole(path) ? path : null;
    }

    /// <summary>All files of a commit that are in the cache, by name.</summary>
    public IReadOnlyList<(string Name, string Path)> FilesOf(string commit)
    {
        var folder = SnapshotOf(commit);
        return Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Where(IsWhole)
                .Select(path => (Path.GetRelativePath(folder, path).Replace('\\', '/'), path)).OrderBy(file => file.Item1, StringComparer.Ordinal)]
            : [];
    }

    public bool IsKnownAbsent(string commit, string file) => File.Exists(AbsenceOf(commit, file));

    public void RememberAbsence(string commit, string file)
    {
        if (!IsKnownAbsent(commit, file))
        {
            AtomicFile.WriteText(AbsenceOf(commit, file), "");
        }
    }

    /// <summary>Puts a blob into a commit's snapshot: a relative link, or a copy where the system allows none.</summary>
    /// <returns>The file's path in the snapshot.</returns>
    public string Link(string commit, string file, string etag)
    {
        var path = Path.Combine(SnapshotOf(commit), file);
        var folder = Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder);
        if (Find(commit, file) is null)
        {
            File.Delete(path);
            try
            {
                File.CreateSymbolicLink(path, Path.GetRelativePath(folder, BlobOf(etag)));
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                // Another process made the link in the meantime, or Windows reserves links for administrators.
                if (Find(commit, file) is null)
                {
                    AtomicFile.Write(path, target =>
                    {
                        using var blob = File.OpenRead(BlobOf(etag));
                        blob.CopyTo(target);
                    });
                }
            }
        }

        return path;
    }

    // A link whose blob somebody removed counts as absent.
    private static bool IsWhole(string path) => File.Exists(path) && (new FileInfo(path).ResolveLinkTarget(returnFinalTarget: true)?.Exists ?? true);

    private string RefOf(string revision) => Path.Combine(_folder, "refs", revision);

    private string AbsenceOf(string commit, string file) => Path.Combine(_folder, ".no_exist", commit, file);
}
