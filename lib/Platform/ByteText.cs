namespace NotebookLib.Platform;

/// <summary>Numbers of bytes as people read them.</summary>
internal static class ByteText
{
    /// <summary>A file: 12.3 KiB, 1.5 MiB.</summary>
    public static string Size(long bytes) => bytes < 1 << 20
        ? Invariant($"{bytes / 1024.0:0.0} KiB")
        : Invariant($"{bytes / (double)(1 << 20):0.0} MiB");

    /// <summary>Memory: 2.1 GiB.</summary>
    public static string Gigabytes(long bytes) => Invariant($"{bytes / (double)(1 << 30):0.0} GiB");
}
