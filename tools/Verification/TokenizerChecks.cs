extern alias lib;

using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using lib::NotebookLib.Alignment;
using lib::NotebookLib.Tokenization;

namespace NotebookRunner.Verification;

/// <summary>
/// Checks the tokenizer against <c>tokenizer/</c>: <c>spm.model</c>; JSON lines with <c>text</c> or <c>words</c> (or <c>tokens</c>) and <c>input_ids</c>,
/// <c>word_ids</c>, <c>offsets</c> as far as given; and pairs of <c>NAME.txt</c> and <c>NAME_fast_ids.txt</c> (a line's ids without specials). All but the
/// model may be gzipped.
/// </summary>
internal static class TokenizerChecks
{
    private const string IdsEnding = "_fast_ids.txt";
    private const string FolderName = "tokenizer";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } =
        new(FolderName, Compare, $"no *.jsonl, and no *{IdsEnding} with its text (either may be gzipped), beside spm.model");

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options)
    {
        var tokenizer = DebertaTokenizer.Load(folder);
        var cases = GoldenLines.FilesOf(folder, ".jsonl").SelectMany(path => TallyOf(path).Rows(tally => CompareCases(path, tokenizer, tally)));
        var lines = GoldenLines.FilesOf(folder, IdsEnding).SelectMany(path => TextOf(folder, path) is { } text
            ? TallyOf(path).Rows(tally => CompareLines(text, path, tokenizer, tally))
            : []);
        return cases.Concat(lines);
    }

    private static ExactTally TallyOf(string path) => new($"{FolderName}/{Path.GetFileName(path)}");

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

/// <summary>
/// Checks tokenizers that come as <c>tokenizer.json</c> (or <c>tokenizer.json.gz</c>) against <c>tokenizer-json/KIND</c>, with JSON lines as
/// <see cref="TokenizerChecks"/> reads them, and files in <c>tokenizer-json/refuse</c>, which must be refused. A tokenizer that is saved and loaded again must
/// give the same.
/// </summary>
internal static class TokenizerJsonChecks
{
    private const string FileName = "tokenizer.json";
    private const string FolderName = "tokenizer-json";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } = new(FolderName, Compare, $"no folder with {FileName} (plain or gzipped) in it");

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options)
    {
        var kinds = Directory.EnumerateDirectories(folder).Prepend(folder)
            .Where(kind => GoldenLines.FilesOf(kind, FileName).Any()).Order(StringComparer.Ordinal);
        var refused = Path.Combine(folder, "refuse");
        return kinds
            .Select(kind => (Name: kind == folder ? FolderName : $"{FolderName}/{Path.GetFileName(kind)}", Folder: kind))
            .SelectMany(kind => GoldenFolder.Guard(kind.Name, () => CheckKind(kind.Name, kind.Folder)))
            .Concat((Directory.Exists(refused) ? Directory.GetFiles(refused, "*.json") : []).Order(StringComparer.Ordinal)
                .Select(path => CheckRefusal($"{FolderName}/refuse/{Path.GetFileName(path)}", path)));
    }

    private static List<CheckResult> CheckKind(string name, string folder)
    {
        var work = Directory.CreateTempSubdirectory("verify-tokenizer-");
        try
        {
            Unpack(folder, work.FullName);
            var tokenizer = DebertaTokenizer.Load(work.FullName);
            var again = work.CreateSubdirectory("again").FullName;
            tokenizer.Save(again);
            return [.. Compare(name, folder, tokenizer),
                .. Compare(name, folder, DebertaTokenizer.Load(again)).Select(row => row with { Quantity = $"{row.Quantity}, saved again" })];
        }
        finally
        {
            work.Delete(recursive: true);
        }
    }

    private static List<CheckResult> Compare(string name, string folder, DebertaTokenizer tokenizer)
    {
        List<CheckResult> rows = [.. GoldenLines.FilesOf(folder, ".jsonl")
            .SelectMany(path => new ExactTally($"{name}/{Path.GetFileName(path)}").Rows(tally => TokenizerChecks.CompareCases(path, tokenizer, tally)))];
        return rows.Count > 0 ? rows : [CheckResult.Failed(name, "cases", "no *.jsonl, plain or gzipped")];
    }

    private static void Unpack(string folder, string target)
    {
        foreach (var file in Directory.EnumerateFiles(folder).Where(path => Path.GetFileName(path) is "tokenizer_config.json" or "special_tokens_map.json"))
        {
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        }

        using var source = File.OpenRead(GoldenLines.FilesOf(folder, FileName).First());
        using Stream content = source.Name.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(source, CompressionMode.Decompress) : source;
        using var plain = File.Create(Path.Combine(target, FileName));
        content.CopyTo(plain);
    }

    private static CheckResult CheckRefusal(string name, string path)
    {
        try
        {
            _ = DebertaTokenizer.Load(path);
            return CheckResult.Failed(name, "refused", "was read, though it is of a kind that this build does not compute");
        }
        catch (Exception error) when (error is NotSupportedException or InvalidDataException)
        {
            return new(name, "refused", 0, 0, error.Message.Split(": ", 2)[^1]);
        }
    }
}

