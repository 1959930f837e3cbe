using NotebookLib.Training;

namespace NotebookLib.Experiments;

/// <summary>What makes a run's folder impossible: found in the parameter cell, before anything is loaded or written.</summary>
internal static class RunFolderRules
{
    /// <summary>Where a run's checkpoints lie.</summary>
    public static string CheckpointsOf(string output) => Path.Combine(output, "checkpoints");

    /// <summary>The fault of a folder in which a run is to begin, or null.</summary>
    public static string? FaultOfNew(string output)
    {
        var store = new CheckpointStore(CheckpointsOf(output));
        return store.FindRun() is { } found && !OwnRuns.Contains(store.Folder)
            ? $"{output} holds a run already ({found}). Go on with it by -p resume=true -p output={output}, or choose another folder."
            : null;
    }

    /// <summary>The fault of a folder whose run is to go on, or null.</summary>
    public static string? FaultOfResumed(string output)
    {
        if (HoldsRun(output))
        {
            return null;
        }

        // A checkpoint, or the folder of all checkpoints, named instead of the run's.
        var above = Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(output));
        var meant = Array.Find([above, Path.GetDirectoryName(above)], folder => folder is not null && HoldsRun(folder));
        return $"resume is true, but there is no run to go on with in {output}; expected the folder of a run, {(meant is null ? "which has a folder checkpoints" : $"for instance {meant}")}.";
    }

    /// <summary>The fault of a folder in which nothing can be written, or null; leaves nothing behind.</summary>
    public static string? FaultOfWriting(string output)
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
