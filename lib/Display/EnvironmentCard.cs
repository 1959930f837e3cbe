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
        List<Fact> facts =
        [
            .. profile.Length == 0 ? Array.Empty<Fact>() : [new Fact("profile", profile)],
            new("device", isCuda ? $"CUDA, {torch.cuda.device_count()} device(s){(CudaCard.First is { } card ? $": {card}" : "")}"
                : Invariant($"CPU, {torch.get_num_threads()} threads of {Environment.ProcessorCount}"),
                Provenance.Processor ?? RuntimeInformation.ProcessArchitecture.ToString()),
            new("memory", NumberText.Gigabytes(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)),
            new("system", $"{RuntimeInformation.OSDescription.Trim()}, {RuntimeInformation.FrameworkDescription}"),
            new("library", $"NotebookLib {Provenance.VersionOf(typeof(EnvironmentCard))}",
                Provenance.Commit is { } commit ? "commit " + commit[..Math.Min(8, commit.Length)] : "commit unknown"),
            new("torch", $"TorchSharp {Provenance.VersionOf(typeof(torch))}, {NativeLibraries.TorchVersion}"),
        ];
        return new("Where this runs", facts);
    }
}
