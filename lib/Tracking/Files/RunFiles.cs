using System.Text;
using System.Text.Json;
using NotebookLib.Net;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>
/// A run's files: those that every run has, written from its journal (config.yaml, wandb-metadata.json, wandb-summary.json, output.log, requirements.txt), and
/// copies of the user's. A key or token, should somebody have typed it into a file, is masked.
/// </summary>
internal static class RunFiles
{
    // Notebooks and pages are smaller; larger files are models and data, which nobody types keys into.
    private const long LargestSearchedBytes = 64 << 20;

    /// <summary>Writes them into the run's files/; unchanged ones are left alone, so they are not sent again.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="run">The journal, played to its end.</param>
    public static void Write(RunFolder folder, RunReplay run)
    {
        var place = run.Sessions.Count == 0 ? null : run.Sessions[^1].Base;
        Put(folder, "config.yaml", RunConfig.ToYaml(RunConfig.ToJson(run)));
        Put(folder, "wandb-metadata.json", RowText.Value(run.Header!.Environment.ToDictionary(member => member.Key, member => (object?)member.Value)));
        Put(folder, "wandb-summary.json", run.Summary.ToJson(run.HasOwnSteps ? 0 : place?.Step ?? 0, place?.RuntimeSeconds ?? 0));
        Put(folder, "requirements.txt", Packages());
        if (run.Lines > 0)
        {
            WriteOutput(folder);
        }
    }

    /// <summary>Copies a file into the run's files.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="source">The file.</param>
    /// <param name="name">Its name in the run; null: its own.</param>
    /// <param name="secrets">What is masked.</param>
    /// <exception cref="ArgumentException">The name leads out of the run's files.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static void Save(RunFolder folder, string source, string? name, Secrets secrets)
    {
        var target = InnerPath.Of(folder.Files, name ?? Path.GetFileName(source))
            ?? throw new ArgumentException($"file name \"{name}\": expected a relative path inside the run's files");
        if (new FileInfo(source).Length <= LargestSearchedBytes && !secrets.AreAbsentFrom(File.ReadAllBytes(source)))
        {
            AtomicFile.WriteText(target, secrets.Scrub(File.ReadAllText(source)));
            return;
        }

        AtomicFile.Write(target, stream =>
        {
            using var file = File.OpenRead(source);
            file.CopyTo(stream);
        });
    }

    /// <summary>
    /// Copies the notebook and what a headless runner has made of it so far (its page, its .ipynb). The runner names its folder in <c>NOTEBOOK_OUTPUT</c> and
    /// works in the notebook's; elsewhere nothing is known of the notebook.
    /// </summary>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static void SaveNotebook(RunFolder folder, Secrets secrets)
    {
        if (Environment.GetEnvironmentVariable(HostContract.OutputVariable) is not { Length: > 0 } output || !Directory.Exists(output))
        {
            return;
        }

        foreach (var made in Directory.EnumerateFiles(output).Where(file => Path.GetExtension(file) is ".html" or ".ipynb"))
        {
            Save(folder, made, null, secrets);
            string[] notebooks = [Path.ChangeExtension(Path.GetFileName(made), ".dib"), Path.ChangeExtension(Path.GetFileName(made), ".ipynb")];
            if (Array.Find(notebooks, File.Exists) is { } notebook)
            {
                Save(folder, notebook, "code/" + notebook, secrets);
            }
        }
    }

    /// <summary>The console as plain text, without times and marks.</summary>
    private static void WriteOutput(RunFolder folder)
    {
        var path = Path.Combine(folder.Files, "output.log");
        var temporary = Path.Combine(folder.FullPath, "output.tmp");
        using (var writer = new StreamWriter(temporary, append: false, new UTF8Encoding(false)) { NewLine = "\n" })
        {
            RunReplay.Read(folder.Journal, line =>
            {
                if (line.Kind is StreamKind.Output)
                {
                    writer.WriteLine(line.Output!.Text);
                }
            });
        }

        if (File.Exists(path) && new FileInfo(path).Length == new FileInfo(temporary).Length)
        {
            // The console only grows: equal length, equal text.
            File.Delete(temporary);
        }
        else
        {
            File.Move(temporary, path, overwrite: true);
        }
    }

    private static void Put(RunFolder folder, string name, string text)
    {
        var path = Path.Combine(folder.Files, name);
        if (!File.Exists(path) || File.ReadAllText(path) != text)
        {
            AtomicFile.WriteText(path, text);
        }
    }

    /// <summary>The packages behind the program, "Name==Version" a line: from the library's deps.json; without it, from the loaded assemblies.</summary>
    private static string Packages()
    {
        var assembly = typeof(RunFiles).Assembly;
        var manifest = Path.ChangeExtension(assembly.Location, ".deps.json");
        var packages = assembly.Location.Length > 0 && File.Exists(manifest) ? FromManifest(File.ReadAllText(manifest)) : FromAssemblies();
        return string.Concat(packages.Distinct().Order(StringComparer.OrdinalIgnoreCase).Select(package => package + "\n"));
    }

    private static IEnumerable<string> FromManifest(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.TryGetProperty("libraries", out var libraries)
            ? [.. libraries.EnumerateObject().Select(library => library.Name.Replace("/", "==", StringComparison.Ordinal))]
            : [];
    }

    private static IEnumerable<string> FromAssemblies() => AppDomain.CurrentDomain.GetAssemblies()
        .Where(assembly => !assembly.IsDynamic)
        .Select(assembly => assembly.GetName())
        .Select(name => $"{name.Name}=={name.Version}");
}
