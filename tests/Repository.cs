using System.Runtime.CompilerServices;

namespace NotebookLib.Tests;

/// <summary>Where the tests find files: the repository itself, and the reference data beside it, which a user's clone lacks.</summary>
internal static class Repository
{
    public static string Root { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), ".."));

    /// <summary>A file or folder of the repository.</summary>
    public static string PathOf(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>A file or folder of the reference data (<c>../shared</c>); the test is skipped, visibly, when it is missing.</summary>
    public static string Shared(params string[] parts)
    {
        var path = Path.GetFullPath(Path.Combine([Root, "..", "shared", .. parts]));
        Assert.SkipUnless(Path.Exists(path), $"needs ../shared/{string.Join('/', parts)}, which is not part of the repository");
        return path;
    }

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
