using System.Text.Json;
using NotebookLib.Alignment;
using NotebookLib.Tokenization;

namespace NotebookLib.Verification;

/// <summary>
/// Checks the aligner against <c>alignment/</c>: JSON lines with <c>ner_tags</c>, <c>word_ids</c> and <c>labels</c>, or with <c>token_predictions</c> (for the
/// pieces without specials), <c>word_ids</c> and <c>word_tags</c>, or both. With an <c>spm.model</c> in the folder, <c>input_ids</c> and <c>word_ids</c> of
/// <c>tokens</c> are checked too.
/// </summary>
public sealed class AlignmentChecks : IGoldenCheck
{
    /// <inheritdoc />
    public string FolderName => "alignment";

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options)
    {
        var model = Path.Combine(folder, "spm.model");
        var tokenizer = File.Exists(model) ? DebertaTokenizer.Load(model) : null;
        var compared = 0;
        foreach (var path in GoldenLines.FilesOf(folder, ".jsonl"))
        {
            foreach (var row in new ExactTally($"{FolderName}/{Path.GetFileName(path)}").Rows(tally => CompareCases(path, tokenizer, tally)))
            {
                compared++;
                yield return row;
            }
        }

        if (compared == 0)
        {
            yield return CheckResult.Failed(FolderName, "cases", "no *.jsonl, plain or gzipped");
        }
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
