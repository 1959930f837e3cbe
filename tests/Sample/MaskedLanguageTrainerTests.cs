using NotebookLib.Model;
using NotebookLib.SampleMaker.Model;
using NotebookLib.Tests.Training;
using NotebookLib.Training;

namespace NotebookLib.Tests.Sample;

public sealed class MaskedLanguageTrainerTests : IDisposable
{
    private const int VocabularySize = 20;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("mlm-");

    private static DebertaConfig Config =>
        DebertaConfig.Read(Repository.PathOf("tests", "goldens", "training", "full-linear", "start", "config.json")) with { VocabSize = VocabularySize };

    private static PieceMasker Masker => new(maskId: 4, specialIds: [0, 1, 2, 3], VocabularySize, seed: 42);

    private TrainingSettings Settings => new()
    {
        BatchSize = 16,
        AccumulationSteps = 1,
        MaximumUpdates = 150,
        LearningRate = 5e-3,
        WarmupRatio = 0.1,
        LogEvery = 10,
        EvaluateEvery = 75,
        SaveEvery = Interval.Never,
        OutputFolder = Path.Combine(_folder.FullName, "output"),
    };

    [Fact]
    public void A_language_with_a_rule_is_learnt_and_the_model_loads_as_a_tagger()
    {
        var (model, result) = MaskedLanguageTrainer.Train(Config, Sequences(0, 200), Masker, Settings, Sequences(200, 40),
            cancellation: TestContext.Current.CancellationToken);
        using (model)
        {
            var hub = Path.Combine(_folder.FullName, "hub");
            model.Save(hub);
            using var tagger = ModelFolder.Load(hub, new LoadOptions { Labels = NotebookLib.Data.LabelSet.SystemB }).Model;

            // Knowing nothing costs ln 20 = 3.0; whoever has learnt the rule hardly errs.
            Assert.InRange(result.History.Steps[0].Loss, 2.2, 3.5);
            Assert.InRange(result.History.Evaluations[^1].Loss, 0, 0.75 * result.History.Steps[0].Loss);
            var theirs = TinyRun.WeightsOf(model);
            Assert.All(TinyRun.WeightsOf(tagger.Deberta), pair => Assert.Equal(theirs["deberta." + pair.Key], pair.Value));
        }
    }

    [Fact]
    public void A_stopped_pre_training_goes_on_to_the_same_weights()
    {
        var settings = Settings with { MaximumUpdates = 6, AccumulationSteps = 2, EvaluateEvery = Interval.Never };
        var (unbroken, _) = MaskedLanguageTrainer.Train(Config, Sequences(0, 50), Masker, settings, cancellation: TestContext.Current.CancellationToken);
        using var source = new CancellationTokenSource();
        settings = settings with { OutputFolder = settings.OutputFolder + "-2", LogEvery = 1, ExistingRun = ExistingRun.Resume };

        var (half, stopped) = MaskedLanguageTrainer.Train(Config, Sequences(0, 50), Masker, settings, observers: [new CancelAtFirstLog(source)],
            cancellation: source.Token);
        var (whole, _) = MaskedLanguageTrainer.Train(Config, Sequences(0, 50), Masker, settings, cancellation: TestContext.Current.CancellationToken);

        using (unbroken)
        using (half)
        using (whole)
        {
            Assert.Equal(TrainingEnd.Stopped, stopped.End);
            TinyRun.AssertEqualBits(TinyRun.WeightsOf(unbroken), TinyRun.WeightsOf(whole));
        }
    }

    public void Dispose() => _folder.Delete(recursive: true);

    /// <summary>Sentences that count upwards from anywhere: a hidden piece follows from its neighbours.</summary>
    private static List<int[]> Sequences(int first, int count) =>
        [.. Enumerable.Range(first, count)
            .Select(i => (int[])[1, .. Enumerable.Range(0, 8 + (i % 5)).Select(k => 5 + (((i * 3) + k) % (VocabularySize - 5))), 2])];

    private sealed class CancelAtFirstLog(CancellationTokenSource source) : ITrainingObserver
    {
        public void StepLogged(LoggedStep logged) => source.Cancel();
    }
}
