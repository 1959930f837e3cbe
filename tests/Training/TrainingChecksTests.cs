extern alias runner;

using NotebookLib.Model;
using runner::NotebookRunner.Verification;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

public class TrainingChecksTests
{
    [Fact]
    public void Recorded_runs_of_the_Python_Trainer_are_repeated()
    {
        var rows = TrainingChecks.Golden.Run(Repository.PathOf("tests", "goldens", "training"), new()).ToList();

        Assert.Equal(3 * 7, rows.Count);
        Assert.All(rows, row => Assert.True(row.IsOk, $"{row}"));
    }

    [Fact]
    public void The_reference_folder_passes_too()
    {
        var rows = TrainingChecks.Golden.Run(Repository.Shared("reference", "training"), new()).ToList();

        Assert.NotEmpty(rows);
        Assert.All(rows, row => Assert.True(row.IsOk, $"{row}"));
    }

    [Fact]
    public void A_run_that_came_out_otherwise_is_noticed()
    {
        var root = Directory.CreateTempSubdirectory("golden-");
        try
        {
            var run = CopyOf("full-linear-uneven", root.FullName);
            Change(Path.Combine(run, "final", "model.safetensors"));
            var state = Path.Combine(run, "trainer_state.json");
            File.WriteAllText(state, File.ReadAllText(state).Replace("3.4677", "3.4679", StringComparison.Ordinal));

            var failed = TrainingChecks.Golden.Run(root.FullName, new()).Where(row => !row.IsOk).Select(row => row.Quantity);

            Assert.Equal(["losses as logged (4 decimals)", "final weights"], failed);
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    [Fact]
    public void An_unreadable_run_is_a_failed_row()
    {
        var root = Directory.CreateTempSubdirectory("golden-");
        try
        {
            var run = CopyOf("full-linear-uneven", root.FullName);
            File.WriteAllText(Path.Combine(run, "data.json"), "{");

            var row = Assert.Single(TrainingChecks.Golden.Run(root.FullName, new()));

            Assert.False(row.IsOk);
            Assert.Contains("Json", row.Note, StringComparison.Ordinal);
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    private static string CopyOf(string name, string root)
    {
        var source = Repository.PathOf("tests", "goldens", "training", name);
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(root, name, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }

        return Path.Combine(root, name);
    }

    private static void Change(string weights)
    {
        using var scope = NewDisposeScope();
        var tensors = SafetensorsFile.ReadAll(weights);
        tensors["classifier.weight"] = tensors["classifier.weight"] + 2e-5;
        SafetensorsFile.Write(weights, tensors);
    }
}
