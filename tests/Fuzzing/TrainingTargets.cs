using NotebookLib.Tests.Training;
using NotebookLib.Training;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>Readers of what a training keeps to go on from.</summary>
internal static class TrainingTargets
{
    private const string Checkpoint = "checkpoint-2";
    private static readonly Lazy<SoundInput> s_checkpoint = new(Train);

    public static IEnumerable<FuzzTarget> All =>
    [
        new("manifest", () => [s_checkpoint.Value with { Spoiled = [CheckpointManifest.FileName] }], folder => _ = CheckpointManifest.FindDamage(folder)),
        new("trainerstate", () => [s_checkpoint.Value with { Spoiled = [TrainerState.FileName] }], folder => _ = TrainerState.Load(folder)),
        Resume("resume-state", TrainerState.FileName),
        Resume("resume-optimizer", "optimizer.safetensors"),
        Resume("resume-weights", "model.safetensors"),
        Resume("resume-manifest", CheckpointManifest.FileName) with { Seal = null },
    ];

    private static TrainingSettings Settings(TinyRun run) =>
        run.Settings with { MaximumUpdates = 2, WarmupUpdates = 1, SaveEvery = 2, EvaluateEvery = 2, LogEvery = 1 };

    private static SoundInput Train()
    {
        using var run = new TinyRun();
        run.Train(Settings(run));
        return SoundInput.Of(Directory.EnumerateDirectories(run.Output, "checkpoint-*").Single());
    }

    /// <summary>
    /// A training that goes on from a checkpoint of which one file is spoiled; its sums are right, as they are where it was spoiled before them.
    /// </summary>
    private static FuzzTarget Resume(string name, string spoiled) => new(name, () => [InOutput(spoiled)], folder =>
    {
        using var run = new TinyRun();
        run.Train(Settings(run) with { ExistingRun = ExistingRun.Resume, OutputFolder = folder });
    })
    {
        Seal = folder =>
        {
            File.Delete(Path.Combine(folder, Checkpoint, CheckpointManifest.FileName));
            CheckpointManifest.Write(Path.Combine(folder, Checkpoint));
        },
    };

    private static SoundInput InOutput(string spoiled) => new(
        s_checkpoint.Value.Files.ToDictionary(file => Path.Combine(Checkpoint, file.Key), file => file.Value), [Path.Combine(Checkpoint, spoiled)]);
}
