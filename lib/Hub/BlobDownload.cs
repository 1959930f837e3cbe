using System.Security.Cryptography;
using System.Text;
using NotebookLib.Net;

namespace NotebookLib.Hub;

/// <summary>What the Hub says of a file before it is fetched.</summary>
/// <param name="Commit">The commit that the revision stands at.</param>
/// <param name="Etag">sha256 of a large file, git sha1 of a small one.</param>
/// <param name="SizeBytes">Its size, where the Hub says so.</param>
internal sealed record RemoteFile(string Commit, string Etag, long? SizeBytes);

/// <summary>
/// Fetches one file into <c>ETAG.incomplete</c>, going on where an earlier transfer broke off, and accepts it only with the announced size and hash.
/// </summary>
internal sealed class BlobDownload(HubSession session)
{
    // So much progress earns a broken transfer its full number of tries again.
    private const long WorthwhileBytes = 1 << 20;

    // A file whose size nobody announces ends here.
    private const long LargestUnknownBytes = 64L << 30;

    /// <summary>Fetches the file; whoever calls holds its lock.</summary>
    /// <param name="url">Its address at the Hub.</param>
    /// <param name="place">Repository, revision and name, for messages.</param>
    /// <param name="remote">What was announced.</param>
    /// <param name="incomplete">The file to fill.</param>
    /// <param name="meter">Counts.</param>
    /// <param name="cancel">Gives up; what has arrived stays.</param>
    /// <exception cref="HubException">Unreachable, refused, or twice with another hash.</exception>
    public async Task RunAsync(string url, (HubRepo Repo, string Revision, string File) place, RemoteFile remote, string incomplete, TransferMeter meter,
        CancellationToken cancel)
    {
        for (var isSecond = false; ; isSecond = true)
        {
            await TransferAsync(url, place, remote, incomplete, meter, cancel).ConfigureAwait(false);
            var found = await HashAsync(incomplete, remote.Etag, cancel).ConfigureAwait(false);
            if (found is null || found == remote.Etag)
            {
                return;
            }

            File.Delete(incomplete);
            var fault = $"{place.Repo}/{place.File}: announced with hash {remote.Etag}, arrived with {found}";
            if (isSecond)
            {
                throw new HubException(HubFault.WrongContent,
                    $"{fault}, twice; nothing was kept. A proxy or mirror (HF_ENDPOINT) may damage files: try another network");
            }

            session.Observer?.Noticed($"{fault}; fetching it again from its start");
        }
    }

