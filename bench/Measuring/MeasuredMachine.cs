using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;
using TorchSharp;

namespace NotebookLib.Bench.Measuring;

/// <summary>What a figure depends on: processor, threads, memory, versions.</summary>
internal static class MeasuredMachine
{
    private static readonly string[] Telling = ["avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8"];

    /// <summary>Name and value of each.</summary>
    public static IReadOnlyList<(string Name, string Value)> Collect() =>
    [
        ("processor", $"{CpuInfo("model name")}, {Environment.ProcessorCount} cores"),
        ("instruction sets", string.Join(", ", Telling.Select(flag => (CpuInfo("flags").Split(' ').Contains(flag) ? "" : "no ") + flag))),
        ("threads", $"{torch.get_num_threads()} in libtorch and ONNX Runtime alike"),
        ("memory", Invariant($"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1 << 30):0.0} GiB")),
        ("system", $"{RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.FrameworkDescription}"),
        ("versions", $"NotebookLib {Version(typeof(Data.LabelSet))}, TorchSharp {Version(typeof(torch)).Split('+')[0]}, libtorch {torch.__version__}, "
            + $"ONNX Runtime {OrtEnv.Instance().GetVersionString()}"),
        ("load before", File.Exists("/proc/loadavg")
            ? File.ReadAllText("/proc/loadavg").Split(' ')[0] + " (one minute; a quiet machine is below 0.3)" : "unknown"),
    ];

    private static string CpuInfo(string field)
    {
        const string path = "/proc/cpuinfo";
        var line = File.Exists(path) ? File.ReadLines(path).FirstOrDefault(line => line.StartsWith(field, StringComparison.Ordinal)) : null;
        return line?.Split(':', 2)[1].Trim() ?? "unknown";
    }

    private static string Version(Type type) => type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";
}
