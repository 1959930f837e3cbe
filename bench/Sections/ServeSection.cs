using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Reports;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Model;
using NotebookLib.Tokenization;
using NotebookLib.Training;
using Encoding = System.Text.Encoding;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// <c>serve</c> in a process of its own, asked by 1, 8 and 64 connections that each wait for their answer before they ask again; beside it, in the same rounds,
/// an evaluation of the same texts, and one at a time their bare forward passes.
/// </summary>
internal sealed class ServeSection : ISection
{
    private const int BatchSize = 32;
    private const double WantedShare = 0.8, WantedTail = 3, WantedLatency = 1.3;
    private static readonly int[] Connections = [1, 8, 64];

    // Idle threads of OpenMP spin for a while after their work.
    private static readonly TimeSpan SpinOut = TimeSpan.FromMilliseconds(15);

    public string Verb => "serve";

    public string Title => "Serve over HTTP";

    public SectionReport Measure(BenchOptions options)
    {
        var report = new SectionReport();
        if (options.Wants("demo"))
        {
            var start = Folders.PathOf("data", "tiny-deberta-v3");
            using var model = ModelFolder.Load(start, new LoadOptions { Labels = LabelSet.SystemA }).Model;
            Compare("the demo's network", model, DebertaTokenizer.Load(start),
                SentenceReader.Open(Folders.PathOf("data", "sample", "test.parquet"), LabelSet.SystemA), 1000, options, report);
        }

        foreach (var (name, config, count) in new[] { ("xsmall", Networks.XSmall, 512), ("base", Networks.Base, 256) })
        {
            if (options.Wants(name))
            {
                var corpus = Corpus.Load();
                using var model = Networks.Ours(config);
                model.eval();
                Compare(name, model, corpus.Tokenizer, corpus.Sentences, count, options, report);
            }
        }

        return report;
    }

