using System.Diagnostics;
using System.Text;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>How a case ended.</summary>
internal enum FuzzEnd
{
    /// <summary>The input was read.</summary>
    Read,

    /// <summary>It was refused as it should be.</summary>
    Refused,

    /// <summary>Something happened that may not.</summary>
    NotAllowed,
}

/// <summary>The result of one case.</summary>
/// <param name="End">How it ended.</param>
/// <param name="Text">What was said, or why it is not allowed.</param>
internal sealed record FuzzResult(FuzzEnd End, string Text);

/// <summary>
/// One spoiled input of one reader: made from the seed and the case's number alone, written into a folder, read under limits. Allowed is success, or an
/// exception that this project throws itself, of a type that stands for bad input, whose message names the file or the address.
/// </summary>
internal sealed class FuzzCase(FuzzTarget target, int seed, int number, string root)
{
    /// <summary>The most memory that reading one small file may take, in bytes.</summary>
    public const long MostBytes = 512L << 20;

    /// <summary>By the wall's clock a case may take so many times what it may spend: other work may want the processor.</summary>
    public const int MostWaits = 6;

    private static readonly TimeSpan s_glance = TimeSpan.FromMilliseconds(50);

    private static readonly string[] s_own = ["NotebookLib", "NotebookRunner"];

    private readonly Mutator _mutator = new(SeedOf(target.Name, seed, number), Path.Combine(root, "outside"));

    /// <summary>Where the reader finds its files.</summary>
    public string Folder { get; } = Path.Combine(root, "inner", "case");

    /// <summary>The file that was spoiled.</summary>
    public string Spoiled { get; private set; } = "";

    /// <summary>Writes the spoiled input.</summary>
    public void Write()
    {
        var input = target.Sound[_mutator.Next(target.Sound.Count)];
        var other = target.Sound[_mutator.Next(target.Sound.Count)];
        Spoiled = input.Spoiled[_mutator.Next(input.Spoiled.Count)];
        var content = _mutator.Mutate(input.Files[Spoiled], other.Files[other.Spoiled[_mutator.Next(other.Spoiled.Count)]]);
        Write(input, Spoiled, target.Mend is { } mend && _mutator.Chance(0.8) ? mend(Spoiled, content) : content);
        if (target.Seal is { } seal && _mutator.Chance(0.9))
        {
            seal(Folder);
        }
    }

    /// <summary>Writes an input with one file replaced.</summary>
    public void Write(SoundInput input, string name, byte[] content)
    {
        Spoiled = name;
        if (Directory.Exists(root))
        {
            Directory.Delete(root, recursive: true);
        }

        foreach (var (file, bytes) in input.Files)
        {
            var path = Path.Combine(Folder, file);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllBytes(path, file == name ? content : bytes);
        }
    }

    /// <summary>Reads what was written.</summary>
    /// <param name="patience">After this the case counts as one that does not end.</param>
    /// <param name="isAlone">
    /// Whether the process does nothing else: its processor time is held against patience then, which other processes do not lengthen, and its memory is the
    /// caller's to judge. Else it is the wall's clock, and what the reader's thread allocated in all.
    /// </param>
    public FuzzResult Read(TimeSpan patience, bool isAlone = false)
    {
        using var stop = new CancellationTokenSource();
        var allocated = 0L;
        Exception? fault = null;
        // A thread of its own: a reader that never ends does not take the caller along.
        var reader = new Thread(() =>
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                target.ReadAsync(Folder, stop.Token).GetAwaiter().GetResult();
            }
            catch (Exception error)
            {
                fault = error;
            }

            allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        })
        { IsBackground = true };
        var clock = Stopwatch.StartNew();
        var spentBefore = Environment.CpuUsage.TotalTime;
        reader.Start();
        while (!reader.Join(s_glance))
        {
            // A reader that waits spends nothing.
            if ((isAlone ? Environment.CpuUsage.TotalTime - spentBefore : clock.Elapsed) > patience || clock.Elapsed > MostWaits * patience)
            {
                stop.Cancel();
                return new(FuzzEnd.NotAllowed, $"still reading after {patience.TotalSeconds:0} s");
            }
        }

        var (end, text) = fault is null ? (FuzzEnd.Read, "")
            : FindFault(fault) is { } why ? (FuzzEnd.NotAllowed, $"{why}\n{fault}") : (FuzzEnd.Refused, fault.Message);
        return Strays() is { } stray ? new(FuzzEnd.NotAllowed, $"wrote {stray}, which lies outside of its folder")
            : !isAlone && allocated > MostBytes ? new(FuzzEnd.NotAllowed, $"took {allocated >> 20} MiB: {text}") : new(end, text);
    }

    /// <summary>Why an exception may not leave a reader; null where it may.</summary>
    private string? FindFault(Exception error)
    {
        if (error is not (InvalidDataException or FormatException or NotSupportedException or IOException or ArgumentException or InvalidOperationException)
            && !s_own.Contains(error.GetType().Assembly.GetName().Name))
        {
            return $"{error.GetType().Name} is no word on bad input";
        }

        var thrower = new StackTrace(error).GetFrames().Select(frame => frame.GetMethod()?.DeclaringType).FirstOrDefault(type => type is not null);
        if (!s_own.Contains(thrower?.Assembly.GetName().Name))
        {
            return $"{error.GetType().Name} was thrown by {thrower?.FullName}, not by this project";
        }

        List<string> names = target.Address is { } address ? [address] : [];
        if (target.NamesFile)
        {
            names.AddRange([Path.GetFileName(Spoiled), Folder]);
            names.AddRange(Directory.Exists(Folder) ? Directory.EnumerateFileSystemEntries(Folder).Select(path => Path.GetFileName(path)!) : []);
        }

        return names.Count == 0 || names.Exists(name => error.Message.Contains(name, StringComparison.Ordinal)) ? null
            : $"the message names none of {string.Join(", ", names)}";
    }

    private string? Strays() => !Directory.Exists(root) ? null
        : Directory.EnumerateFileSystemEntries(root).FirstOrDefault(path => Path.GetFileName(path) != "inner")
        ?? Directory.EnumerateFileSystemEntries(Path.Combine(root, "inner")).FirstOrDefault(path => Path.GetFileName(path) != "case");

    /// <summary>One number of three; the same in every process.</summary>
    private static int SeedOf(string name, int seed, int number)
    {
        var hash = System.IO.Hashing.XxHash32.HashToUInt32(Encoding.UTF8.GetBytes($"{name}/{seed}/{number}"));
        return (int)(hash & int.MaxValue);
    }
}
