using System.Security.Cryptography;
using System.Text;
using NotebookRunner.Parameters;

namespace NotebookRunner.Sweeps;

/// <summary>One combination of values.</summary>
/// <param name="Values">Value by parameter name, in the order of the grid.</param>
internal sealed record SweepPoint(IReadOnlyList<KeyValuePair<string, string>> Values)
{
    private const int LongestFolderName = 100;

    /// <summary>How people read it: <c>seed=1 learningRate=2e-5</c>.</summary>
    public string Words => string.Join(' ', Values.Select(value => $"{value.Key}={value.Value}"));

    /// <summary>A folder name made of it: readable, safe on every file system, different for different points.</summary>
    public string FolderName
    {
        get
        {
            var plain = string.Join(',', Values.Select(value => $"{value.Key}={value.Value}"));
            var safe = string.Concat(plain.Select(letter => char.IsAsciiLetterOrDigit(letter) || letter is '=' or ',' or '-' or '.' ? letter : '_'));
            return safe == plain && safe.Length <= LongestFolderName
                ? safe
                : $"{safe[..Math.Min(safe.Length, LongestFolderName)]}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(plain)))[..8]}";
        }
    }
}

/// <summary>The parameters that a sweep varies, and all their combinations.</summary>
/// <param name="Axes">Each parameter with its values, in the order given.</param>
internal sealed record SweepGrid(IReadOnlyList<KeyValuePair<string, IReadOnlyList<string>>> Axes)
{
    private const int MostPoints = 1000;

    /// <summary>Reads <c>name=v1,v2,…</c>; a name may come again and brings more values.</summary>
    /// <exception cref="ParameterException">A malformed or empty grid, a value twice, or more than a thousand combinations.</exception>
    public static SweepGrid Parse(IEnumerable<string> options)
    {
        var axes = new List<KeyValuePair<string, List<string>>>();
        foreach (var (name, list) in options.Select(ParameterPairs.Split))
        {
            if (!axes.Any(axis => axis.Key == name))
            {
                axes.Add(new(name, []));
            }

            axes.First(axis => axis.Key == name).Value.AddRange(list.Split(','));
        }

        if (axes.FirstOrDefault(axis => axis.Value.Distinct().Count() < axis.Value.Count) is { Key: not null } doubled)
        {
            throw new ParameterException($"--grid {doubled.Key}: a value occurs twice in {string.Join(',', doubled.Value)}.");
        }

        var count = axes.Aggregate(1.0, (product, axis) => product * axis.Value.Count);
        return axes.Count > 0 && count <= MostPoints
            ? new([.. axes.Select(axis => KeyValuePair.Create(axis.Key, (IReadOnlyList<string>)axis.Value))])
            : throw new ParameterException(axes.Count == 0
                ? "A sweep needs at least one --grid name=value1,value2."
                : $"The grid has {count:0} combinations; a sweep takes at most {MostPoints}.");
    }

    /// <summary>All combinations, the last parameter varying fastest.</summary>
    public IReadOnlyList<SweepPoint> Points()
    {
        IEnumerable<IReadOnlyList<KeyValuePair<string, string>>> points = [[]];
        foreach (var (name, values) in Axes)
        {
            points = points.SelectMany(point =>
                values.Select(value => (IReadOnlyList<KeyValuePair<string, string>>)[.. point, KeyValuePair.Create(name, value)])).ToList();
        }

        return [.. points.Select(point => new SweepPoint(point))];
    }
}
