using System.Runtime.InteropServices;
using System.Security.Cryptography;
using NotebookLib.Net;

namespace NotebookLib.Tracking;

/// <summary>
/// Keeps an artifact's files until they are uploaded, whatever becomes of the originals: hard links where the file system allows, at no cost in time or space,
/// else copies. A file that is replaced (written beside and renamed, as AtomicFile does) leaves its link whole; one that is overwritten in place is noticed at
/// the upload. Once the server has the artifact, the files go (a run with many checkpoints would fill the disk) and a small <c>.sent</c> file takes their
/// place.
/// </summary>
internal static partial class ArtifactStaging
{
    private const int MostFiles = 10_000;

    /// <summary>Stages the files.</summary>
    /// <returns>What the journal keeps.</returns>
    /// <exception cref="ArgumentException">A name is none: empty list, a path out of the artifact, characters that W&amp;B refuses.</exception>
    /// <exception cref="IOException">A file cannot be read or the folder cannot be written.</exception>
    public static ArtifactRequest Stage(RunFolder folder, TrackedArtifact artifact, long? historyStep, Secrets secrets)
    {
        Check(artifact);
        var clientId = NewClientId();
        var target = FolderOf(folder, clientId);
        var files = artifact.Files.Select(file => StageFile(folder, target, file.Key, file.Value)).ToArray();
        return new ArtifactRequest(
            artifact.Name, artifact.Type, artifact.Description, ["latest", .. artifact.Aliases.Where(alias => alias != "latest").Distinct()],
            artifact.Metadata is null ? null : secrets.Scrub(RowText.Value(artifact.Metadata, isConfig: true)), historyStep, clientId, NewClientId(), files);
    }

    /// <summary>Whether a server has the artifact, whatever became of the rest of what we know of it.</summary>
    public static bool IsSent(RunFolder folder, ArtifactRequest artifact, string baseUrl)
        => File.Exists(Marker(folder, artifact)) && File.ReadAllText(Marker(folder, artifact)).Trim() == baseUrl;

    /// <summary>Notes that a server has the artifact, and removes the staged files.</summary>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void SetSent(RunFolder folder, ArtifactRequest artifact, string baseUrl)
    {
        Platform.AtomicFile.WriteText(Marker(folder, artifact), baseUrl + "\n");
        if (Directory.Exists(FolderOf(folder, artifact.ClientId)))
        {
            Directory.Delete(FolderOf(folder, artifact.ClientId), recursive: true);
        }
    }

    private static string FolderOf(RunFolder folder, string clientId) => Path.Combine(folder.Artifacts, clientId[..16]);

    private static string Marker(RunFolder folder, ArtifactRequest artifact) => FolderOf(folder, artifact.ClientId) + ".sent";

    /// <summary>The name with every character that W&amp;B refuses in artifact names replaced by an underscore.</summary>
    public static string SafeName(string name)
    {
        var safe = string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.' ? c : '_'));
        return safe.Length > 128 ? safe[..128] : safe;
    }

    private static void Check(TrackedArtifact artifact)
    {
        if (artifact.Name.Length == 0 || SafeName(artifact.Name) != artifact.Name)
        {
            throw new ArgumentException($"artifact \"{artifact.Name}\": expected a name of at most 128 characters a-z, A-Z, 0-9, - _ and dot, "
                + $"for example \"{SafeName(artifact.Name + "model")}\"");
        }

        if (artifact.Files.Count is 0 or > MostFiles)
        {
            throw new ArgumentException($"artifact \"{artifact.Name}\": expected 1 to {MostFiles} files, found {artifact.Files.Count}");
        }

        foreach (var name in artifact.Files.Keys)
        {
            if (name.Length == 0 || Path.IsPathRooted(name) || name.Split('/', '\\').Any(part => part is "" or "." or ".."))
            {
                throw new ArgumentException($"artifact \"{artifact.Name}\": file name \"{name}\": expected a relative path without empty parts or ..");
            }
        }
    }

    private static ArtifactFile StageFile(RunFolder folder, string target, string name, string source)
    {
        var staged = Path.Combine(target, name);
        Directory.CreateDirectory(Path.GetDirectoryName(staged)!);
        if (!TryLink(Path.GetFullPath(source), staged))
        {
            File.Copy(source, staged);
        }

        var info = new FileInfo(staged);
        return new ArtifactFile(name, Path.GetRelativePath(folder.FullPath, staged).Replace('\\', '/'), info.Length, info.LastWriteTimeUtc);
    }

    // 128 random characters, as W&B's clients name artifacts.
    private static string NewClientId() => RandomNumberGenerator.GetString("0123456789abcdefghijklmnopqrstuvwxyz", 128);

    private static bool TryLink(string source, string target)
    {
        // A link to a link would be a link to a name.
        if (File.GetAttributes(source).HasFlag(FileAttributes.ReparsePoint))
        {
            return false;
        }

        return OperatingSystem.IsWindows() ? CreateHardLink(target, source, 0) : Link(source, target) == 0;
    }

    [LibraryImport("libc", EntryPoint = "link", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Link(string source, string target);

    [LibraryImport("kernel32", EntryPoint = "CreateHardLinkW", StringMarshalling = StringMarshalling.Utf16)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool CreateHardLink(string target, string source, nint security);
}
