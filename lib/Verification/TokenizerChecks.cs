using System.Globalization;
using System.Text.Json;
using NotebookLib.Tokenization;

namespace NotebookLib.Verification;

/// <summary>
/// Checks the tokenizer against <c>tokenizer/</c>: <c>spm.model</c>; JSON lines with <c>text</c> or <c>words</c> (or <c>tokens</c>) and <c>input_ids</c>,
/// <c>word_ids</c>, <c>offsets</c> as far as given; and pairs of <c>NAME.txt</c> and <c>NAME_fast_ids.txt</c> (a line's ids without specials). All but the
/// model may be gzipped.
/// </summary>
public sealed class TokenizerChecks : IGoldenCheck
{
    private const string IdsEnding = "_fast_ids.txt";

    /// <inheritdoc />
    public string FolderName => "tokenizer";

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options)
    {
        var tokenizer = DebertaTokenizer.Load(folder);
        var compared = 0;
        foreach (var path in GoldenLines.FilesOf(folder, ".jsonl"))
        {
            foreach (var row in TallyOf(path).Rows(tally => CompareCases(path, tokenizer, tally)))
            {
                compared++;
                yield return row;
            }
        }

        foreach (var path in GoldenLines.FilesOf(folder, IdsEnding))
        {
            var textPath = TextOf(folder, path);
            foreach (var row in textPath is null ? [] : TallyOf(path).Rows(tally => CompareLines(textPath, path, tokenizer, tally)))
            {
                compared++;
                yield return row;
            }
        }

        if (compared == 0)
        {
            yield return CheckResult.Failed(FolderName, "cases", $"no *.jsonl, and no *{IdsEnding} with its text (either may be gzipped), beside spm.model");
        }
    }

    private ExactTally TallyOf(string path) => new($"{FolderName}/{Path.GetFileName(path)}");

    /// <summary>Compares the cases of one file.</summary>
    internal static void CompareCases(string path, DebertaTokenizer tokenizer, ExactTally tally)
    {
        foreach (var (line, golden) in GoldenLines.ReadJson(path))
        {
            var encoding = golden.TryGetProperty("text", out var text)
                ? tokenizer.Encode(text.GetString()!)
                : tokenizer.EncodeWords(golden.Texts(golden.Has("words") ? "words" : "tokens"));
            Compare(golden, encoding, line, tally);
        }
    }

    private static void Compare(JsonElement golden, Encoding encoding, int line, ExactTally tally)
    {
        tally.Count<int>("ids", golden.Integers("input_ids"), encoding.Ids, line);
        if (golden.Has("word_ids"))
        {
            tally.Count<int>("word ids", golden.Integers("word_ids"), encoding.WordIds, line);
        }

        if (golden.Has("offsets"))
        {
            tally.Count<(int, int)>("offsets", golden.Pairs("offsets"), encoding.Offsets, line);
        }
    }

    private static void CompareLines(string textPath, string idsPath, DebertaTokenizer tokenizer, ExactTally tally)
    {
        using var ids = GoldenLines.Read(idsPath).GetEnumerator();
        var line = 0;
        foreach (var text in GoldenLines.Read(textPath))
        {
            line++;
            if (!ids.MoveNext())
            {
                throw new InvalidDataException($"{Path.GetFileName(idsPath)} ends after {line - 1} lines, {Path.GetFileName(textPath)} goes on");
            }

            int[] expected = [.. ids.Current.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(id => int.Parse(id, CultureInfo.InvariantCulture))];
            tally.Count<int>("ids", expected, tokenizer.Encode(text).Ids.AsSpan(1..^1), line);
        }
    }

    /// <summary>The text that the ids belong to, or null when the folder has only the ids.</summary>
    private static string? TextOf(string folder, string idsPath)
    {
        var name = $"{Path.GetFileName(idsPath).Split(IdsEnding)[0]}.txt";
        return GoldenLines.FilesOf(folder, name).FirstOrDefault(path => Path.GetFileName(path).StartsWith(name, StringComparison.Ordinal));
    }
}
