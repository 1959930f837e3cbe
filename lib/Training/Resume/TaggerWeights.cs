using System.IO.Hashing;
using System.Text;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>
/// What a checkpoint keeps of a tagger: all its weights, or, where it carries adapters, only these and the head. The frozen base is then told from another by a
/// sum.
/// </summary>
internal sealed class TaggerWeights(DebertaV2ForTokenClassification model)
{
    private const string BaseFile = "base_weights.xxh128";
    private string? _baseSum;

    /// <summary>Saves the weights into an existing folder: a model folder, or an adapter's in PEFT's format.</summary>
    public void Save(string folder)
    {
        if (LoraAdapters.Of(model) is not { } adapters)
        {
            ModelFolder.Save(model, folder);
            return;
        }

        adapters.Save(folder);
        AtomicFile.WriteText(Path.Combine(folder, BaseFile), BaseSum);
    }

    /// <summary>Fills the model with what <see cref="Save"/> wrote.</summary>
    public void Load(string folder)
    {
        if (LoraAdapters.Of(model) is { } adapters)
        {
            adapters.ReadWeights(folder);
        }
        else
        {
            WeightFiles.LoadInto(model, folder);
        }
    }

    /// <summary>Why a folder's weights do not continue this model, a line each; empty when they do.</summary>
    public IEnumerable<string> FindContradictions(string folder) => (LoraAdapters.Of(model), AdapterConfig.IsIn(folder)) switch
    {
        (null, false) => [],
        (null, true) => ["the model carries no adapters, the checkpoint holds some; attach them before training (LoraAdapters.Attach)"],
        (_, false) => ["the model carries adapters, the checkpoint holds a whole model"],
        ({ } adapters, true) => FindContradictions(adapters.Settings, folder),
    };

    private IEnumerable<string> FindContradictions(LoraSettings now, string folder)
    {
        var then = AdapterConfig.Read(folder);
        foreach (var (name, asked, saved) in ((string, string, string)[])
            [("Rank", Text(now.Rank), Text(then.Rank)), ("Alpha", Text(now.Alpha), Text(then.Alpha)), ("Dropout", Text(now.Dropout), Text(then.Dropout)),
                ("kind", Kind(now), Kind(then))])
        {
            if (asked != saved)
            {
                yield return $"LoRA's {name} is {asked}, the checkpoint was made with {saved}";
            }
        }

        var file = Path.Combine(folder, BaseFile);
        if (File.Exists(file) && File.ReadAllText(file) is var sum && sum != BaseSum)
        {
            yield return $"the frozen base has other weights (XxHash128 {BaseSum}, the checkpoint was made with {sum})";
        }
    }

    // The base does not change while adapters are trained: once is enough.
    private string BaseSum => _baseSum ??= SumOfFrozen();

    private string SumOfFrozen()
    {
        var hash = new XxHash128();
        foreach (var (name, parameter) in model.named_parameters()
            .Where(pair => !pair.parameter.requires_grad && !pair.name.Contains(".lora_", StringComparison.Ordinal)))
        {
            using var values = parameter.cpu();
            hash.Append(Encoding.UTF8.GetBytes(name));
            hash.Append(values.bytes);
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    private static string Kind(LoraSettings settings) =>
        (settings.UsesMagnitudes ? "DoRA" : "LoRA") + (settings.UsesRankStabilisation ? ", scaled by √rank" : "") + (settings.HasBias ? ", with biases" : "");

    private static string Text(double? value) => (value ?? 0).ToString("R", System.Globalization.CultureInfo.InvariantCulture);
}
