using System.Security.Cryptography;
using System.Text;

namespace NotebookLib.Hub;

/// <summary>The hash that an etag announces: sha256 of the content (64 digits, large files) or git's sha1 of a blob (40 digits, small ones).</summary>
internal static class BlobHash
{
    /// <summary>Hashes a file as an etag asks.</summary>
    /// <returns>Hexadecimal, lower case; null when the etag is neither.</returns>
    public static async Task<string?> OfAsync(string path, string etag, CancellationToken cancel)
    {
        if (etag.Length is not (64 or 40) || !HubNames.IsLowerHex(etag))
        {
            return null;
        }

        using var hash = IncrementalHash.CreateHash(etag.Length == 64 ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA1);
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1, FileOptions.Asynchronous | FileOptions.SequentialScan);
        await using (file.ConfigureAwait(false))
        {
            if (etag.Length == 40)
            {
                hash.AppendData(Encoding.ASCII.GetBytes($"blob {file.Length}\0"));
            }

            var buffer = new byte[1 << 20];
            int count;
            while ((count = await file.ReadAsync(buffer, cancel).ConfigureAwait(false)) > 0)
            {
                hash.AppendData(buffer, 0, count);
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
