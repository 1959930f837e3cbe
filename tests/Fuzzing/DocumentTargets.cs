extern alias runner;

using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;
using NotebookLib.Results;
using runner::NotebookRunner.Documents;
using runner::NotebookRunner.Pages;
using runner::NotebookRunner.Reports;
using runner::NotebookRunner.Running;
using runner::NotebookRunner.Serving;
using runner::NotebookRunner.Sweeps;

namespace NotebookLib.Tests.Fuzzing;

/// <summary>Readers of notebooks, of what runs left, and of requests.</summary>
internal static class DocumentTargets
{
    private static readonly string[] s_scripts = [PageAssets.Script.Trim(), PageAssets.EarlyScript.Trim()];

    public static IEnumerable<FuzzTarget> All =>
    [
        new("dib", () => [.. Notebooks()], folder => Prepare(Path.Combine(folder, "a.dib"))),
        new("ipynb", () => [.. Notebooks().Select(Converted)], folder => Prepare(Path.Combine(folder, "a.ipynb"))),
        new("page", () => [.. Pages(), .. Pages().Select(Converted)], folder => HarmlessPage.Check(Page(Directory.EnumerateFiles(folder).Single()), s_scripts)),
        new("run-kept", () => [Kept()], folder => _ = KeptRun.Read(folder, null, new Dictionary<string, string>())),
        new("sweep-kept", () => [Kept() with { Spoiled = [HostContract.RunName, "ended.json"] }], Compare),
        new("sweep-claim", () => [new(".claim-1", Claim()), new(".claim-1", Claim(ended: "failed"))], folder =>
        {
            var claims = new PointClaims(folder, TimeSpan.FromHours(1), "job", "work");
            var seen = claims.Look();
            if (!seen.IsHeld)
            {
                claims.Take(seen)?.Dispose();
            }
        }),
        new("scores",
            () => [Scores()],
            folder =>
            {
                var (scores, (_, groups)) = (ScoresFile.Read(folder), ScoresFile.ReadAbout(folder));
                _ = ScoresFile.Grouped(scores, groups);
            }),
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

    /// <summary>Notebooks whose Markdown asks for all that a page must not do.</summary>
    private static IEnumerable<SoundInput> Pages()
    {
        yield return new("a.dib", Encoding.UTF8.GetBytes("""
            #!markdown

            # A *title* <i>raw</i> `code` [![x](a.png)](javascript:alert(1))

            [a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](java&#10;script:alert(1)) [d](&#1;javascript:alert(1)) [e](javascript&colon;alert(1))
            [f](javascript://[bad) [g](data:text/html,<script>alert(1)</script>) [h](vbscript:x) [i]( "javascript:x") [j](<javascript:alert(1)>) [k][ref]
            <javascript:alert(1)> <data:text/html;base64,PHNjcmlwdD4=> <a@b.org> https://example.org www.example.org javascript:alert(1)

            [ref]: javascript:alert(1) "title\" onmouseover=\"alert(1)"

            #!markdown

            ![far](http://example.org/a.png) ![in](data:image/svg+xml,%3Csvg%20onload=alert(1)%3E) ![out](../../../etc/passwd.png) ![nul](%00.png)
            ![x](x" onerror="alert(1)) ![y](data:text/html,<script>) ![x][pic]

            [pic]: <x"onerror=alert(1)>

            <script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(1)>
            <!-- --> <style>@import 'x'</style> &lt;script&gt; &#60;script&#62; \<script> ~~x~~ ^y^ ++z++ ==m==

            #!markdown

            ## Part <script>

            | a | <b> |
            |---|:-:|
            | [x](javascript:1) | `</code><script>` |

            - [ ] task
            - [x] <script>
                > quoted
                > > twice

            Term[^1]
            :   Definition <img src=x>

            [^1]: Note [x](javascript:alert(1))

            ```html "onload=alert(1)
            </code></pre><script>alert(1)</script>
            ```

            ~~~ {onclick=alert(1)}
            x
            ~~~

            #!csharp

            // parameters: </td><script>alert(1)</script>
            var name = "</code><script>alert(1)</script>";

            """));
    }

    /// <summary>A notebook's page with its Markdown also as outputs of its cells.</summary>
    private static string Page(string path)
    {
        var run = RunPreparation.Prepare(path, new Dictionary<string, string>());
        foreach (var cell in run.CodeCells)
        {
            foreach (var prose in run.Cells.Where(cell => cell.Cell.IsMarkdown))
            {
                cell.Outputs.Add(new(null, new() { ["text/markdown"] = prose.Source }, false));
                cell.Outputs.Add(new(null, new() { ["text/plain"] = prose.Source }, false));
                cell.Outputs.Append(new("stdout", prose.Source));
            }
        }

        return HtmlPage.Render(run, Path.GetDirectoryName(path)!);
    }

    /// <summary>A run's folder as its runner left it, with the notebook beside it.</summary>
    private static SoundInput Kept()
    {
        var notebook = Notebooks().Last().Files["a.dib"];
        using var temporary = new Data.TemporaryFolder();
        var path = temporary.PathOf("a.dib");
        File.WriteAllBytes(path, notebook);
        var run = RunPreparation.Prepare(path, new Dictionary<string, string> { ["seed"] = "7", ["Name?"] = "x" });
        (run.Status, run.Seconds, run.Scores) = (RunStatus.Ok, 2.5, new Dictionary<string, double> { ["test f1"] = 0.5, ["loss"] = 1 });
        var ended = Encoding.UTF8.GetBytes(RunJson.ToJson(run, temporary.Root));
        run.Status = RunStatus.Failed;
        run.CodeCells[0].Error = new("System.Exception", "a <b>", 1, "   at x");
        return new(new Dictionary<string, byte[]>
        {
            ["a.dib"] = notebook,
            [HostContract.RunName] = Encoding.UTF8.GetBytes(RunJson.ToJson(run, temporary.Root)),
            ["ended.json"] = ended,
        }, [HostContract.RunName, "a.dib"]);
    }

    /// <summary>Takes what earlier sweeps left of one combination, ended well and not, into a comparison.</summary>
    private static void Compare(string folder)
    {
        var grid = SweepGrid.Parse(["seed=7,8"]);
        var options = new SweepOptions(Path.Combine(folder, "a.dib"), folder, new Dictionary<string, string> { ["Name?"] = "x" }, grid, 1, null,
            TimeSpan.FromSeconds(1), false, 1, 1, false, TimeSpan.FromHours(1), "");
        var planned = RunPreparation.Prepare(options.NotebookPath, new Dictionary<string, string> { ["seed"] = "7", ["Name?"] = "x" });
        var results = new[] { "", "ended" }.Zip(grid.Points(), (name, point) =>
        {
            var place = Directory.CreateDirectory(Path.Combine(folder, "point" + name)).FullName;
            File.Copy(Path.Combine(folder, name.Length == 0 ? HostContract.RunName : "ended.json"), Path.Combine(place, HostContract.RunName));
            return SweepResult.Read(point, place, planned) ?? SweepResult.Waiting(point);
        }).ToList();
        HarmlessPage.Check(SweepPage.Render(options, results), s_scripts);
        _ = SweepReport.Csv(options, results);
        using var terminal = new StringWriter { NewLine = "\n" };
        results.ForEach(result => new SweepLines(terminal).End(result, "another"));
        if (terminal.ToString().Any(letter => char.IsControl(letter) && letter != '\n'))
        {
            throw new InvalidOperationException($"a control character reached the terminal: {terminal}");
        }
    }

    private static byte[] Claim(string? ended = null) =>
        JsonSerializer.SerializeToUtf8Bytes(
            new ClaimFacts("machine, process 7", "boot pid:[1]", 7, 12, "job", "work", 90, 3, ended), JsonSerializerOptions.Web);

    private static SoundInput Scores() => new(new Dictionary<string, byte[]>
    {
        [HostContract.ScoresName] = """{"test f1":0.5,"test seconds":12,"loss":1e-3}"""u8.ToArray(),
        [HostContract.AboutName] = """{"about":"tiny on sample","groups":{"test":"of 10 sentences"}}"""u8.ToArray(),
    }, [HostContract.ScoresName, HostContract.AboutName]);

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
