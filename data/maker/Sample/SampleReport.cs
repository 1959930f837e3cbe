using System.Globalization;
using NotebookLib.Data;
using NotebookLib.SampleMaker.Grammar;

namespace NotebookLib.SampleMaker.Sample;

/// <summary>What a reader wants to know of the sample: counts per split and type, shapes, and how much of test is new.</summary>
public static class SampleReport
{
    /// <summary>Writes the report.</summary>
    public static string Of(SampleSplits splits)
    {
        ArgumentNullException.ThrowIfNull(splits);
        var known = Entities(splits.Train).Select(entity => entity).ToHashSet();
        var lines = new List<string>
        {
            $"| | {string.Join(" | ", splits.All.Select(split => split.Name))} |",
            "|---|---:|---:|---:|",
            Row("sentences", splits, split => Count(split.Sentences.Count)),
            Row("words", splits, split => Count(split.Sentences.Sum(sentence => sentence.Words.Count))),
            Row("sentences without entities", splits,
                split => Percent(split.Sentences.Count(sentence => sentence.Tags.All(tag => tag == 0)), split.Sentences.Count)),
            Row("distinct shapes", splits, split => Count(split.Shapes.SelectMany(from => from).Select(shape => shape.Template.Source).Distinct().Count())),
            Row("sentences of a shape that training lacks", splits,
                split => Percent(split.Shapes.Count(from => from.Any(shape => shape.Share != Share.Train)), split.Shapes.Count)),
            Row("entities", splits, split => Count(Entities(split).Count())),
            Row("entities that training never labels", splits,
                split => Percent(Entities(split).Count(entity => !known.Contains(entity)), Entities(split).Count())),
        };
        lines.AddRange(LabelSet.SystemA.Types.Select(type => Row(type, splits, split => Count(Entities(split).Count(entity => entity.Type == type)))));
        return string.Join('\n', lines) + "\n";
    }

    /// <summary>Share of a split's entities whose words never occur as an entity of that type in training, from 0 to 1.</summary>
    public static double UnseenShare(IReadOnlyList<Sentence> train, IReadOnlyList<Sentence> split)
    {
        var known = train.SelectMany(Entities).ToHashSet();
        var entities = split.SelectMany(Entities).ToList();
        return entities.Count(entity => !known.Contains(entity)) / (double)entities.Count;
    }

    /// <summary>The entities of a sentence: type and words, in lower case because a sentence's start is no other name.</summary>
    public static IEnumerable<(string Type, string Words)> Entities(Sentence sentence)
    {
        ArgumentNullException.ThrowIfNull(sentence);
        for (var start = 0; start < sentence.Tags.Count; start++)
        {
            if (sentence.Tags[start] % 2 == 1)
            {
                var end = start + 1;
                while (end < sentence.Tags.Count && sentence.Tags[end] == sentence.Tags[start] + 1)
                {
                    end++;
                }

                yield return (LabelSet.SystemA.Types[sentence.Tags[start] / 2], string.Join(' ', sentence.Words.Take(end).Skip(start)).ToLowerInvariant());
            }
        }
    }

    private static IEnumerable<(string Type, string Words)> Entities(Split split) => split.Sentences.SelectMany(Entities);

    private static string Row(string name, SampleSplits splits, Func<Split, string> cell) => $"| {name} | {string.Join(" | ", splits.All.Select(cell))} |";

    private static string Count(int count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Percent(int part, int whole) => (100.0 * part / whole).ToString("0.0", CultureInfo.InvariantCulture) + " %";
}
