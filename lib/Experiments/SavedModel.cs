using NotebookLib.Html;
using NotebookLib.Model;
using NotebookLib.Platform;

namespace NotebookLib.Experiments;

/// <summary>A trained model on disk, laid out as the Hub and transformers expect it, with its tokenizer.</summary>
/// <param name="Folder">Where it is.</param>
/// <param name="IsAdapter">True when the folder holds an adapter that needs its base model.</param>
/// <param name="BaseModel">The base model of an adapter.</param>
public sealed record SavedModel(string Folder, bool IsAdapter, string BaseModel)
{
    /// <summary>Saves the model of an experiment into the run's folder.</summary>
    /// <param name="plan">The experiment.</param>
    /// <param name="data">Its tokenizer goes with the model.</param>
    /// <param name="model">What to save.</param>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static SavedModel Save(ExperimentPlan plan, ExperimentData data, ExperimentModel model)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(model);
        var folder = Path.Combine(plan.OutputFolder, "model");
        if (model.Adapters is { } adapters)
        {
            adapters.Save(folder);
        }
        else
        {
            ModelFolder.Save(model.Network, folder);
        }

        data.Tokenizer.Save(folder);
        return new(folder, model.Adapters is not null, plan.Model);
    }

    /// <summary>What is in the folder, and how to load it elsewhere.</summary>
    public CardView Card => new(
        "The result",
        [
            new("folder", Folder),
            .. Directory.EnumerateFiles(Folder).Order(StringComparer.Ordinal).Select(file => new Fact(Path.GetFileName(file), ByteText.Size(new FileInfo(file).Length))),
        ])
    {
        Subtitle = IsAdapter ? $"An adapter in PEFT's format, for {BaseModel}." : "A checkpoint in the Hub's layout.",
        Tables = [new("How to load it", [new("language"), new("code")], [new(["C#", new(CSharp, IsCode: true)]), new(["Python", new(Python, IsCode: true)])])],
    };

    private string CSharp => IsAdapter
        ? $"var model = ModelFolder.Load(\"{BaseModel}\").Model; LoraAdapters.Load(\"{Folder}\", model);"
        : $"var model = ModelFolder.Load(\"{Folder}\").Model; var tokenizer = DebertaTokenizer.Load(\"{Folder}\");";

    private string Python => IsAdapter
        ? $"PeftModel.from_pretrained(AutoModelForTokenClassification.from_pretrained(\"{BaseModel}\", num_labels=…), \"{Folder}\")"
        : $"pipeline(\"token-classification\", model=\"{Folder}\")";
}