    private static void Compare(string name, DebertaV2ForTokenClassification model, DebertaTokenizer tokenizer, IEnumerable<Sentence> sentences, int count,
        BenchOptions options, SectionReport report)
    {
        string[] texts = [.. sentences.Select(sentence => string.Join(' ', sentence.Words)).Take(options.IsQuick ? count / 4 : count)];
        EncodedSentence[] rows = [.. texts.Select(text => tokenizer.Encode(text).Ids)
            .Select(ids => new EncodedSentence(ids, new int[ids.Length], new int[ids.Length]))];
        double tokens = rows.Sum(row => row.Length);
        using var served = new ServedFolder(model, tokenizer);
        using var client = new HttpClient { BaseAddress = served.Address, Timeout = TimeSpan.FromMinutes(10) };
        var scorer = new ModelPieceScorer(model, BatchSize);
        Ask(client, texts[..Math.Min(64, texts.Length)], 8);
        Evaluate();

        var (evaluation, passes) = (Connections.Select(_ => new List<double>()).ToArray(), Connections.Select(_ => new List<Pass>()).ToArray());
        var (latency, forward) = (new List<double>(), new List<double>());
        var rounds = options.Rounds(5);
        for (var round = 0; round < rounds; round++)
        {
            latency.Add(AlternateOneByOne(out var bare));
            forward.Add(bare);
            for (var i = 0; i < Connections.Length; i++)
            {
                // One connection gains nothing from more texts.
                var some = Connections[i] == 1 ? texts[..Math.Max(1, texts.Length / 4)] : texts;
                evaluation[i].Add(Evaluate());
                passes[i].Add(Ask(client, some, Connections[i]));
                Console.Error.WriteLine(Invariant($"  {name}, round {round + 1} of {rounds}, {Connections[i]} connections: ")
                    + Invariant($"{passes[i][^1].Rate:0.0} requests/s, p50 {passes[i][^1].P50 * 1e3:0.0} ms, p99 {passes[i][^1].P99 * 1e3:0.0} ms; ")
                    + Invariant($"evaluation {tokens / evaluation[i][^1]:0} tokens/s"));
            }
        }

        var table = new List<IReadOnlyList<string>>();
        for (var i = 0; i < Connections.Length; i++)
        {
            table.Add([Connections[i].ToString(CultureInfo.InvariantCulture), Of(i, pass => pass.Rate).ToText("0.0"),
                Of(i, pass => pass.P50 * 1e3).ToText("0.0"), Of(i, pass => pass.P99 * 1e3).ToText("0.0"), Share(i).ToText("0.00")]);
        }

        report.Tables.Add(new(
            Invariant($"{name}, float32, {texts.Length} texts of {tokens / texts.Length:0} pieces on average, strategy simple; ")
                + Invariant($"evaluation of the same texts in the same rounds: ")
                + Invariant($"{Spread.Of(evaluation.SelectMany(seconds => seconds).Select(seconds => tokens / seconds)).ToText("N0")} tokens/s; ")
                + Invariant($"the bare forward pass of a text: p50 {Spread.Of(forward.Select(seconds => seconds * 1e3)).ToText("0.0")} ms."),
            new(["connections", "requests/s", "p50 ms", "p99 ms", "share of evaluation's tokens/s"], table)));
        report.Targets.Add(Target.AtLeast($"serve, {name}, 64 connections: share of evaluation's tokens/s", WantedShare, Share(2)));
        report.Targets.Add(Target.AtMost($"serve, {name}, 64 connections: p99 / p50", WantedTail, Of(2, pass => pass.P99 / pass.P50).Median, "times"));
        report.Targets.Add(
            Target.AtMost($"serve, {name}, 1 connection: p50 / p50 of the bare forward pass", WantedLatency,
            Spread.Of(latency.Zip(forward, (one, other) => one / other)).Median, "times"));

        double Evaluate() => Clock.Time(() => TokenEvaluation.Run(model, LabelSet.SystemA, rows, BatchSize));

        Spread Of(int i, Func<Pass, double> what) => Spread.Of(passes[i].Select(what));

        Spread Share(int i) => Spread.Of(passes[i].Zip(evaluation[i], (pass, seconds) => pass.Rate * (tokens / texts.Length) / (tokens / seconds)));

        // Text by text, so that a machine whose speed drifts slows both alike; medians.
        double AlternateOneByOne(out double bare)
        {
            // As the server's own: made once, not with each text.
            using var copies = model.Engine.KeepWeightCopies();
            scorer.Score([rows[0].InputIds]);
            var (asked, computed) = (new List<double>(), new List<double>());
            for (var i = 0; i < Math.Max(1, texts.Length / 4); i++)
            {
                Thread.Sleep(SpinOut);
                asked.Add(Ask(client, [texts[i]], 1).P50);
                Thread.Sleep(SpinOut);
                computed.Add(Clock.Time(() => scorer.Score([rows[i].InputIds])));
            }

            bare = Spread.Of(computed).Median;
            return Spread.Of(asked).Median;
        }
    }

    /// <summary>What a number of connections got.</summary>
    private sealed record Pass(double Rate, double P50, double P99);

    private static Pass Ask(HttpClient client, string[] texts, int connections)
    {
        var seconds = new double[texts.Length];
        var next = -1;
        var started = Stopwatch.GetTimestamp();
        Task.WhenAll(Enumerable.Range(0, connections).Select(async _ =>
        {
            for (var i = Interlocked.Increment(ref next); i < texts.Length; i = Interlocked.Increment(ref next))
            {
                var begun = Stopwatch.GetTimestamp();
                using var response = await client.PostAsync("/",
                    new StringContent(JsonSerializer.Serialize(new { inputs = texts[i] }), Encoding.UTF8, "application/json"));
                response.EnsureSuccessStatusCode();
                await response.Content.ReadAsByteArrayAsync();
                seconds[i] = Stopwatch.GetElapsedTime(begun).TotalSeconds;
            }
        })).GetAwaiter().GetResult();
        var elapsed = Stopwatch.GetElapsedTime(started).TotalSeconds;
        Array.Sort(seconds);
        return new(texts.Length / elapsed, seconds[seconds.Length / 2], seconds[(int)Math.Ceiling(seconds.Length * 0.99) - 1]);
    }
}
