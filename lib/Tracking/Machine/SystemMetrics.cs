using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>Samples this process and the machine, in the names of wandb 0.31's events. What a system does not tell is left out.</summary>
/// <param name="folder">On the disk whose space counts.</param>
/// <param name="clock">Measures rates.</param>
internal sealed class SystemMetrics(string folder, TimeProvider clock)
{
    private const double Mebi = 1 << 20;
    private const double Gibi = 1 << 30;

    private const string CardQuery = "index,utilization.gpu,utilization.memory,memory.used,memory.total,temperature.gpu,power.draw";
    private static readonly TimeSpan CardPatience = TimeSpan.FromSeconds(5);
    private static bool s_hasNoCards;

    private (long At, TimeSpan Cpu)? _before;
    private (long Received, long Sent)? _networkAtStart;
    private (long Read, long Written)? _diskAtStart;

    /// <summary>Samples into a run's journal from now on; the first sample that fails is the last.</summary>
    /// <param name="journal">Takes the samples; its folder's disk is measured.</param>
    /// <param name="interval">From one sample to the next.</param>
    /// <param name="notice">Is told why the samples end.</param>
    /// <param name="clock">Gives the times.</param>
    /// <returns>Ends the sampling when disposed.</returns>
    public static ITimer Start(RunJournal journal, TimeSpan interval, Action<string> notice, TimeProvider clock)
    {
        var metrics = new SystemMetrics(journal.Folder.FullPath, clock);
        ITimer? timer = null;
        timer = clock.CreateTimer(_ => Sample(), null, TimeSpan.Zero, interval);
        return timer;

        void Sample()
        {
            // A sample that takes longer than the interval (nvidia-smi) is not overtaken.
            if (!Monitor.TryEnter(metrics))
            {
                return;
            }

            try
            {
                journal.LogEvent(metrics.Sample());
            }
#pragma warning disable CA1031 // On a timer's thread an exception would end the process.
            catch (Exception fault)
#pragma warning restore CA1031
            {
                timer?.Dispose();
                notice($"system metrics end: {fault.Message}");
            }
            finally
            {
                Monitor.Exit(metrics);
            }
        }
    }

    /// <summary>One sample.</summary>
    public IReadOnlyDictionary<string, object?> Sample()
    {
        Dictionary<string, object?> sample = [];
        AddProcess(sample);
        AddMemory(sample);
        AddDisk(sample);
        AddNetwork(sample);
        AddCards(sample);
        return sample;
    }

    /// <summary>What the machine and the runtime are, in the names of wandb-metadata.json, as JSON members. No paths: they would name the user.</summary>
    /// <param name="startedAt">When the run began.</param>
    /// <param name="writerId">This writer.</param>
    public static IReadOnlyDictionary<string, JsonElement> Machine(DateTimeOffset startedAt, string writerId)
    {
        var facts = new Dictionary<string, object>
        {
            ["os"] = RuntimeInformation.OSDescription,
            ["runtime"] = RuntimeInformation.FrameworkDescription,
            ["startedAt"] = startedAt.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
            ["program"] = Program(),
            ["host"] = Environment.MachineName,
            ["cpu_count"] = Environment.ProcessorCount,
            ["cpu_count_logical"] = Environment.ProcessorCount,
            ["memory"] = new { total = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes.ToString(CultureInfo.InvariantCulture) },
            ["writerId"] = writerId,
        };
        if (Provenance.Processor is { } model)
        {
            facts["cpu"] = new { model };
        }

        return facts.ToDictionary(fact => fact.Key, fact => JsonSerializer.SerializeToElement(fact.Value));
    }

    /// <summary>The program's file name.</summary>
    public static string Program() => Path.GetFileName(Environment.GetCommandLineArgs().FirstOrDefault() ?? "");

    /// <summary>Reads nvidia-smi's table; "[N/A]" is left out.</summary>
    internal static IReadOnlyDictionary<string, object?> CardsOf(string table)
    {
        Dictionary<string, object?> sample = [];
        foreach (var line in table.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var cells = line.Split(',', StringSplitOptions.TrimEntries);
            if (cells.Length != 7)
            {
                continue;
            }

            double?[] values = [
                .. cells.Select(cell => double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : (double?)null)];
            Add("gpu", values[1]);
            Add("memory", values[2]);
            Add("memoryAllocated", 100 * values[3] / values[4]);
            Add("memoryAllocatedBytes", values[3] * (1 << 20));
            Add("temp", values[5]);
            Add("powerWatts", values[6]);

            void Add(string name, double? value)
            {
                if (value is not null)
                {
                    sample[$"system.gpu.{cells[0]}.{name}"] = value;
                }
            }
        }

        return sample;
    }