    private async Task TransferAsync(
        string url, (HubRepo Repo, string Revision, string File) place, RemoteFile remote, string incomplete, TransferMeter meter, CancellationToken cancel)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(incomplete)!);
        var best = File.Exists(incomplete) ? new FileInfo(incomplete).Length : 0;
        bool isWhole;
        do
        {
            isWhole = await session.RetryAsync($"{place.Repo}/{place.File}", null, LegAsync, cancel).ConfigureAwait(false);
        }
        while (!isWhole);

        async Task<bool> LegAsync(CancellationToken token)
        {
            try
            {
                await ContinueAsync(url, place, remote, incomplete, meter, token).ConfigureAwait(false);
                return true;
            }
            catch (TransientException fault) when (fault.RetryAfter is null && new FileInfo(incomplete).Length >= best + WorthwhileBytes)
            {
                best = new FileInfo(incomplete).Length;
                session.Observer?.Noticed($"{place.Repo}/{place.File}: {fault.Message}; going on from byte {best}");
                return false;
            }
        }
    }

    private async Task ContinueAsync(
        string url, (HubRepo Repo, string Revision, string File) place, RemoteFile remote, string incomplete, TransferMeter meter, CancellationToken cancel)
    {
        var file = new FileStream(incomplete, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, 1, useAsync: true);
        await using (file.ConfigureAwait(false))
        {
            if (file.Length > (remote.SizeBytes ?? long.MaxValue))
            {
                file.SetLength(0);
            }

            if (file.Length == remote.SizeBytes)
            {
                meter.Start(file.Length, remote.SizeBytes);
                return;
            }

            ThrowIfDiskFull(incomplete, $"{place.Repo}/{place.File}", remote.SizeBytes - file.Length);
            var (response, isHub) = await session.OpenAsync($"{place.Repo}/{place.File}", url, file.Length, cancel).ConfigureAwait(false);
            using (response)
            {
                var total = await AcceptAsync(response, isHub, place, remote, file, cancel).ConfigureAwait(false);
                meter.Start(file.Length, total);
                await CopyAsync(response, file, total, meter, cancel).ConfigureAwait(false);
            }
        }
    }

    /// <returns>The whole file's size, where known. The file stands where the body goes on.</returns>
    private async Task<long?> AcceptAsync(
        HttpResponseMessage response, bool isHub, (HubRepo Repo, string Revision, string File) place, RemoteFile remote, FileStream file,
        CancellationToken cancel)
    {
        switch ((int)response.StatusCode)
        {
            case 200:
                // Also the answer of servers that know no ranges: the body begins at the beginning.
                file.SetLength(0);
                return remote.SizeBytes ?? response.Content.Headers.ContentLength;
            case 206 when response.Content.Headers.ContentRange?.From == file.Length:
                file.Seek(0, SeekOrigin.End);
                return remote.SizeBytes ?? response.Content.Headers.ContentRange.Length;
            case 206 or 416:
                var found = file.Length;
                file.SetLength(0);
                throw new TransientException($"the server cannot go on from byte {found}");
            case var status when !isHub:
                // A signed address that ran out; the Hub gives a fresh one.
                throw new TransientException($"the storage host refuses (HTTP {status})");
            default:
                throw session.Refusal(await NetAnswer.OfAsync(response, cancel).ConfigureAwait(false), place.Repo, place.Revision, place.File);
        }
    }

    private async Task CopyAsync(HttpResponseMessage response, FileStream file, long? total, TransferMeter meter, CancellationToken cancel)
    {
        var body = await response.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false);
        var buffer = new byte[1 << 17];
        int count;
        while ((count = await ReadAsync(body, buffer, cancel).ConfigureAwait(false)) > 0)
        {
            if (file.Position + count > (total ?? LargestUnknownBytes))
            {
                file.SetLength(0);
                throw new TransientException($"the server sends more than the {total ?? LargestUnknownBytes} bytes that it may");
            }

            await file.WriteAsync(buffer.AsMemory(0, count), cancel).ConfigureAwait(false);
            meter.Add(count);
        }

        if (file.Position < total)
        {
            throw new TransientException($"it broke off after {file.Position} of {total} bytes");
        }

        file.Flush(flushToDisk: true);
    }

    private async Task<int> ReadAsync(Stream body, byte[] buffer, CancellationToken cancel)
    {
        using var time = new CancellationTokenSource(TimeSpan.FromSeconds(session.Settings.StallSeconds), session.Clock);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(time.Token, cancel);
        try
        {
            return await body.ReadAsync(buffer, both.Token).ConfigureAwait(false);
        }
        catch (Exception fault) when (fault is IOException or HttpRequestException or OperationCanceledException)
        {
            cancel.ThrowIfCancellationRequested();
            var isStalled = time.IsCancellationRequested;
            throw new TransientException(isStalled ? Invariant($"nothing arrived for {session.Settings.StallSeconds:0} s") : "the connection broke");
        }
    }

    private static void ThrowIfDiskFull(string path, string file, long? neededBytes)
    {
        var free = new DriveInfo(OperatingSystem.IsWindows() ? Path.GetPathRoot(path)! : Path.GetDirectoryName(path)!).AvailableFreeSpace;
        if (neededBytes > free)
        {
            throw new IOException(Invariant($"{file}: {neededBytes / 1e6:0} MB are still to come, {Path.GetDirectoryName(path)} has {free / 1e6:0} MB free. ")
                + "Make room, or set HF_HOME to another disk");
        }
    }

    /// <summary>Hashes a file as an etag asks: sha256 of the content (64 digits, large files) or git's sha1 of a blob (40 digits, small ones).</summary>
    /// <returns>Hexadecimal, lower case; null when the etag is neither.</returns>
    private static async Task<string?> HashAsync(string path, string etag, CancellationToken cancel)
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
