namespace NotebookLib.SampleMaker;

/// <summary>Where things lie in the repository.</summary>
public static class Folders
{
    /// <summary>The repository's root: the nearest folder above the program that holds the solution.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>Lists, rules and shapes.</summary>
    public static string Maker => Path.Combine(Root, "data", "maker");

    /// <summary>The committed sample.</summary>
    public static string Sample => Path.Combine(Root, "data", "sample");

    /// <summary>The committed model with its tokenizer.</summary>
    public static string Model => Path.Combine(Root, "data", "tiny-deberta-v3");

    private static string FindRoot()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "NotebookLib.slnx")))
            {
                return folder;
            }
        }

        throw new DirectoryNotFoundException($"No NotebookLib.slnx above {AppContext.BaseDirectory}; run the maker from the repository: "
            + "dotnet run --project data/maker.");
    }
}
