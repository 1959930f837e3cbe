using System.Globalization;
using System.Text;
using NotebookLib.Lora;
using NotebookLib.Platform;
using NotebookLib.Training;
using static NotebookLib.Platform.NumberText;

namespace NotebookLib.Hub;

/// <summary>Writes a model's or adapter's card, README.md, from what its run recorded.</summary>
public static class ModelReadme
{
    private const int MostEvaluations = 24;

    /// <summary>Writes the card into a saved model's folder, where the Hub expects it.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="run">The run that made it; one that trained.</param>
    /// <param name="repository">Where it is published, <c>organisation/name</c>; null takes the run's name.</param>
    /// <exception cref="ArgumentException">Nothing was trained.</exception>
    /// <exception cref="IOException">The folder cannot be written.</exception>
    public static void Save(string folder, RunRecord run, string? repository = null) =>
        AtomicFile.WriteText(Path.Combine(folder, "README.md"), Write(run, repository));

    /// <summary>The card's text.</summary>
    public static string Write(RunRecord run, string? repository = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        var training = run.Training ?? throw new ArgumentException($"{run.Id} trained nothing; expected a run that made the model.", nameof(run));
        var (place, adapters) = (repository ?? run.Id, training.Summary.Adapters);
        var text = new StringBuilder(ReadmeHeader.Write(run, place, isAdapter: adapters is not null));
        text.Append(CultureInfo.InvariantCulture, $"\n# {place.Split('/')[^1]}\n\n{Opening(run, adapters)}\n");
        text.Append("\n## Scores\n\n").Append(ScoresTable(run));
        text.Append("\n## Data\n\n").Append(DataTable(run));
        text.Append("\n## Training\n\n").Append(SettingsTable(training));
        text.Append(Curves(training.History));
        text.Append("\n## How to use it\n\n").Append(ReadmeCode.Write(run, place, isAdapter: adapters is not null));
        text.Append("\n## Licence\n\n").Append(LicenceText(run)).Append('\n');
        return text.ToString();
    }

