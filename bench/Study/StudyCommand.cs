using System.CommandLine;
using System.Text.Json;
using NotebookLib.Bench.Inputs;

namespace NotebookLib.Bench.Study;

/// <summary>
/// The verb <c>study</c>: fine-tunes the demo's model in every way that is asked for and keeps each result in a file, so that it may be stopped and go on.
/// </summary>
internal static class StudyCommand
{
    /// <summary>Makes the verb.</summary>
    public static Command Create()
    {
        var variant = new Option<string?>("--variant") { Description = "Only variants whose name contains this" };
        var seeds = new Option<long[]>("--seeds") { Description = "Seeds", DefaultValueFactory = _ => [1, 2, 42], AllowMultipleArgumentsPerToken = true };
        var most = new Option<int>("--most") { Description = "Ends after so many new runs", DefaultValueFactory = _ => int.MaxValue };
        var file = new Option<string>("--file")
        {
            Description = "One JSON line per run; runs that it has are not repeated",
            DefaultValueFactory = _ => Folders.PathOf("docs", "training-study.jsonl")
        };
        var command = new Command("study",
            "What losses, precision and LoRA do to the scores: fine-tunes the demo's model on the sample (docs/TRAINING.md)") { variant, seeds, most, file };
        command.SetAction(arguments =>
        {
            var path = arguments.GetValue(file)!;
            var results = Read(path);
            var wanted = StudyVariant.All.Where(one => arguments.GetValue(variant) is not { } part || one.Name.Contains(part, StringComparison.Ordinal));
            var missing = wanted.SelectMany(one => arguments.GetValue(seeds)!.Select(seed => (one, seed)))
                .Where(pair => !results.Any(result => result.Variant == pair.one.Name && result.Seed == pair.seed));
            foreach (var (one, seed) in missing.Take(arguments.GetValue(most)).ToList())
            {
                var result = StudyResult.Of(one, seed);
                File.AppendAllText(path, JsonSerializer.Serialize(result, JsonSerializerOptions.Web) + "\n");
                results.Add(result);
                Console.Error.WriteLine(FormattableString.Invariant($"{result.Variant}, seed {seed}: F1 {result.F1:0.000}, macro {result.MacroF1:0.000}, ")
                    + FormattableString.Invariant($"{result.Seconds:0} s"));
            }

            Console.Write(StudyTables.Of(results));
        });
        return command;
    }

    private static List<StudyResult> Read(string path) => !File.Exists(path) ? []
        : [.. File.ReadLines(path).Where(line => line.Length > 0).Select(line => JsonSerializer.Deserialize<StudyResult>(line, JsonSerializerOptions.Web)!)];
}
