using System.Text.Json.Nodes;
using NotebookLib.Platform;
using NotebookLib.Results;
using NotebookRunner.Commands;
using NotebookRunner.Documents;
using NotebookRunner.Parameters;

namespace NotebookRunner.Running;

/// <summary>A run's folder as an earlier process left it: who writes there, what was run with which parameters, how it goes on.</summary>
/// <param name="NotebookPath">The notebook.</param>
/// <param name="Values">Its parameters as the command line gives them; those that stand in the notebook anyway are left out.</param>
/// <param name="HasChanged">Whether the notebook's cells are others by now.</param>
/// <param name="HasEnded">Whether the run ended well: there is nothing to go on with.</param>
internal sealed record KeptRun(string NotebookPath, IReadOnlyDictionary<string, string> Values, bool HasChanged, bool HasEnded)
{
    // They say where results go besides, how often checkpoints are written, what is tried out at the end: nothing that is learned or scored.
    private static readonly string[] Free = ["tracking", "push", "sentence", "saveEvery"];

    /// <summary>Parameters that say how a run began or goes on, not what it is.</summary>
    public static IReadOnlyList<string> Switches { get; } = ["resume", "restart", "output"];

    /// <summary>Keeps a folder for this process.</summary>
    /// <returns>The lock; the system takes it back when the process ends, however it ends.</returns>
    /// <exception cref="BadInputException">Another process runs a notebook there, or the folder cannot be written.</exception>
    public static IDisposable Lock(string folder) => TryLock(folder)
        ?? throw new BadInputException($"{folder}: another process is running a notebook there. Wait for its end, or choose another folder with --output.");

