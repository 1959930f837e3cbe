extern alias runner;

using System.Text;
using System.Text.Json.Nodes;
using NotebookLib.Platform;
using NotebookLib.Results;
using runner::NotebookRunner.Documents;
using runner::NotebookRunner.Running;
using runner::NotebookRunner.Serving;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>Readers of notebooks, of what runs left, and of requests.</summary>
internal static class DocumentTargets
{
    public static IEnumerable<FuzzTarget> All =>
    [
        new("dib", () => [.. Notebooks()], folder => Prepare(Path.Combine(folder, "a.dib"))),
        new("ipynb", () => [.. Notebooks().Select(Converted)], folder => Prepare(Path.Combine(folder, "a.ipynb"))),
        new("run-facts",
            () => [new(HostContract.RunName, """{"status":"running","parameters":[{"name":"seed","value":"7"}],"scores":{"f1":0.5}}"""u8.ToArray())],
            folder =>
            {
                _ = LostRuns.Facts(folder);
                LostRuns.Mark(folder);
            }),
        new("serve", () => [.. Requests().Select(request => new SoundInput("request.json", Encoding.UTF8.GetBytes(request)))],
            folder => _ = InferenceProtocol.Read(File.ReadAllBytes(Path.Combine(folder, "request.json")), 64)) { NamesFile = false },
    ];

    private static void Prepare(string path)
    {
        var values = new Dictionary<string, string>(StringComparer.Ordinal) { ["seed"] = "7" };
        if (File.ReadAllText(path).Contains("Name?", StringComparison.Ordinal))
        {
            values["Name?"] = "x";
        }

        _ = RunPreparation.Prepare(path, values);
    }

    private static IEnumerable<SoundInput> Notebooks()
    {
        var library = typeof(HostContract).Assembly.Location;
        var text = File.ReadAllText(Repository.PathOf("notebooks", "ner_deberta_base_A.dib"));
        yield return new("a.dib", Encoding.UTF8.GetBytes(text.Replace("../bin/lib/NotebookLib.dll", library, StringComparison.Ordinal)));
        yield return new("a.dib", Encoding.UTF8.GetBytes("""
            #!meta

            {"kernelInfo":{"defaultKernelName":"csharp","items":[{"name":"csharp","languageName":"C#","aliases":["C#","c#"]},{"name":"markdown"}]}}

            #!csharp

            // parameters: a seed
            var seed = 1;
            var rate = 0.5; var name = "x";

            #!markdown

            # Title

            #!csharp

            var asked = await Kernel.GetInputAsync("Name?");
            Console.WriteLine(seed + (1 + 2));

            """));
    }

    private static SoundInput Converted(SoundInput dib)
    {
        var notebook = NotebookFile.Parse(Encoding.UTF8.GetString(dib.Files["a.dib"]), "a.dib");
        var cells = new JsonArray();
        foreach (var cell in notebook.Cells)
        {
            var metadata = new JsonObject { ["polyglot_notebook"] = new JsonObject { ["kernelName"] = cell.Kernel } };
            var json = new JsonObject { ["cell_type"] = cell.IsMarkdown ? "markdown" : "code", ["id"] = $"c{cells.Count}", ["metadata"] = metadata };
            if (!cell.IsMarkdown)
            {
                (json["execution_count"], json["outputs"]) = (null, new JsonArray());
            }

            json["source"] = cell.Source;
            cells.Add(json);
        }

        var root = new JsonObject { ["cells"] = cells, ["metadata"] = new JsonObject(), ["nbformat"] = 4, ["nbformat_minor"] = 5 };
        return new("a.ipynb", Encoding.UTF8.GetBytes(root.ToJsonString()));
    }

    private static IEnumerable<string> Requests() =>
    [
        """
        {"inputs":"John lives in Paris.","parameters":{"aggregation_strategy":"simple","threshold":0.5,"ignore_labels":["O"],"stride":16},
        "options":{"wait_for_model":true}}
        """,
        """{"inputs":["a","b"]}""",
    ];
}
