using System.Text.Json;
using NotebookLib.Annotation;
using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Model;
using NotebookLib.Tokenization;
using NotebookLib.Training;

namespace NotebookLib.Bench.Sections;

/// <summary>A file in, a file out, beside an evaluation of the same sentences, which were tokenised before its clock began.</summary>
internal sealed class AnnotateSection : ISection
{
    private const int BatchSize = 32;
    private const double WantedShare = 0.9;

    public string Verb => "annotate";

    public string Title => "Annotate files";

    public SectionReport Measure(BenchOptions options)
    {
        var report = new SectionReport();
        if (options.Wants("demo"))
        {
            var start = Folders.PathOf("data", "tiny-deberta-v3");
            var tokenizer = DebertaTokenizer.Load(start);
            Sentence[] sentences = [.. SentenceReader.Open(Folders.PathOf("data", "sample", "train.parquet"), LabelSet.SystemA)];
            using var model = ModelFolder.Load(start, new LoadOptions { Labels = LabelSet.SystemA }).Model;
            Compare("the demo's network", model, tokenizer, options.IsQuick ? sentences[..2000] : sentences, options, report);
        }

        if (options.Wants("xsmall"))
        {
            var corpus = Corpus.Load();
            using var model = Networks.Ours(Networks.XSmall);
            model.eval();
            Compare("xsmall", model, corpus.Tokenizer, corpus.Sentences.Take(options.IsQuick ? 256 : 1024).ToArray(), options, report);
        }

        return report;
    }

    private static void Compare(string name, DebertaV2ForTokenClassification model, DebertaTokenizer tokenizer, Sentence[] sentences, BenchOptions options,
        SectionReport report)
    {
        var folder = Directory.CreateTempSubdirectory("bench-annotate-").FullName;
        try
        {
            var input = Path.Combine(folder, "in.jsonl");
            File.WriteAllLines(input, sentences.Select(sentence => JsonSerializer.Serialize(new { tokens = sentence.Words })));
            var rows = new SentenceEncoder(tokenizer).EncodeAll(sentences);
            var tagger = new EntityTagger(tokenizer, new ModelPieceScorer(model, BatchSize));
            var settings = new AnnotationSettings { Inputs = [input], Output = Path.Combine(folder, "out.jsonl"), Replaces = true };
            var contest = Contest.Hold(
                [
                    new("evaluation, tokenised before", _ => TokenEvaluation.Run(model, LabelSet.SystemA, rows, BatchSize)),
                    new("annotate, file to file", _ => Annotator.Run(tagger, settings)),
                ],
                1, options.Rounds(5), 0);
            double tokens = rows.Sum(row => row.Length);
            var share = contest.Ratio(1, 0);
            report.Tables.Add(new(
                Invariant($"{name}, float32: {sentences.Length:N0} sentences, {tokens:N0} tokens, JSON lines of words to JSON lines of entities."),
                new(["", "tokens/s", "sentences/s", "share"], [.. contest.Names.Select((who, i) => (IReadOnlyList<string>)
                    [who, contest.Rate(i, tokens).ToText("N0"), contest.Rate(i, sentences.Length).ToText("N0"), i == 0 ? "1" : share.ToText("0.00")])])));
            report.Targets.Add(Target.AtLeast($"annotate, {name}: share of evaluation's tokens/s", WantedShare, share));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