    /// <summary>Keeps a folder for this process, unless another process runs a notebook there.</summary>
    /// <returns>The lock, or null.</returns>
    /// <exception cref="BadInputException">The folder cannot be written.</exception>
    public static IDisposable? TryLock(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            return FileLock.Take(Path.Combine(folder, HostContract.LockName));
        }
        catch (IOException) when (File.Exists(Path.Combine(folder, HostContract.LockName)))
        {
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BadInputException($"{folder}: cannot be written: {error.Message} Choose another folder with --output.", error);
        }
    }

    /// <summary>How a run goes on after a stop, whole, as it is typed into a shell.</summary>
    public static string CommandFor(string folder)
    {
        var program = File.Exists(Path.Combine("tools", "NotebookRunner.csproj"))
            ? "dotnet run --project tools --" : $"dotnet {Quoted(typeof(KeptRun).Assembly.Location)}";
        var below = Path.GetRelativePath(".", folder);
        return $"{program} run --resume {Quoted(below.StartsWith("..", StringComparison.Ordinal) ? Path.GetFullPath(folder) : below)}";
    }

    /// <summary>Reads what a folder's run was started with.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="notebook">The notebook, where it was moved; null for the one that the folder names.</param>
    /// <param name="given">Parameters given again.</param>
    /// <param name="isWhole">Whether they are those of a whole command: then they have to be the run's, and a run that ended well is read too.</param>
    /// <exception cref="BadInputException">There is no run to go on with, or a parameter that counts was given another value; nothing was changed.</exception>
    /// <exception cref="NotebookFormatException">The notebook is missing or damaged.</exception>
    /// <exception cref="ParameterException">A parameter is unknown or has a value of another type.</exception>
    public static KeptRun Read(string folder, string? notebook, IReadOnlyDictionary<string, string> given, bool isWhole = false)
    {
        var facts = LostRuns.Facts(folder)
            ?? throw new BadInputException($"{folder}: no run to go on with: expected the folder of a run, with {HostContract.RunName} in "
            + $"it{Elsewhere(folder)}.");
        var path = notebook ?? NotebookOf(folder, facts);
        var hasEnded = TextOf(facts, "status") == Reports.RunJson.Word(RunStatus.Ok);
        if (hasEnded && !isWhole)
        {
            throw new BadInputException($"{folder}: the run there ended well, there is nothing to go on with. Run it again in a folder of its own: run {path}");
        }

        var file = NotebookFile.Read(path);
        var cell = ParameterCell.Find(file.Cells);
        var values = cell is null ? given.ToDictionary() : ValuesOf(folder, facts, cell, given, isWhole);
        var hasChanged = TextOf(facts, "notebookHash") != CellNames.Hash(file.Cells);
        if (isWhole && hasChanged)
        {
            throw new BadInputException($"{folder}: holds a run of {TextOf(facts, "notebook") ?? "a notebook"} with other cells than {path} has today. "
                + (hasEnded ? "Choose another --output." : $"Choose another --output, or go on with today's cells by\n  {CommandFor(folder)}"));
        }

        return new(path, values, hasChanged, hasEnded);
    }

    private static Dictionary<string, string> ValuesOf(
        string folder, JsonObject facts, ParameterCell cell, IReadOnlyDictionary<string, string> given, bool isWhole)
    {
        var said = (facts["given"] as JsonObject ?? []).Where(pair => pair.Value is JsonValue).ToDictionary(pair => pair.Key, pair => pair.Value!.ToString());
        Dictionary<string, string> kept;
        try
        {
            kept = ByName(cell, said);
        }
        catch (ParameterException fault)
        {
            throw new BadInputException($"{Path.Combine(folder, HostContract.RunName)}: {fault.Message} Was it changed? "
                + "Run the notebook again, in another folder.", fault);
        }

        var now = isWhole ? [] : new Dictionary<string, string>(kept);
        var answers = given.Where(pair => NameOf(cell, pair) is null).ToList();
        foreach (var (name, text) in ByName(cell, given))
        {
            now[name] = text;
        }

        var refused = cell.Valued(kept).Zip(cell.Valued(now))
            .Where(pair =>
                !ParameterValues.AreSame(pair.First.Literal, pair.Second.Literal) && !Free.Contains(pair.First.Parameter.Name)
                && !Switches.Contains(pair.First.Parameter.Name))
            .Select(pair => $"  {pair.First.Parameter.Name} is {pair.Second.Literal}, the run was started with {pair.First.Literal}\n").ToList();
        if (refused.Count > 0)
        {
            throw new BadInputException($"{folder} cannot go on with other parameters:\n{string.Concat(refused)}"
                + $"Nothing was changed. Only {string.Join(", ", Free)} may change in a run; for another value start another run, in another folder.");
        }

        // The switches themselves: whatever the run was started with, now it goes on, or begins where it did not come so far.
        now["resume"] = HasBegun(now.GetValueOrDefault("output") ?? folder) ? "true" : "false";
        now["restart"] = "false";
        now.TryAdd("output", folder);
        // What is no parameter may be the answer to a cell's question: that is for the notebook to say.
        return now.Where(pair => !Switches.Contains(pair.Key) || cell.Parameters.Any(parameter => parameter.Name == pair.Key)).Concat(answers).ToDictionary();
    }

    /// <summary>The values of parameters, by the names that the notebook has for them.</summary>
    private static Dictionary<string, string> ByName(ParameterCell cell, IReadOnlyDictionary<string, string> values)
    {
        Dictionary<string, string> named = [];
        foreach (var pair in values)
        {
            if (NameOf(cell, pair) is { } name)
            {
                named[name] = pair.Value;
            }
        }

        return named;
    }

    /// <summary>The notebook's name of a parameter; null for what is none.</summary>
    /// <exception cref="ParameterException">The value is of another type.</exception>
    private static string? NameOf(ParameterCell cell, KeyValuePair<string, string> value)
    {
        try
        {
            return cell.Valued(new Dictionary<string, string> { [value.Key] = value.Value }).FirstOrDefault(found => found.IsSet)?.Parameter.Name;
        }
        catch (ParameterException) when (cell.Parameters.All(parameter => parameter.Name != value.Key))
        {
            return null;
        }
    }

    /// <summary>Whether a training began in a folder: as the library's CheckpointStore.HasBegun.</summary>
    private static bool HasBegun(string output) => File.Exists(Path.Combine(output, "checkpoints", ".training.lock")) || TrainedIn(output) is not null;

    /// <summary>
    /// What shows that a folder holds a trained run: as the library's CheckpointStore.FindRun, which would load libtorch before the runner has said a word.
    /// </summary>
    public static string? TrainedIn(string output)
    {
        var checkpoints = Path.Combine(output, "checkpoints");
        return !Directory.Exists(checkpoints)
            ? null
            : Directory.EnumerateDirectories(checkpoints).Select(path => Path.GetFileName(path)!)
                .FirstOrDefault(name => name == "best" || name.StartsWith("checkpoint-", StringComparison.Ordinal));
    }

    private static string NotebookOf(string folder, JsonObject facts)
    {
        var path = TextOf(facts, "notebookPath") is { } relative && !relative.Contains('\0', StringComparison.Ordinal)
            ? Path.GetFullPath(relative, Path.GetFullPath(folder)) : null;
        return File.Exists(path) ? path : throw new BadInputException(
            $"{folder}: its notebook, {path ?? TextOf(facts, "notebook")}, is not there; name it where it is now: run NOTEBOOK --resume {Quoted(folder)}");
    }

    /// <summary>A folder inside a run's, named instead of it.</summary>
    private static string Elsewhere(string folder)
    {
        for (var above = Path.GetDirectoryName(Path.GetFullPath(folder)); above is not null; above = Path.GetDirectoryName(above))
        {
            if (LostRuns.Facts(above) is not null)
            {
                return $", for instance {above}";
            }
        }

        return "";
    }

    /// <summary>A text that <c>run.json</c> holds; null where it says something else.</summary>
    private static string? TextOf(JsonObject facts, string name) => facts[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private static string Quoted(string word) =>
        word.Length > 0 && word.All(letter => char.IsAsciiLetterOrDigit(letter) || "_./:=@%+,-".Contains(letter, StringComparison.Ordinal))
        ? word
        : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
