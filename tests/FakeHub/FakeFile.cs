using System.Security.Cryptography;
using System.Text;

namespace NotebookLib.FakeHub;

/// <summary>A file of a repository: in memory, or on disk where it is large.</summary>
public sealed class FakeFile
{
    private readonly byte[]? _content;
    private readonly string? _path;

    public FakeFile(byte[] content, bool isLarge = false)
    {
        ArgumentNullException.ThrowIfNull(content);
        (_content, IsLarge, SizeBytes) = (content, isLarge, content.Length);
        (Sha256, GitSha1) = Hash();
    }

    public FakeFile(string path, bool isLarge)
    {
        (_path, IsLarge, SizeBytes) = (path, isLarge, new FileInfo(path).Length);
        (Sha256, GitSha1) = Hash();
    }

    /// <summary>Whether the Hub keeps it at the storage host (LFS), behind a redirect.</summary>
    public bool IsLarge { get; }

    public long SizeBytes { get; }

    public string Sha256 { get; }

    public string GitSha1 { get; }

    /// <summary>What the Hub announces: sha256 for large files, git's sha1 for small ones.</summary>
    public string Etag => IsLarge ? Sha256 : GitSha1;

    public Stream Open() => _path is null ? new MemoryStream(_content!, writable: false) : File.OpenRead(_path);

    public byte[] ReadAll()
    {
        using var stream = Open();
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    public static FakeFile Text(string text, bool isLarge = false) => new(Encoding.UTF8.GetBytes(text), isLarge);

    private (string Sha256, string GitSha1) Hash()
    {
        using var large = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var small = IncrementalHash.CreateHash(HashAlgorithmName.SHA1);
        small.AppendData(Encoding.ASCII.GetBytes($"blob {SizeBytes}\0"));
        using var stream = Open();
        var buffer = new byte[1 << 20];
        for (int count; (count = stream.Read(buffer)) > 0;)
        {
            large.AppendData(buffer, 0, count);
            small.AppendData(buffer, 0, count);
        }

        return (Convert.ToHexStringLower(large.GetHashAndReset()), Convert.ToHexStringLower(small.GetHashAndReset()));
    }
}
