using System.Security.Cryptography;
using System.Text;

namespace NotebookLib.FakeHub;

/// <summary>A repository: commits, the last of which is main.</summary>
public sealed class FakeRepo(string kind, string name)
{
    private readonly Lock _lock = new();
    private readonly List<(string Commit, IReadOnlyDictionary<string, FakeFile> Files)> _commits = [];

    /// <summary>models or datasets.</summary>
    public string Kind => kind;

    /// <summary>org/name.</summary>
    public string Name => name;

    public bool IsPrivate { get; set; }

    public bool IsGated { get; set; }

    public string Head
    {
        get
        {
            lock (_lock)
            {
                return _commits.Count == 0 ? new string('0', 40) : _commits[^1].Commit;
            }
        }
    }

    /// <summary>Adds or replaces files in a new commit.</summary>
    /// <returns>The commit.</returns>
    public string Commit(params IEnumerable<(string Path, FakeFile File)> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        lock (_lock)
        {
            var all = _commits.Count == 0 ? [] : new Dictionary<string, FakeFile>(_commits[^1].Files);
            foreach (var (path, file) in files)
            {
                all[path] = file;
            }

            var text = $"{name} {_commits.Count} "
                + $"{string.Join(' ', all.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Key + pair.Value.Sha256))}";
            var commit = Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(text)));
            _commits.Add((commit, all));
            return commit;
        }
    }

    /// <summary>The commit and files of main or of a commit; null when there is no such revision.</summary>
    public (string Commit, IReadOnlyDictionary<string, FakeFile> Files)? At(string revision)
    {
        lock (_lock)
        {
            return revision == "main" && _commits.Count > 0 ? _commits[^1]
                : _commits.Any(entry => entry.Commit == revision) ? _commits.First(entry => entry.Commit == revision) : null;
        }
    }
}
