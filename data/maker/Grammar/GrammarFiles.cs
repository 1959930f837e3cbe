using System.Globalization;

namespace NotebookLib.SampleMaker.Grammar;

/// <summary>A shape: one line of <c>shapes/TOPIC.txt</c>.</summary>
/// <param name="Topic">The file's name.</param>
/// <param name="Template">The parsed line.</param>
/// <param name="Share">Which split may use it; training's shapes are everybody's.</param>
public sealed record Shape(string Topic, Template Template, Share Share);

/// <summary>The shapes of one topic and how often the sample draws from it.</summary>
/// <param name="Name">The file's name.</param>
/// <param name="Weight">Relative frequency, from the line <c># weight 5</c>.</param>
/// <param name="Shapes">All its shapes.</param>
public sealed record Topic(string Name, double Weight, IReadOnlyList<Shape> Shapes);

/// <summary>Everything that the files beside the program say: lists, rules, topics.</summary>
public sealed class GrammarFiles
{
    private GrammarFiles(IReadOnlyDictionary<string, WordList> lists, IReadOnlyDictionary<string, IReadOnlyList<Template>> rules, IReadOnlyList<Topic> topics)
    {
        Lists = lists;
        Rules = rules;
        Topics = topics;
    }

    /// <summary>Word lists by name.</summary>
    public IReadOnlyDictionary<string, WordList> Lists { get; }

    /// <summary>Rules by name, each with its alternatives.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<Template>> Rules { get; }

    /// <summary>Topics, by name.</summary>
    public IReadOnlyList<Topic> Topics { get; }

    /// <summary>Reads <c>lists/</c>, <c>rules.txt</c> and <c>shapes/</c> of a folder.</summary>
    /// <param name="folder">The folder <c>data/maker</c>.</param>
    /// <exception cref="InvalidDataException">A list holds an entry twice or none.</exception>
    /// <exception cref="FormatException">A rule or shape can't be parsed.</exception>
    public static GrammarFiles Read(string folder) => new(
        TextFiles(Path.Combine(folder, "lists")).Select(WordList.Read).ToDictionary(list => list.Name, StringComparer.Ordinal),
        ReadRules(Path.Combine(folder, "rules.txt")),
        [.. TextFiles(Path.Combine(folder, "shapes")).Select(ReadTopic)]);

    private static IEnumerable<string> TextFiles(string folder) => Directory.EnumerateFiles(folder, "*.txt").Order(StringComparer.Ordinal);

    private static Dictionary<string, IReadOnlyList<Template>> ReadRules(string path)
    {
        var rules = new Dictionary<string, IReadOnlyList<Template>>(StringComparer.Ordinal);
        List<Template>? alternatives = null;
        foreach (var line in File.ReadLines(path).Where(line => line.Length > 0 && !line.StartsWith('#')))
        {
            if (!line.StartsWith(' '))
            {
                rules.Add(line.TrimEnd(':'), alternatives = []);
                continue;
            }

            var times = line.LastIndexOf(" *", StringComparison.Ordinal);
            var count = times < 0 ? 1 : int.Parse(line[(times + 2)..], CultureInfo.InvariantCulture);
            var template = TemplateParser.Parse((times < 0 ? line : line[..times]).Trim());
            (alternatives ?? throw new FormatException($"{path}: \"{line}\" stands before the first rule.")).AddRange(Enumerable.Repeat(template, count));
        }

        return rules;
    }

    /// <summary>Exact shares per topic, by rank of a hash: each topic keeps shapes for every split.</summary>
    private static Topic ReadTopic(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        var lines = File.ReadAllLines(path);
        var weight = double.Parse(lines[0].Split(' ')[^1], CultureInfo.InvariantCulture);
        var sources = lines.Where(line => line.Length > 0 && !line.StartsWith('#')).Distinct(StringComparer.Ordinal).ToList();
        var ranked = sources.OrderBy(source => SplitMix.FractionOf(source, 7)).ToList();
        var testCount = (int)Math.Round(sources.Count * Holdout.TestShare);
        var validationCount = (int)Math.Round(sources.Count * Holdout.ValidationShare);
        return new(name, weight, [.. ranked.Select((source, rank) => new Shape(name, TemplateParser.Parse(source),
            rank < testCount ? Share.Test : rank < testCount + validationCount ? Share.Validation : Share.Train))]);
    }
}
