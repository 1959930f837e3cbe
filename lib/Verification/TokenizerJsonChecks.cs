using System.IO.Compression;
using NotebookLib.Tokenization;

namespace NotebookLib.Verification;

/// <summary>
/// Checks tokenizers that come as <c>tokenizer.json</c> (or <c>tokenizer.json.gz</c>) against <c>tokenizer-json/KIND</c>, with JSON lines as
/// <see cref="TokenizerChecks"/> reads them, and files in <c>tokenizer-json/refuse</c>, which must be refused. A tokenizer that is saved and loaded again must
/// give the same.
/// </summary>
public sealed class TokenizerJsonChecks : IGoldenCheck
{
    private const string FileName = "tokenizer.json";

    /// <inheritdoc />
    public string FolderName => "tokenizer-json";

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options)
    {
        var compared = 0;
        foreach (var kind in Directory.EnumerateDirectories(folder).Prepend(folder).Where(kind => GoldenLines.FilesOf(kind, FileName).Any())
            .Order(StringComparer.Ordinal))
        {
            var name = kind == folder ? FolderName : $"{FolderName}/{Path.GetFileName(kind)}";
            foreach (var row in GoldenFolder.Guard(name, () => CheckKind(name, kind)))
            {
                compared++;
                yield return row;
            }
        }

        var refused = Path.Combine(folder, "refuse");
        foreach (var path in (Directory.Exists(refused) ? Directory.GetFiles(refused, "*.json") : []).Order(StringComparer.Ordinal))
        {
            compared++;
            yield return CheckRefusal($"{FolderName}/refuse/{Path.GetFileName(path)}", path);
        }

        if (compared == 0)
        {
            yield return CheckResult.Failed(FolderName, "cases", $"no folder with {FileName} (plain or gzipped) in it");
        }
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
