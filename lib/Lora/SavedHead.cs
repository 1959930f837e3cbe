using NotebookLib.Model;

namespace NotebookLib.Lora;

/// <summary>What becomes of a head that was saved with adapters.</summary>
/// <param name="IsTaken">Its numbers are read.</param>
/// <param name="IsTrained">The model's head is trained and saved with the adapters.</param>
/// <param name="Remark">What a reader should know of it; null when nothing.</param>
/// <param name="Order">The labels of its rows, where the model has them in another order.</param>
internal sealed record SavedHead(bool IsTaken, bool IsTrained, string? Remark = null, IReadOnlyList<string>? Order = null)
{
    /// <exception cref="InvalidDataException">Nothing is trained, and there is no head for the model's labels.</exception>
    public static SavedHead Of(string folder, AdapterFile file, DebertaV2ForTokenClassification model, bool isTrained)
    {
        var (now, config) = (model.Config.Labels, Path.Combine(folder, "config.json"));
        // PEFT 0.7.0 saves the head and does not say so.
        if (file.RowsOf(AdapterFile.NameOf(LoraPlaces.HeadName, "weight")) is not { } rows)
        {
            return !model.HasNewHead ? new(IsTaken: false, IsTrained: false)
                : isTrained ? new(IsTaken: false, IsTrained: true,
                    $"{folder} holds adapters without a head, and the model has none for these labels: a new one is trained.")
                : throw new InvalidDataException($"{folder}: the adapters were saved without a head, and the model has none for its {now.Count} labels "
                    + "either: nothing here was trained to tag. Load the model that they were trained on, with its own labels.");
        }

        // A folder of Python's has no labels' names, or its base's: then they are taken to be the model's.
        var stored = File.Exists(config) && DebertaConfig.Read(config).Labels is var names && names.Count == rows && !AreUnnamed(names) ? names : null;
        if ((rows == now.Count || !isTrained) && (stored is null || AreUnnamed(now) || stored.SequenceEqual(now)))
        {
            return new(IsTaken: true, IsTrained: true);
        }

        if (stored is not null && stored.Order(StringComparer.Ordinal).SequenceEqual(now.Order(StringComparer.Ordinal)))
        {
            return new(IsTaken: true, IsTrained: true,
                $"The head's {rows} labels stand in another order in {folder}; each row went where its label's name is.", stored);
        }

        var other = $"{folder}: its head has {rows} labels{(stored is null ? "" : $" ({Shown(stored)})")}, the model has {now.Count} ({Shown(now)})";
        return isTrained
            ? new(IsTaken: false, IsTrained: true, $"{other}: {(model.HasNewHead ? "a new head is trained" : "the model's own is trained on")}.")
            : throw new InvalidDataException($"{other}. Load the model with the adapters' labels.");
    }

    private static bool AreUnnamed(IReadOnlyList<string> labels) => labels.All(label => label.StartsWith("LABEL_", StringComparison.Ordinal));

    private static string Shown(IReadOnlyList<string> labels) => string.Join(", ", labels.Take(4)) + (labels.Count > 4 ? ", …" : "");
}
