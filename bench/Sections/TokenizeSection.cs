using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Tokenization;

namespace NotebookLib.Bench.Sections;

/// <summary>Words and tags to pieces and aligned labels, on one thread and on all.</summary>
internal sealed class TokenizeSection : ISection
{
    // Measured once, on another machine of this kind: 11,590 sentences, 313,000 pieces, one thread, Rust tokenizers 0.96 s, with the aligner 1.5 s.
    private const double RustPiecesPerSecond = 313_000 / 0.96, RustAlignedPiecesPerSecond = 313_000 / 1.5;

    public string Verb => "tokenize";

    public string Title => "Tokenise and align";

    public SectionReport Measure(BenchOptions options)
    {
        var corpus = Corpus.Load();
        double pieces = corpus.Rows.Sum(row => row.Length);
        var cold = new Func<DebertaTokenizer>(() =>
            DebertaTokenizer.Load(Folders.Shared("reference", "tokenizer", "spm.model") ?? Folders.PathOf("data", "tiny-deberta-v3")));
        var fresh = Enumerable.Range(0, Rounds).Select(_ => cold()).ToArray();
        var round = 0;
        var warm = new SentenceEncoder(corpus.Tokenizer);
        var withoutCache = new SentenceEncoder(
            DebertaTokenizer.Load(Folders.Shared("reference", "tokenizer", "spm.model") ?? Folders.PathOf("data", "tiny-deberta-v3"), cachedWords: 0));
        var contest = Contest.Hold(
            [
                new("one thread, first pass over the data", _ => new SentenceEncoder(fresh[round++]).EncodeAll(corpus.Sentences, threads: 1)),
                new("one thread, words seen before", _ => warm.EncodeAll(corpus.Sentences, threads: 1)),
                new("one thread, without the word cache", _ => withoutCache.EncodeAll(corpus.Sentences, threads: 1)),
                new("all threads, words seen before", _ => warm.EncodeAll(corpus.Sentences)),
            ],
            1, Rounds);
        var rows = contest.Names.Select((name, i) => (IReadOnlyList<string>)
            [name, contest.Rate(i, corpus.Sentences.Count).ToText("N0"), contest.Rate(i, pieces).ToText("N0"),
                (contest.Rate(i, pieces).Median / RustAlignedPiecesPerSecond).ToString("0.0", System.Globalization.CultureInfo.InvariantCulture),
                Spread.Of(contest.Probes).ToText("0")]).ToList();
        var report = new SectionReport();
        report.Tables.Add(new(
            $"{corpus.Sentences.Count:N0} sentences, {pieces:N0} pieces ({corpus.Source}): words in, ids, word ids and aligned labels out.",
            new(["", "sentences/s", "pieces/s", "× Rust with aligner", "probe GFLOP/s"], rows)));
        report.Notes.Add($"Rust, one thread, measured once elsewhere: {RustPiecesPerSecond:N0} pieces/s, with the aligner {RustAlignedPiecesPerSecond:N0}. "
            + "That ran at another time, so take the ratio as an order of magnitude.");
        report.Targets.Add(
            Target.AtLeast("tokenise + align, first pass, × Rust with aligner", 1, Spread.Of([contest.Rate(0, pieces).Median / RustAlignedPiecesPerSecond]),
            "0.0"));
        return report;
    }

    private const int Rounds = 5;
}
