using System.Reflection;
using System.Runtime.InteropServices;
using NotebookLib.Html;
using NotebookLib.Platform;
using TorchSharp;

namespace NotebookLib.Display;

/// <summary>Where a run happens: machine, device, versions, commit.</summary>
public static class EnvironmentCard
{
    /// <summary>Looks around and makes the card.</summary>
    /// <param name="profile">How much is computed on what, for instance <c>demo</c>.</param>
    public static CardView Create(string profile = "")
    {
        var isCuda = torch.cuda.is_available();
        var library = InformationalVersion(typeof(EnvironmentCard));
        List<Fact> facts =
        [
            .. profile.Length == 0 ? Array.Empty<Fact>() : [new Fact("profile", profile)],
            new("device", isCuda ? $"CUDA, {torch.cuda.device_count()} device(s){(CudaCard.First is { } card ? $": {card}" : "")}"
                : Invariant($"CPU, {torch.get_num_threads()} threads of {Environment.ProcessorCount}"), ProcessorName()),
            new("memory", NumberText.Gigabytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)),
            new("system", $"{RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.FrameworkDescription}"),
            new("library", $"NotebookLib {library.Split('+')[0]}",
                library.Split('+') is [_, var commit] ? "commit " + commit[..Math.Min(8, commit.Length)] : "commit unknown"),
            new("torch", $"TorchSharp {InformationalVersion(typeof(torch)).Split('+')[0]}, {NativeLibraries.TorchVersion}"),
        ];
        return new("Where this runs", facts);
    }

    private static string ProcessorName()
    {
        const string cpuInfo = "/proc/cpuinfo";
        var line = File.Exists(cpuInfo) ? File.ReadLines(cpuInfo).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?.Split(':', 2)[1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static string InformationalVersion(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? type.Assembly.GetName().Version?.ToString()
            ?? "unknown";
}