    private static string Opening(RunRecord run, LoraSettings? adapters)
    {
        var what = adapters switch
        {
            null => "A token classifier",
            { TrainsHeadOnly: true } => "A new head, with frozen features below,",
            _ => "Low-rank adapters and a head",
        };
        return $"{what} for named entity recognition: "
            + $"{(run.BaseModel is null ? "DeBERTa-v3" : $"[{run.BaseModel}](https://huggingface.co/{run.BaseModel})")}"
            + $"{(run.Adapter is null ? "" : $" with the adapters {run.Adapter}")} fine-tuned on "
            + $"{(run.Dataset is null ? run.DataName : $"[{run.DataName}](https://huggingface.co/datasets/{run.Dataset})")}, "
            + $"{run.Labels.Count} labels: O, and B and I of {string.Join(", ", run.Labels.Types)}. Trained in C# with TorchSharp (NotebookLib); "
                + "the files are those of the Python libraries.";
    }

    private static string ScoresTable(RunRecord run)
    {
        var rows = run.Scores.Types.OrderByDescending(row => row.Support).ThenBy(row => row.Name, StringComparer.Ordinal).Append(run.Scores.Micro)
            .Append(run.Scores.Macro).Append(run.Scores.Weighted)
            .Select(row => (string[])[row.Name, Score(row.Precision), Score(row.Recall), Score(row.F1), Count(row.Support)]);
        return $"{(run.TestIsValidation ? "Validation" : "Test")} split, {Count(run.Scores.SentenceCount)} sentences, "
            + $"{Count(run.Scores.TokenCount)} words; labels of pieces brought back to words, entities as seqeval counts them by default."
            + (run.TestIsValidation
                ? " There was no test data: training was evaluated on these sentences too, and its best checkpoint is chosen by them." : "") + "\n\n"
            + Table(["type", "precision", "recall", "F1", "entities"], rows)
            + $"\nAccuracy {Score(run.Scores.Accuracy)}; F1 under strict IOB2 {Score(run.Strict.Micro.F1)}.\n";
    }

    private static string DataTable(RunRecord run) => run.Splits.Count == 0 ? run.DataName + "\n" : Table(
        ["split", "sentences", "words", "entities", "entities that training never saw"],
        run.Splits.Select(split =>
            (string[])[split.Name, Count(split.Sentences), Count(split.Words), Count(split.EntityCount),
                split.UnseenEntities is { } unseen ? Count(unseen) : ""]));

    private static string SettingsTable(TrainingResult training)
    {
        var (run, settings) = (training.Summary, training.Summary.Settings);
        List<string[]> rows =
        [
            ["sentences per update", run.EffectiveBatch],
            // What was done, not what was planned: a number of updates wins over one of epochs, and a run may be stopped.
            ["epochs, updates", $"{run.EpochAfter(training.Updates).ToString("0.###", CultureInfo.InvariantCulture)}, {Count(training.Updates)}"],
            ["learning rate", $"{Number(settings.LearningRate)}, {settings.Schedule}, warm-up {Count(run.WarmupUpdates)} updates"],
            ["optimiser", $"AdamW, betas {Number(settings.Beta1)} and {Number(settings.Beta2)}, weight decay {Number(settings.WeightDecay)}, "
                + $"gradient norm at most {Number(settings.MaximumGradientNorm)}"],
            ["loss", $"cross-entropy, {settings.LossAverage}{(settings.FocalGamma > 0 ? $", focal gamma {Number(settings.FocalGamma)}" : "")}"],
            ["parameters", $"{Count(run.TrainedParameters)} trained of {Count(run.TotalParameters)}"],
            ["precision, device", $"{run.Precision}, {run.Device}"],
            ["seed", run.Seed.ToString(CultureInfo.InvariantCulture)],
            ["time", Invariant($"{training.ElapsedSeconds / 60:0.0} minutes")],
            ["versions", string.Join(", ", run.Versions.Select(pair => $"{pair.Key} {pair.Value}"))],
        ];
        if (run.Adapters is { TrainsHeadOnly: false } adapters)
        {
            rows.Insert(0, ["adapters", $"r {adapters.Rank}, alpha {Number(adapters.Alpha ?? 0)}, dropout {Number(adapters.Dropout ?? 0)} on "
                + $"{string.Join(", ", adapters.Targets ?? [])}; {run.AdaptedLayers} layers"]);
        }

        return Table(["setting", "value"], rows);
    }

    private static string Curves(TrainingHistory history)
    {
        var every = Math.Max(1, (history.Evaluations.Count + MostEvaluations - 1) / MostEvaluations);
        var shown = history.Evaluations.Where((evaluation, i) => (i + 1) % every == 0 || evaluation.IsBest || i == history.Evaluations.Count - 1).ToList();
        if (shown.Count == 0)
        {
            return "";
        }

        // Training loss at an evaluation: the mean of the logs since the one shown before.
        var rows = shown.Select((evaluation, i) => (string[])
        [
            Count(evaluation.Update) + (ReferenceEquals(evaluation, history.Best) ? " (best)" : ""),
            Mean(history.Steps.Where(step => step.Update <= evaluation.Update && step.Update > (i == 0 ? 0 : shown[i - 1].Update))),
            Score(evaluation.Loss),
            Score(evaluation.Metrics.GetValueOrDefault("f1")),
        ]);
        var table = "\nValidation split, pieces, while it trained:\n\n" + Table(["update", "training loss", "validation loss", "validation F1"], rows);
        var values = string.Join(", ", shown.Select(evaluation => Score(evaluation.Metrics.GetValueOrDefault("f1"))));
        return shown.Count < 2
            ? table : table
            + $"\n```mermaid\nxychart-beta\n  title \"F1 on validation by update\"\n  x-axis "
            + $"[{string.Join(", ", shown.Select(evaluation => evaluation.Update))}]\n  y-axis 0 --> 1\n  line [{values}]\n```\n";
    }

    private static string LicenceText(RunRecord run) => run.Dataset == "Babelscape/multinerd"
        ? "The weights were trained on MultiNERD, CC BY-NC-SA 4.0 (Tedeschi and Navigli, Findings of NAACL 2022): attribution, no commerce, share alike. "
            + "DeBERTa-v3 is MIT, by Microsoft."
        : run.Licence is null
        ? "Not stated: see the licences of the data and of the base model." : $"{run.Licence}, as far as the data and the base model allow.";

    private static string Table(IReadOnlyList<string> header, IEnumerable<string[]> rows)
    {
        var text = new StringBuilder();
        IEnumerable<IEnumerable<string>> lines = [header, header.Select(_ => "---"), .. rows];
        foreach (var line in lines)
        {
            // A pipe would end the cell.
            text.Append("| ").AppendJoin(" | ", line.Select(cell => cell.Replace("|", "\\|", StringComparison.Ordinal).ReplaceLineEndings(" "))).Append(" |\n");
        }

        return text.ToString();
    }

    private static string Mean(IEnumerable<LoggedStep> steps) =>
        steps.Select(step => step.Loss).DefaultIfEmpty(double.NaN).Average() is var mean && double.IsNaN(mean) ? "" : Score(mean);
}
