using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace NotebookLib.Tracking;

/// <summary>Samples NVIDIA cards through nvidia-smi; a machine without it has no such metrics, and is asked only once.</summary>
internal static class GpuMetrics
{
    private const string Query = "index,utilization.gpu,utilization.memory,memory.used,memory.total,temperature.gpu,power.draw";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static bool s_isMissing;

    /// <summary>Names and values of all cards.</summary>
    public static IReadOnlyDictionary<string, object?> Sample()
    {
        if (s_isMissing)
        {
            return new Dictionary<string, object?>();
        }

        try
        {
            using var process = Process.Start(new ProcessStartInfo("nvidia-smi", [$"--query-gpu={Query}", "--format=csv,noheader,nounits"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            var text = process.StandardOutput.ReadToEndAsync();
            if (!text.Wait(Patience))
            {
                process.Kill();
                return new Dictionary<string, object?>();
            }

            return Parse(text.Result);
        }
        catch (Win32Exception)
        {
            // No such program.
            s_isMissing = true;
            return new Dictionary<string, object?>();
        }
    }

    /// <summary>Reads nvidia-smi's table; "[N/A]" is left out.</summary>
    internal static IReadOnlyDictionary<string, object?> Parse(string table)
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
}
