using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using NotebookLib.Platform;
using NotebookRunner.Reports;
using NotebookRunner.Running;

namespace NotebookRunner.Sweeps;

/// <summary>What a claim says of its holder.</summary>
/// <param name="Holder">For people: machine, process, Slurm's task.</param>
/// <param name="Machine">The table in which processes are counted, one a machine or container; empty where the system does not tell.</param>
/// <param name="Process">The holder's process.</param>
/// <param name="ProcessStart">When it began, in the system's ticks: numbers of processes are given again.</param>
/// <param name="Job">What it works for together with other processes; empty when it named nothing.</param>
/// <param name="Work">What its sweep runs: the same for the same cells with the same parameters at the same points.</param>
/// <param name="LeaseSeconds">How long the holder may give no sign of life: its claim changes six times in that.</param>
/// <param name="Beat">Counts up for as long as the holder lives.</param>
/// <param name="Ended">How the run ended, as run.json spells it; null while it is held.</param>
internal sealed record ClaimFacts(
    string Holder, string Machine, int Process, long ProcessStart, string Job, string Work, double LeaseSeconds, long Beat, string? Ended)
{
    private static readonly string s_machine = MachineName();

    /// <summary>Whether the holder is a process of this machine, and gone.</summary>
    [JsonIgnore]
    public bool IsGone => IsHere && StartOf(Process) != ProcessStart;

    /// <summary>Whether the holder is a process of this machine that lives.</summary>
    [JsonIgnore]
    public bool IsAliveHere => IsHere && StartOf(Process) == ProcessStart;

    private bool IsHere => Machine.Length > 0 && Machine == s_machine;

    /// <summary>A claim of this process.</summary>
    public static ClaimFacts Mine(string job, string work, TimeSpan lease)
    {
        var task = Environment.GetEnvironmentVariable("SLURM_ARRAY_TASK_ID") is { Length: > 0 } number
            ? $", Slurm {Environment.GetEnvironmentVariable("SLURM_ARRAY_JOB_ID")}_{number}"
            : Environment.GetEnvironmentVariable("SLURM_JOB_ID") is { Length: > 0 } single ? $", Slurm {single}" : "";
        return new(Invariant($"{Environment.MachineName}, process {Environment.ProcessId}{task}"), s_machine, Environment.ProcessId,
            StartOf(Environment.ProcessId) ?? 0, job, work, lease.TotalSeconds, 0, null);
    }

    /// <summary>Reads one; null for what is none (yet).</summary>
    public static ClaimFacts? Parse(string text)
    {
        try
        {
            var facts = StrictJson.Deserialize<ClaimFacts>(text, JsonSerializerOptions.Web);
            return facts is { Holder: not null, Machine: not null, Job: not null, Work: not null } ? facts : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string MachineName()
    {
        const string Boot = "/proc/sys/kernel/random/boot_id";
        // Where others' processes are hidden (hidepid), one that is not seen may live: process 1 tells.
        return File.Exists(Boot) && StartOf(1) is not null && new FileInfo("/proc/self/ns/pid").LinkTarget is { } table
            ? $"{File.ReadAllText(Boot).Trim()} {table}" : "";
    }

    private static long? StartOf(int process)
    {
        try
        {
            // proc(5): behind the name in parentheses come the state, and as the 20th field from there the start.
            var stat = File.ReadAllText(Invariant($"/proc/{process}/stat"));
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException or FormatException or ArgumentException or IndexOutOfRangeException)
        {
            return null;
        }
    }
}

/// <summary>The newest claim on a point as one process sees it.</summary>
/// <param name="Number">Its number; 0 where there is none.</param>
/// <param name="Facts">What it says; null where there is none, or nothing readable yet.</param>
/// <param name="IsHeld">Whether somebody works there: as long as nothing says otherwise.</param>
/// <param name="Lives">Whether somebody is known to: the process is seen on this machine, or the claim was seen to change.</param>
internal readonly record struct ClaimView(int Number, ClaimFacts? Facts, bool IsHeld, bool Lives);

/// <summary>
/// The claims on a point of a sweep, so that of many processes, on machines that share its folder, one runs it. Claim n is the file <c>.claim-n</c>; the
/// highest number counts, and to make the next one (exclusively, which NFS can) is to take the point: of those who saw claim n ended or dead exactly one
/// succeeds. Files are never removed, so a number is never given twice, and a reader with an old view of the folder fails rather than takes.
/// What cannot be read is known by its time of change, which tells as much of its holder.
/// A holder is dead when its process on this machine is gone, or when its claim has not changed for a lease on this process's own clock; no clock of another
/// machine is read.
/// </summary>
/// <param name="folder">The point's folder.</param>
/// <param name="lease">How long a claim may stay as it is before its holder is given up, where the holder does not ask for longer.</param>
/// <param name="job">What this process works for together with others; may be empty.</param>
/// <param name="work">What this process's sweep runs.</param>
/// <param name="time">The clock; null for the system's.</param>
internal sealed class PointClaims(string folder, TimeSpan lease, string job, string work, TimeProvider? time = null)
{
    // A process that slept, or hung on a server that was away, must see the same claim this many times before it counts as silence.
    private const int LooksInLease = 4;

    /// <summary>The longest lease; a claim that asks for more is not believed.</summary>
    public static readonly TimeSpan LongestLease = TimeSpan.FromDays(1);

    private const int LargestClaimBytes = 1 << 16;

    // A name with a higher number is none of ours.
    private const int MostClaims = 1_000_000;
    private const string Name = ".claim-";

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private (int Number, string Text, TimeSpan Silent, long At) _last;
    private bool _hasLooked;
    private int _living;

    /// <summary>Looks who has the point.</summary>
    /// <exception cref="UnauthorizedAccessException">The folder cannot be read.</exception>
    public ClaimView Look()
    {
        var number = _last.Number > 0 && IsThere(PathOf(_last.Number)) ? _last.Number : HighestListed();
        while (IsThere(PathOf(number + 1)))
        {
            number++;
        }

        var isFirst = !_hasLooked;
        _hasLooked = true;
        if (number == 0)
        {
            _last = default;
            return default;
        }

        var (text, now) = (Read(number), _time.GetTimestamp());
        var patience = lease;
        if (number != _last.Number || (text is not null && text != _last.Text))
        {
            _last = (number, text ?? "", TimeSpan.Zero, now);
            _living = isFirst ? 0 : number;
        }
        else if (text is not null)
        {
            patience = PatienceWith(ClaimFacts.Parse(_last.Text));
            var (since, most) = (_time.GetElapsedTime(_last.At, now), patience / LooksInLease);
            _last = (number, _last.Text, _last.Silent + (since < most ? since : most), now);
        }

        var facts = ClaimFacts.Parse(_last.Text);
        var isHeld = facts?.Ended is null && _last.Silent < patience && facts?.IsGone != true;
        return new(number, facts, isHeld, isHeld && (_living == number || facts?.IsAliveHere == true));
    }

    /// <summary>Takes the point, unless somebody was faster.</summary>
    /// <param name="seen">The claim that was seen ended or dead.</param>
    /// <returns>The claim, held until it is ended; null when it went to another.</returns>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public PointClaim? Take(ClaimView seen)
    {
        Directory.CreateDirectory(folder);
        var (path, facts) = (PathOf(seen.Number + 1), ClaimFacts.Mine(job, work, lease));
        FileStream file;
        try
        {
            file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException && IsThere(path))
        {
            return null;
        }

        using (file)
        {
            DiskSpace.Explain(path, () =>
            {
                file.Write(PointClaim.Bytes(facts));
                file.Flush(flushToDisk: true);
            });
        }

        return new(path, PathOf(seen.Number + 2), facts, lease / 6, _time);
    }

    /// <summary>Whether something has a name, a link that leads nowhere too.</summary>
    internal static bool IsThere(string path)
    {
        try
        {
            return (int)new FileInfo(path).Attributes != -1;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private TimeSpan PatienceWith(ClaimFacts? facts) =>
        facts?.LeaseSeconds is { } seconds && seconds > lease.TotalSeconds && seconds <= LongestLease.TotalSeconds ? TimeSpan.FromSeconds(seconds) : lease;

    private string PathOf(int number) => Path.Combine(folder, Invariant($"{Name}{number}"));

    /// <summary>The highest number in the folder's listing, which on a file server may be old; 0 where there is none.</summary>
    private int HighestListed()
    {
        try
        {
            return Directory.EnumerateFileSystemEntries(folder, $"{Name}*").Select(path => Path.GetFileName(path)[Name.Length..])
                .Select(name => int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= MostClaims
                    && name == Invariant($"{number}") ? number : 0)
                .DefaultIfEmpty().Max();
        }
        catch (IOException)
        {
            return 0;
        }
    }

    /// <summary>The claim's text; where it cannot be read, what changes with it; null when it cannot be seen just now.</summary>
    private string? Read(int number)
    {
        var path = PathOf(number);
        try
        {
            if (new FileInfo(path) is { Exists: true } info && (info.Length == 0 || info.LinkTarget is not null))
            {
                // Not written yet; or none of ours, and to open a pipe is to wait for its other end.
                return "";
            }

            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[LargestClaimBytes];
            return Encoding.UTF8.GetString(bytes, 0, file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return IsThere(path) ? Invariant($"not to be read, changed {File.GetLastWriteTimeUtc(path):O}") : null;
        }
    }
}

/// <summary>A point that this process has: its claim changes every sixth of the lease until it is ended.</summary>
internal sealed class PointClaim : IDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _lost = new();
    private readonly string _path;
    private readonly string _next;
    private readonly ITimer _timer;
    private ClaimFacts _facts;

    internal PointClaim(string path, string next, ClaimFacts facts, TimeSpan interval, TimeProvider time)
    {
        (_path, _next, _facts) = (path, next, facts);
        _timer = time.CreateTimer(_ => Beat(), null, interval, interval);
    }

    /// <summary>Cancelled when another process gave this one up and took the point: nothing more may be written there.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Whether the point is this process's at this moment: one that slept learns it here before it writes.</summary>
    public bool IsOurs
    {
        get
        {
            if (!_lost.IsCancellationRequested && PointClaims.IsThere(_next))
            {
                _lost.Cancel();
            }

            return !_lost.IsCancellationRequested;
        }
    }

    /// <summary>Says how the run ended; the point is free.</summary>
    /// <returns>False when another process has taken the point meanwhile.</returns>
    public bool End(RunStatus status)
    {
        lock (_lock)
        {
            if (_lost.IsCancellationRequested || PointClaims.IsThere(_next))
            {
                return false;
            }

            if (_facts.Ended is null)
            {
                Write(_facts with { Beat = _facts.Beat + 1, Ended = RunJson.Word(status) });
            }

            return true;
        }
    }

    /// <summary>Gives the point back, as not run where no end was said.</summary>
    public void Dispose()
    {
        _timer.Dispose();
        End(RunStatus.NotRun);
        // The source holds nothing that would have to be freed, and a beat may be on its way.
    }

    internal static byte[] Bytes(ClaimFacts facts) => JsonSerializer.SerializeToUtf8Bytes(facts, JsonSerializerOptions.Web);

    private void Beat()
    {
        // A beat that hangs on a server that is away must not gather others behind it.
        if (!_lock.TryEnter())
        {
            return;
        }

        try
        {
            if (_facts.Ended is not null || _lost.IsCancellationRequested)
            {
                return;
            }

            if (!PointClaims.IsThere(_next))
            {
                Write(_facts with { Beat = _facts.Beat + 1 });
                return;
            }
        }
        finally
        {
            _lock.Exit();
        }

        _lost.Cancel();
    }

    private void Write(ClaimFacts facts)
    {
        try
        {
            AtomicFile.Write(_path, stream => stream.Write(Bytes(facts)));
            _facts = facts;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A server that is away for a moment, a full disk: the next beat may succeed, and if none does, others take the point after the lease.
        }
    }
}
