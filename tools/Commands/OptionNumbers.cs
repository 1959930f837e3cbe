using System.CommandLine.Parsing;
using System.Globalization;

namespace NotebookRunner.Commands;

/// <summary>Reads the numbers of the command line, in any culture, and says in words what is wrong with one.</summary>
internal static class OptionNumbers
{
    private const double MostSeconds = 1e8;

    /// <summary>A time span in seconds; null, with the error in the result, when it is none.</summary>
    public static TimeSpan? Seconds(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is >= 0 and <= MostSeconds)
        {
            return TimeSpan.FromSeconds(seconds);
        }

        result.AddError($"{NameOf(result)}: expected a number of seconds between 0 and 1e8, as in {NameOf(result)} 90, found '{text}'.");
        return null;
    }

    /// <summary>A whole number of runs at once, 1 to 64; 0, with the error in the result, when it is none.</summary>
    public static int Runs(ArgumentResult result)
    {
        var text = result.Tokens[0].Value;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var runs) && runs is >= 1 and <= 64)
        {
            return runs;
        }

        result.AddError($"{NameOf(result)}: expected 1 to 64 runs at once, found '{text}'.");
        return 0;
    }

    /// <summary>A part, I/N with I from 1 to N; (1, 1), with the error in the result, when it is none.</summary>
    public static (int Shard, int Shards) Shard(ArgumentResult result)
    {
        if (result.Tokens[0].Value.Split('/') is [var first, var second] && int.TryParse(first, NumberStyles.None, CultureInfo.InvariantCulture, out var shard)
            && int.TryParse(second, NumberStyles.None, CultureInfo.InvariantCulture, out var shards) && shard >= 1 && shard <= shards)
        {
            return (shard, shards);
        }

        result.AddError($"{NameOf(result)}: expected I/N with I from 1 to N, as in {NameOf(result)} 1/4, found '{result.Tokens[0].Value}'.");
        return (1, 1);
    }

    private static string NameOf(ArgumentResult result) => ((OptionResult)result.Parent!).Option.Name;
}
