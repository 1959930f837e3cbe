using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>
/// The checkpoints of one output folder. Each is written into a hidden temporary folder, listed with sums, and renamed: a name in sight is a whole
/// checkpoint, and a full disk or a kill leaves the older ones as they were.
/// </summary>
internal sealed class CheckpointStore(string outputFolder)
{
    public const string BestName = "best";
    private const string DamagedPrefix = "damaged-";
    private const string TemporaryPrefix = ".writing-";
    private const string ReplacedPrefix = ".replaced-";
    private const string LockName = ".training.lock";

    public string Folder { get; } = Path.GetFullPath(outputFolder);

    public string BestFolder => Path.Combine(Folder, BestName);

    /// <summary>Keeps the folder for one run: another that began here would clear away what this one is writing.</summary>
    /// <returns>The lock; disposing it gives it back.</returns>
    /// <exception cref="InvalidOperationException">Another run writes here.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public IDisposable Lock()
    {
        Directory.CreateDirectory(Folder);
        var path = Path.Combine(Folder, LockName);
        try
        {
            return FileLock.Take(path);
        }
        catch (IOException error) when (File.Exists(path))
        {
            throw new InvalidOperationException($"{Folder}: another run is training there ({error.Message.TrimEnd('.')}). Wait for its end, "
                + "or choose another folder.", error);
        }
    }

    /// <summary>All checkpoints by name, newest first, whole or not.</summary>
    public IReadOnlyList<(CheckpointName Name, string Folder)> List() => !Directory.Exists(Folder)
        ? []
        : [.. Directory.EnumerateDirectories(Folder)
            .Select(folder => (name: CheckpointName.Parse(Path.GetFileName(folder)), folder))
            .Where(pair => pair.name is not null)
            .Select(pair => (pair.name!.Value, pair.folder))
            .OrderByDescending(pair => pair.Item1)];

    /// <summary>
    /// What shows that the folder holds a run: the name of its newest checkpoint, whole or not, else of the best model; null when there is neither.
    /// </summary>
    public string? FindRun() => List() is [var newest, ..] ? newest.Name.ToString() : Directory.Exists(BestFolder) ? BestName : null;

    /// <summary>Whether a run began here, even one that was killed before its first checkpoint.</summary>
    public bool HasBegun => FindRun() is not null || File.Exists(Path.Combine(Folder, LockName));

    /// <summary>The newest checkpoint that is whole; each damaged one is told, renamed, and the one before it tried.</summary>
    public string? FindNewestWhole(Action<string> notice)
    {
        foreach (var (name, folder) in List())
        {
            if (CheckpointManifest.FindDamage(folder) is not { } damage)
            {
                return folder;
            }

            var aside = Path.Combine(Folder, DamagedPrefix + name);
            DeleteIfPresent(aside);
            Directory.Move(folder, aside);
            notice($"{name} is damaged: {damage}. It is kept as {Path.GetFileName(aside)}; the one before it is used.");
        }

        return null;
    }

    /// <summary>Writes a folder so that it appears whole or not at all; one of the same name is replaced.</summary>
    /// <param name="name">The folder's name.</param>
    /// <param name="write">Fills the temporary folder that it is given.</param>
    /// <returns>The folder's full path.</returns>
    /// <exception cref="IOException">The disk is full or the folder not writable; what was there before is still there.</exception>
    public string Write(string name, Action<string> write)
    {
        Directory.CreateDirectory(Folder);
        var temporary = Path.Combine(Folder, $"{TemporaryPrefix}{name}-{Environment.ProcessId}");
        var target = Path.Combine(Folder, name);
        var replaced = Path.Combine(Folder, ReplacedPrefix + name);
        try
        {
            DeleteIfPresent(temporary);
            Directory.CreateDirectory(temporary);
            DiskSpace.Explain(target, () => write(temporary), NeedOf(name));
            CheckpointManifest.Write(temporary);
        }
        catch
        {
            DeleteIfPresent(temporary);
            throw;
        }

        DeleteIfPresent(replaced);
        if (Directory.Exists(target))
        {
            Directory.Move(target, replaced);
        }

        Directory.Move(temporary, target);
        DeleteIfPresent(replaced);
        return target;
    }

    /// <summary>Bytes that a folder will need: those of the last one of its kind; null for the first.</summary>
    private long? NeedOf(string name)
    {
        var last = name == BestName ? BestFolder : List() is [var newest, ..] ? newest.Folder : "";
        return Directory.Exists(last) ? new DirectoryInfo(last).EnumerateFiles().Sum(file => file.Length) : null;
    }

    /// <summary>Removes all but the newest checkpoints; the best model's folder has another name and is never touched.</summary>
    public void Rotate(int keep)
    {
        foreach (var (_, folder) in List().Skip(keep))
        {
            DeleteIfPresent(folder);
        }
    }

    /// <summary>Clears what an interrupted write left, and puts back a folder whose replacement never came.</summary>
    public void CleanUp()
    {
        if (!Directory.Exists(Folder))
        {
            return;
        }

        foreach (var replaced in Directory.EnumerateDirectories(Folder, ReplacedPrefix + "*").ToList())
        {
            var target = Path.Combine(Folder, Path.GetFileName(replaced)[ReplacedPrefix.Length..]);
            if (Directory.Exists(target))
            {
                DeleteIfPresent(replaced);
            }
            else
            {
                Directory.Move(replaced, target);
            }
        }

        foreach (var temporary in Directory.EnumerateDirectories(Folder, TemporaryPrefix + "*").ToList())
        {
            DeleteIfPresent(temporary);
        }
    }

    /// <summary>Removes an earlier run's checkpoints and best model, nothing else.</summary>
    public void Clear()
    {
        foreach (var (_, folder) in List())
        {
            DeleteIfPresent(folder);
        }

        DeleteIfPresent(BestFolder);
    }

    private static void DeleteIfPresent(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
