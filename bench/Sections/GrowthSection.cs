using System.Globalization;
using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Onnx;
using NotebookLib.Bench.Reference;
using NotebookLib.Bench.Reports;
using NotebookLib.Data;
using NotebookLib.Model;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Sections;

/// <summary>How time and memory grow with the length of sentences, the size of a batch and the rows of a data set.</summary>
internal sealed class GrowthSection : ISection
{
    private const int TokensInAll = 4096;

    public string Verb => "growth";

    public string Title => "Growth with length, batch and rows";

    public SectionReport Measure(BenchOptions options)
    {
        var report = new SectionReport();
        var corpus = Corpus.Load();
        MeasureRows(report, corpus, options.IsQuick ? 100_000 : 1_000_000);
        MeasureLengths(report, options);
        return report;
    }

    private static void MeasureLengths(SectionReport report, BenchOptions options)
    {
        using var model = Networks.Ours(Networks.Base);
        var folder = Directory.CreateTempSubdirectory("bench-onnx-");
        using var onnx = Folders.Shared("reference", "onnx", "base") is { } graph
            ? new OnnxNetwork(
                OnnxWeights.Write(graph, model.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter), folder.FullName))
            : null;
        model.eval();
        using var copies = model.Engine.KeepWeightCopies();
        var rows = new List<IReadOnlyList<string>>();
        foreach (var length in (int[])[32, 64, 128, 256, 512])
        {
            var batch = Enumerable.Range(0, TokensInAll / length).Select(row => Row(length, row)).ToArray();
            List<Contestant> contestants = [new("ours float32", _ => Infer(model, batch, false)), new("ours bf16", _ => Infer(model, batch, true))];
            if (onnx is not null)
            {
                contestants.Add(new("ONNX Runtime float32", _ => onnx.Run(batch).Dispose()));
            }

            ResidentMemory.TryResetPeak();
            var before = ResidentMemory.CurrentBytes;
            var contest = Contest.Hold(contestants[..2], 1, 1, 0);
            var memory = ResidentMemory.PeakBytes - before;
            contest = Contest.Hold(contestants, 1, options.Rounds(2), 0);
            rows.Add([$"{length} × {batch.Length}", .. contest.Names.Select((_, i) => contest.Seconds(i).ToText("0.00")), .. onnx is null ? new[] { "–" } : [],
                Megabytes(memory), Spread.Of(contest.Probes).ToText("0")]);
        }

        folder.Delete(recursive: true);
        report.Tables.Add(new(
            $"Evaluation of base, {TokensInAll:N0} tokens in all, nothing padded: seconds. Memory: what ours adds at its peak, both types.",
            new(["length × batch", "ours float32, s", "ours bf16, s", "ONNX Runtime float32, s", "ours, MB", "probe GFLOP/s"], rows)));
    }

    private static void MeasureRows(SectionReport report, Corpus corpus, int most)
    {
        var folder = Directory.CreateTempSubdirectory("bench-rows-");
        var rows = new List<IReadOnlyList<string>>();
        var encoder = new SentenceEncoder(corpus.Tokenizer);
        for (var count = 1000; count <= most; count *= 10)
        {
            string json = Path.Combine(folder.FullName, "rows.jsonl"), parquet = Path.Combine(folder.FullName, "rows.parquet");
            var sentences = Enumerable.Range(0, count).Select(i => corpus.Sentences[i % corpus.Sentences.Count]);
            var options = new ReaderOptions { Rows = RowListing.AsListed };
            SentenceWriter.WriteJsonLines(json, sentences, LabelSet.SystemA);
            GC.Collect();
            ResidentMemory.TryResetPeak();
            var before = ResidentMemory.CurrentBytes;
            var write = Clock.Time(() => ParquetSentences.Write(parquet, SentenceReader.Open(json, LabelSet.SystemA, options), LabelSet.SystemA));
            var readJson = Clock.Time(() => Drain(SentenceReader.Open(json, LabelSet.SystemA, options)));
            var readParquet = Clock.Time(() => Drain(SentenceReader.Open(parquet, LabelSet.SystemA, options)));
            long pieces = 0;
            // As a stream, so that no list of a million sentences is needed.
            var tokenise = Clock.Time(() => pieces = SentenceReader.Open(parquet, LabelSet.SystemA, options).Chunk(8192)
                .Sum(chunk => encoder.EncodeAll(chunk).Sum(row => (long)row.Length)));
            rows.Add([count.ToString("N0", CultureInfo.InvariantCulture), Text(readJson), Text(write), Text(readParquet), Text(tokenise),
                Megabytes(ResidentMemory.PeakBytes - before),
                $"{new FileInfo(json).Length / 1e6:0.0} → {new FileInfo(parquet).Length / 1e6:0.0}"]);
        }

        folder.Delete(recursive: true);
        report.Tables.Add(new(
            $"Rows of data ({corpus.Source}, repeated), as streams: seconds. Memory: what it adds at its peak.",
            new(["sentences", "read JSON lines", "JSON lines to Parquet", "read Parquet", "read Parquet, tokenise, align", "MB", "file, MB"], rows)));
    }

    // Ids that stay inside every vocabulary; no padding id.
    private static EncodedSentence Row(int length, int seed) =>
        new([.. Enumerable.Range(0, length).Select(i => 10 + (((i * 7919) + (seed * 104729)) % 2000))], new int[length], new int[length]);

    private static void Infer(DebertaV2ForTokenClassification model, EncodedSentence[] rows, bool isHalf)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var batch = PaddedBatch.Pad(rows);
        using var autocast = isHalf ? Autocast.Enter(ScalarType.BFloat16) : null;
        model.call(batch.InputIds, batch.AttentionMask);
    }

    private static void Drain(SentenceSource source)
    {
        foreach (var _ in source)
        {
            // Reading is all that is timed.
        }
    }

    private static string Text(double seconds) => seconds.ToString("0.00", CultureInfo.InvariantCulture);

    private static string Megabytes(long bytes) => (bytes / 1e6).ToString("0", CultureInfo.InvariantCulture);
}
