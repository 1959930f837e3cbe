extern alias lib;

using System.CommandLine;
using lib::NotebookLib.Data;
using lib::NotebookLib.Hub;
using lib::NotebookLib.Inference;
using lib::NotebookLib.Model;
using lib::NotebookLib.Platform;
using lib::NotebookLib.Training;

namespace NotebookRunner.Commands;

/// <summary>
/// What the commands that use a trained model have in common: how it is named, how it is loaded, and which of the library's complaints are about what was
/// typed.
/// </summary>
internal static class TrainedModel
{
    /// <summary>The model itself.</summary>
    public static Argument<string> NewArgument() =>
        new("model") { Description = "The folder of a run, of a saved model or of adapters, or a name on the Hub (org/name)" };

    /// <summary>Entity types.</summary>
    public static Option<string?> NewTypes() =>
        new("--types") { Description = "Entity types of adapters that do not name theirs, in their order: PER,ORG,…", HelpName = "list" };

    /// <summary>The model below adapters.</summary>
    public static Option<string?> NewBase() =>
        new("--base") { Description = "The model that adapters belong to, where they do not say or it has moved", HelpName = "model" };

    /// <summary>Where it computes.</summary>
    public static Option<string> NewDevice()
    {
        var device = new Option<string>("--device") { Description = "Where the network computes", DefaultValueFactory = _ => "auto" };
        device.AcceptOnlyFromAmong("auto", "cpu", "cuda");
        return device;
    }

    /// <summary>In which type products run.</summary>
    public static Option<string> NewPrecision()
    {
        var precision = new Option<string>("--precision")
        {
            Description = "In which type products run; int8 is the fastest on a CPU with VNNI",
            DefaultValueFactory = _ => "float32"
        };
        precision.AcceptOnlyFromAmong("float32", "bfloat16", "int8");
        return precision;
    }

    /// <summary>The device that was typed.</summary>
    public static TorchSharp.torch.Device DeviceOf(string device) =>
        device switch { "cpu" => TorchSharp.torch.CPU, "cuda" => TorchSharp.torch.CUDA, _ => LoadOptions.BestDevice };

    /// <summary>Loads it, and says on standard error what a reader should know about its files.</summary>
    /// <param name="model">What was typed.</param>
    /// <param name="options">Where it computes; its labels are replaced.</param>
    /// <param name="precision">In which type products run, as typed.</param>
    /// <param name="types">The entity types, as typed.</param>
    /// <param name="start">The model below adapters, as typed.</param>
    /// <param name="observer">Follows transfers.</param>
    /// <param name="cancel">Gives up.</param>
    public static async Task<EntityTagger> LoadAsync(string model, LoadOptions options, string precision, string? types, string? start, IHubObserver? observer,
        CancellationToken cancel)
    {
        NativeLibraries.EnsureLoaded();
        var labels = types is null ? null : new LabelSet(types.Split(',', StringSplitOptions.TrimEntries));
        var tagger = await EntityTagger.LoadAsync(model, options with { Labels = labels }, start, observer,
            Enum.Parse<TrainingPrecision>(precision, ignoreCase: true), cancel);
        foreach (var remark in tagger.Remarks)
        {
            Console.Error.WriteLine(remark);
        }

        return tagger;
    }

    /// <summary>Whether something typed, or a file named by it, is at fault.</summary>
    public static bool IsBadInput(Exception error) =>
        error is HubException or NotSupportedException or ArgumentException or FileNotFoundException or DirectoryNotFoundException or InvalidDataException
        or PlatformNotSupportedException or (InvalidOperationException and not ObjectDisposedException);

    /// <summary>What the library calls by its own names, as the command line does.</summary>
    public static string Spoken(Exception error) => error.Message.Split(" (Parameter '")[0]
        .Replace("as the base.", "with --base.", StringComparison.Ordinal)
        .Replace("name their entity types, in their order.", "name their entity types, in their order, with --types PER,ORG,…", StringComparison.Ordinal);

    /// <summary>A line for each file that comes from the Hub, and one for what a person may want to know.</summary>
    internal sealed class Transfers : IHubObserver
    {
        public void Progressed(HubProgress progress)
        {
            if (progress.Phase == HubTransferPhase.Done)
            {
                Console.Error.WriteLine(Invariant($"{progress.Origin}: {progress.File} ({progress.DoneBytes:N0} bytes)"));
            }
        }

        public void Noticed(string message) => Console.Error.WriteLine(message);
    }
}