    private void AddProcess(Dictionary<string, object?> sample)
    {
        using var process = Process.GetCurrentProcess();
        sample["system.proc.memory.rssMB"] = process.WorkingSet64 / Mebi;
        sample["system.proc.cpu.threads"] = process.Threads.Count;
        var now = (At: clock.GetTimestamp(), Cpu: process.TotalProcessorTime);
        if (_before is { } before && clock.GetElapsedTime(before.At, now.At) is { Ticks: > 0 } elapsed)
        {
            // Percent of all cores, as the client's.
            sample["system.cpu"] = 100 * (now.Cpu - before.Cpu) / elapsed / Environment.ProcessorCount;
        }

        _before = now;
    }

    private static void AddMemory(Dictionary<string, object?> sample)
    {
        var memory = Numbers("/proc/meminfo", ':');
        if (memory.TryGetValue("MemTotal", out var totalKb) && memory.TryGetValue("MemAvailable", out var availableKb) && totalKb > 0)
        {
            sample["system.proc.memory.availableMB"] = availableKb / 1024.0;
            sample["system.memory_percent"] = 100.0 * (totalKb - availableKb) / totalKb;
            sample["system.proc.memory.percent"] = 100.0 * (double)sample["system.proc.memory.rssMB"]! * 1024 / totalKb;
        }
    }

    private void AddDisk(Dictionary<string, object?> sample)
    {
        var drive = new DriveInfo(Path.GetFullPath(folder));
        sample["system.disk./.usagePercent"] = 100.0 * (drive.TotalSize - drive.TotalFreeSpace) / Math.Max(1, drive.TotalSize);
        sample["system.disk./.usageGB"] = (drive.TotalSize - drive.TotalFreeSpace) / Gibi;
        var io = Numbers("/proc/self/io", ':');
        if (io.TryGetValue("read_bytes", out var read) && io.TryGetValue("write_bytes", out var written))
        {
            _diskAtStart ??= (read, written);
            sample["system.proc.disk.in"] = (read - _diskAtStart.Value.Read) / Mebi;
            sample["system.proc.disk.out"] = (written - _diskAtStart.Value.Written) / Mebi;
        }
    }

    private void AddNetwork(Dictionary<string, object?> sample)
    {
        if (!File.Exists("/proc/net/dev"))
        {
            return;
        }

        // "eth0: received-bytes 7 more sent-bytes ..."; the loopback is no network.
        var (received, sent) = (0L, 0L);
        foreach (var line in File.ReadLines("/proc/net/dev").Where(line => line.Contains(':', StringComparison.Ordinal)))
        {
            var parts = line.Split([':', ' '], StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length > 9 && parts[0] != "lo" && long.TryParse(parts[1], out var one) && long.TryParse(parts[9], out var other))
            {
                (received, sent) = (received + one, sent + other);
            }
        }

        _networkAtStart ??= (received, sent);
        sample["system.network.recv"] = received - _networkAtStart.Value.Received;
        sample["system.network.sent"] = sent - _networkAtStart.Value.Sent;
    }

    /// <summary>"Name: number unit" lines.</summary>
    private static Dictionary<string, long> Numbers(string path, char separator)
    {
        Dictionary<string, long> numbers = [];
        if (!File.Exists(path))
        {
            return numbers;
        }

        foreach (var line in File.ReadLines(path))
        {
            var parts = line.Split(separator, 2);
            if (parts.Length == 2 && long.TryParse(parts[1].Trim().Split(' ')[0], CultureInfo.InvariantCulture, out var number))
            {
                numbers[parts[0].Trim()] = number;
            }
        }

        return numbers;
    }

    /// <summary>NVIDIA cards through nvidia-smi; a machine without it has no such metrics, and is asked only once.</summary>
    private static void AddCards(Dictionary<string, object?> sample)
    {
        if (s_hasNoCards)
        {
            return;
        }

        try
        {
            using var process = Process.Start(new ProcessStartInfo("nvidia-smi", [$"--query-gpu={CardQuery}", "--format=csv,noheader,nounits"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var text = process.StandardOutput.ReadToEndAsync();
            if (!text.Wait(CardPatience))
            {
                process.Kill();
                return;
            }

            foreach (var (name, value) in CardsOf(text.Result))
            {
                sample[name] = value;
            }
        }
        catch (Win32Exception)
        {
            // No such program.
            s_hasNoCards = true;
        }
    }
}
