using NotebookLib.Model;

namespace NotebookLib.Training;

/// <summary>
/// Pre-trains a small DeBERTa from nothing by letting it guess hidden pieces: how the demo's model is made. The loop, its checkpoints and its exact resume
/// are the <see cref="Trainer"/>'s.
/// </summary>
public static class MaskedLanguageTrainer
{
    /// <summary>Makes a model with random weights and trains it.</summary>
    /// <param name="config">The model's sizes.</param>
    /// <param name="sequences">Piece ids with <c>[CLS]</c> and <c>[SEP]</c>, each as long as the model reads at once.</param>
    /// <param name="masking">What is hidden.</param>
    /// <param name="settings">How it is trained; <see cref="TrainingSettings.Seed"/> also draws the first weights.</param>
    /// <param name="evaluation">Sequences kept out of the training to measure the loss; none by default.</param>
    /// <param name="observers">Who watches.</param>
    /// <param name="cancellation">Ends the run at the next micro-batch, with a checkpoint.</param>
    /// <returns>The model, owned by the caller (<see cref="ModelFolder"/> saves it like a Hub checkpoint), and how the run ended.</returns>
    /// <exception cref="ArgumentException">Settings or sequences cannot work: all faults together.</exception>
    public static (DebertaV2ForMaskedLM Model, TrainingResult Result) Train(
        DebertaConfig config, IReadOnlyList<int[]> sequences, MaskedLanguageSettings masking, TrainingSettings settings,
        IReadOnlyList<int[]>? evaluation = null, IReadOnlyList<ITrainingObserver>? observers = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(sequences);
        ArgumentNullException.ThrowIfNull(masking);
        ArgumentNullException.ThrowIfNull(settings);
        settings = settings with { BestMetric = EvaluationResult.LossMetric };
        TrainingSettingsRules.ThrowIfFaulty([
            .. TrainingSettingsRules.FindFaults(settings, sequences.Count, evaluation?.Count ?? 0, labels: null, isCuda: false),
            .. masking.FindFaults(config.VocabSize), .. FindFaults(config, sequences.Concat(evaluation ?? []), settings)]);
        var model = new DebertaV2ForMaskedLM(new ModelBuild(config));
        try
        {
            WeightInitializer.Initialize(model, config, settings.Seed);
            using var task = new MaskedLanguageTask(model, sequences, evaluation ?? [], masking, settings);
            using var loop = new TrainingLoop(task, settings, observers ?? []);
            return (model, loop.Run(cancellation));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static IEnumerable<string> FindFaults(DebertaConfig config, IEnumerable<int[]> sequences, TrainingSettings settings)
    {
        if (settings.LossAverage != LossAverage.MeanOfMeans)
        {
            yield return $"LossAverage is {settings.LossAverage}; expected MeanOfMeans: which pieces are guessed is drawn anew every time.";
        }

        var wrong = sequences.Select((ids, row) => (ids, row))
            .FirstOrDefault(pair => pair.ids.Length < 3 || pair.ids.Any(id => id < 0 || id >= config.VocabSize), ([], -1));
        if (wrong.Item2 >= 0)
        {
            yield return $"Sequence {wrong.Item2} has {wrong.ids.Length} pieces, ids {wrong.ids.DefaultIfEmpty().Min()} to {wrong.ids.DefaultIfEmpty().Max()}; "
                + $"expected at least 3 pieces ([CLS], one more, [SEP]) with ids 0 to {config.VocabSize - 1}.";
        }
    }
}
