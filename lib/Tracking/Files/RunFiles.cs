using System.Text;
using NotebookLib.Net;
using NotebookLib.Platform;

namespace NotebookLib.Tracking;

/// <summary>
/// Writes the files that every run has, from its journal: config.yaml, wandb-metadata.json, wandb-summary.json, output.log, requirements.txt (WANDB.md §6).
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
        Put(folder, "config.yaml", ConfigYaml.FromJson(WandbConfig.ToJson(run)));
        Put(folder, "wandb-metadata.json", RowText.Value(run.Header!.Environment.ToDictionary(member => member.Key, member => (object?)member.Value)));
        Put(folder, "wandb-summary.json", run.Summary.ToJson(run.HasOwnSteps ? 0 : place?.Step ?? 0, place?.RuntimeSeconds ?? 0));
        Put(folder, "requirements.txt", PackageList.Text());
        if (run.Lines > 0)
        {
            WriteOutput(folder);
        }
    }

    /// <summary>Copies a file into the run's files; a key or token, should somebody have typed it into the file, is masked.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static void Copy(string source, string target, Secrets? secret)
    {
        if (secret is not null && new FileInfo(source).Length <= LargestSearchedBytes && !secret.AreAbsentFrom(File.ReadAllBytes(source)))
        {
            AtomicFile.WriteText(target, secret.Scrub(File.ReadAllText(source)));
            return;
        }

        AtomicFile.Write(target, stream =>
        {
            using var file = File.OpenRead(source);
            file.CopyTo(stream);
        });
    }

    /// <summary>The console as plain text, without times and marks (WANDB.md §4).</summary>
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
                    writer.WriteLine(JournalJson.Read<OutputLine>(line.Json).Text);
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
}
