using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>What makes a run's folder impossible: found in the parameter cell, before anything is loaded or written.</summary>
internal static class RunFolderRules
{
    /// <summary>Faults of a folder for what a run means to do with it.</summary>
    /// <param name="outputs">Whether it named the folder, and whether it goes on with what is there.</param>
    /// <param name="folder">The folder, a full path.</param>
    /// <param name="trains">False where nothing is trained: then there is nothing to go on with.</param>
    public static IEnumerable<string> FindFaults(RunSettings outputs, string folder, bool trains) => ((string?[])
    [
        string.IsNullOrWhiteSpace(outputs.Output ?? folder)
            ? $"Output is \"{outputs.Output}\"; expected a folder, for instance results/runs/my-run, or null to make a new one." : null,
        FaultOfWriting(folder),
        outputs.Resume ? null : FaultOfNew(folder),
        outputs is { Resume: true, Output: not null } && trains ? FaultOfResumed(folder) : null,
    ]).OfType<string>();

    /// <summary>Where a run's checkpoints lie.</summary>
    private static string CheckpointsOf(string output) => Path.Combine(output, "checkpoints");

    /// <summary>The fault of a folder in which a run is to begin, or null.</summary>
    private static string? FaultOfNew(string output)
    {
        var store = new CheckpointStore(CheckpointsOf(output));
        return store.FindRun() is { } found && !OwnRuns.Contains(store.Folder)
            ? $"{output} holds a run already ({found}). Go on with it by -p resume=true -p output={output}, or choose another folder."
            : null;
    }

    /// <summary>The fault of a folder whose run is to go on, or null.</summary>
    private static string? FaultOfResumed(string output)
    {
        if (HoldsRun(output))
        {
            return null;
        }

        // A checkpoint, or the folder of all checkpoints, named instead of the run's.
        var above = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(output));
        var meant = Array.Find([above, Path.GetDirectoryName(above)], folder => folder is not null && HoldsRun(folder));
        return $"Resume is true, but there is no run to go on with in {output}; expected the folder of a run, "
            + $"{(meant is null ? "which has a folder checkpoints" : $"for instance {meant}")}.";
    }

    /// <summary>The fault of a folder in which nothing can be written, or null; leaves nothing behind.</summary>
    private static string? FaultOfWriting(string output)
    {
        var there = output;
        while (!Path.Exists(there) && Path.GetDirectoryName(there) is { } above)
        {
            there = above;
        }

        if (File.Exists(there))
        {
            return $"{output} cannot be a run's folder: {there} is a file. Choose another folder.";
        }

        try
        {
            var probe = Path.Combine(there, $".writable-{Guid.NewGuid():N}");
            Directory.CreateDirectory(probe);
            Directory.Delete(probe);
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return $"{output} cannot be written: no folder can be made in {there}. Choose another folder.";
        }
    }

    private static bool HoldsRun(string output) => new CheckpointStore(CheckpointsOf(output)).HasBegun;
}