/// <summary>
/// Checks the aligner against <c>alignment/</c>: JSON lines with <c>ner_tags</c>, <c>word_ids</c> and <c>labels</c>, or with <c>token_predictions</c> (for the
/// pieces without specials), <c>word_ids</c> and <c>word_tags</c>, or both. With an <c>spm.model</c> in the folder, <c>input_ids</c> and <c>word_ids</c> of
/// <c>tokens</c> are checked too.
/// </summary>
internal static class AlignmentChecks
{
    private const string FolderName = "alignment";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } = new(FolderName, Compare, "no *.jsonl, plain or gzipped");

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options)
    {
        var model = Path.Combine(folder, "spm.model");
        var tokenizer = File.Exists(model) ? DebertaTokenizer.Load(model) : null;
        return GoldenLines.FilesOf(folder, ".jsonl")
            .SelectMany(path => new ExactTally($"{FolderName}/{Path.GetFileName(path)}").Rows(tally => CompareCases(path, tokenizer, tally)));
    }

    private static void CompareCases(string path, DebertaTokenizer? tokenizer, ExactTally tally)
    {
        foreach (var (line, golden) in GoldenLines.ReadJson(path))
        {
            var wordIds = golden.Integers("word_ids");
            if (golden.Has("labels"))
            {
                tally.Count<int>("labels of pieces", golden.Integers("labels"), LabelAligner.AlignLabels(wordIds, golden.Integers("ner_tags")), line);
            }

            if (golden.Has("word_tags"))
            {
                tally.Count<int>("tags of words", golden.Integers("word_tags"), WordTags(golden, wordIds), line);
            }

            if (tokenizer is not null && golden.Has("tokens"))
            {
                var encoding = tokenizer.EncodeWords(golden.Texts("tokens"));
                tally.Count<int>("ids", golden.Integers("input_ids"), encoding.Ids, line);
                tally.Count<int>("word ids", wordIds, encoding.WordIds, line);
            }
        }
    }

    /// <summary>The tags our aligner gives, without those of words that have no piece when the golden leaves them out too, as the original does.</summary>
    private static int[] WordTags(JsonElement golden, int[] wordIds)
    {
        var predictions = golden.Integers("token_predictions");
        int[] present = [.. wordIds.Where(word => word >= 0)];
        var ids = predictions.Length == wordIds.Length ? wordIds : present;
        var wordCount = Math.Max(golden.Has("tokens") ? golden.GetProperty("tokens").GetArrayLength() : 0, present.DefaultIfEmpty(-1).Max() + 1);
        var tags = LabelAligner.AlignTagsWithWords(predictions, ids, wordCount);
        return golden.GetProperty("word_tags").GetArrayLength() == wordCount ? tags : [.. present.Distinct().Select(word => tags[word])];
    }
}
