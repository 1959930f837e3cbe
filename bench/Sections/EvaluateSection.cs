using NotebookLib.Batching;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Measuring;
using NotebookLib.Bench.Onnx;
using NotebookLib.Bench.Reference;
using NotebookLib.Bench.Reports;
using NotebookLib.Model;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// Evaluation: logits of real sentences in batches of 64, sorted by length and as the file has them, against the transcription and ONNX Runtime.
/// </summary>
internal sealed class EvaluateSection : ISection
{
    private const int Sentences = 1024, BatchSize = 64, Batches = 4;

    public string Verb => "evaluate";

    public string Title => "Evaluation of base and xsmall against the transcription and ONNX Runtime";

    public SectionReport Measure(BenchOptions options)
    {
        var corpus = Corpus.Load();
        var report = new SectionReport();
        var rows = new List<IReadOnlyList<string>>();
        foreach (var (name, config) in (ReadOnlySpan<(string, DebertaConfig)>)[("base", Networks.Base), ("xsmall", Networks.XSmall)])
        {
            if (options.Wants(name))
            {
                using var contest = new Evaluations(name, config, report, options);
                contest.Measure(corpus, isSorted: true, rows);
                contest.Measure(corpus, isSorted: false, rows);
            }
        }

        report.Tables.Add(new(
            $"{Batches} of the {Sentences / BatchSize} batches of {BatchSize} out of {Sentences} sentences ({corpus.Source}), evenly from first to last. "
                + "Median (lowest–highest) over rounds; all contestants take every batch in turn.",
            new(["", "real tokens/s", "× transcription", "× ORT float32", "× ORT int8", "probe GFLOP/s", "tokens/s per GFLOP/s", "of the limit"], rows)));
        return report;
    }

    private sealed class Evaluations : IDisposable
    {
        private readonly string _name;
        private readonly DebertaConfig _config;
        private readonly SectionReport _report;
        private readonly BenchOptions _options;
        private readonly DebertaV2ForTokenClassification _ours;
        private readonly IDisposable _copies;
        private readonly PlainDeberta _plain;
        private readonly OnnxNetwork? _onnx;
        private readonly OnnxNetwork? _int8;
        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("bench-onnx-");

        public Evaluations(string name, DebertaConfig config, SectionReport report, BenchOptions options)
        {
            (_name, _config, _report, _options) = (name, config, report, options);
            _ours = Networks.Ours(config);
            _ours.eval();
            _copies = _ours.Engine.KeepWeightCopies();
            var weights = _ours.named_parameters().ToDictionary(pair => pair.name, pair => (Tensor)pair.parameter);
            _plain = new(config, weights);
            if (Folders.Shared("reference", "onnx", name) is not { } graph)
            {
                report.Notes.Add($"{name}: no ONNX graph, as ../shared/reference/onnx/{name} is missing.");
                return;
            }

            var path = OnnxWeights.Write(graph, weights, _folder.FullName);
            _onnx = new(path);
            var (quantised, products) = DynamicQuantiser.Quantise(path);
            _int8 = new(quantised);
            report.Notes.Add($"{name}, int8: {products} products quantised by our own DynamicQuantiser (ONNX Runtime's quantiser is Python).");
        }

        public void Measure(Corpus corpus, bool isSorted, List<IReadOnlyList<string>> table)
        {
            var batches = corpus.EvaluationBatches(Sentences, BatchSize, isSorted, _options.IsQuick ? 2 : Batches);
            double tokens = batches.Sum(batch => batch.Sum(row => row.Length));
            if (isSorted)
            {
                Compare(batches[^1]);
            }

            List<Contestant> contestants =
            [
                new("ours float32", i => Ours(batches[i], false)), new("ours bf16", i => Ours(batches[i], true)),
                new("transcription float32", i => Plain(batches[i], false)), new("transcription bf16", i => Plain(batches[i], true)),
            ];
            if (_onnx is not null)
            {
                contestants.Add(new("ONNX Runtime float32", i => _onnx.Run(batches[i]).Dispose()));
                contestants.Add(new("ONNX Runtime int8", i => _int8!.Run(batches[i]).Dispose()));
            }

            if (DispatcherOperators.Int8Problem is { } problem)
            {
                _report.Notes.Add($"{_name}, ours int8: {problem}");
            }
            else
            {
                contestants.Add(new("ours int8", i => OursInt8(batches[i])));
            }

            var contest = Contest.Hold(contestants, batches.Count, isSorted ? _options.Rounds(3) : 1, batches.Count - 1);
            Report(contest, tokens, isSorted, table);
        }

        public void Dispose()
        {
            _copies.Dispose();
            _ours.Dispose();
            _onnx?.Dispose();
            _int8?.Dispose();
            _folder.Delete(recursive: true);
        }

        private void Compare(EncodedSentence[] rows)
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            using var batch = PaddedBatch.Pad(rows);
            var isReal = batch.AttentionMask.to(ScalarType.Bool);
            var exact = _ours.call(batch.InputIds, batch.AttentionMask)[isReal];
            List<(string, double)> differences = [("transcription", Agreement.Relative(exact, _plain.Run(batch.InputIds, batch.AttentionMask).Logits[isReal]))];
            if (_onnx is not null)
            {
                differences.Add(("ONNX Runtime", Agreement.Relative(exact, _onnx.Run(rows)[isReal])));
            }

            _report.Notes.Add($"{_name}, logits before the clocks ran, relative to the largest: {Agreement.Judge(differences)}.");
            List<(string Name, Tensor Logits)> rounded = [];
            using (Autocast.Enter(ScalarType.BFloat16))
            {
                rounded.Add(("ours bf16", _ours.call(batch.InputIds, batch.AttentionMask)[isReal].to(float32)));
            }

            if (DispatcherOperators.Int8Problem is null)
            {
                using var open = Int8Products.Enter();
                rounded.Add(("ours int8", _ours.call(batch.InputIds, batch.AttentionMask)[isReal]));
            }

            if (_int8 is not null)
            {
                rounded.Add(("ONNX Runtime int8", _int8.Run(rows)[isReal]));
            }

            _report.Notes.Add($"{_name}, what rounding costs the logits: "
                + string.Join(", ", rounded.Select(own => Invariant($"{own.Name} {Agreement.Relative(own.Logits, exact):0.000}"))) + " of the largest.");
        }

        private void Ours(EncodedSentence[] rows, bool isHalf) => Torch(rows, isHalf, batch => _ours.call(batch.InputIds, batch.AttentionMask));

        private void OursInt8(EncodedSentence[] rows)
        {
            using var open = Int8Products.Enter();
            Ours(rows, isHalf: false);
        }

        private void Plain(EncodedSentence[] rows, bool isHalf) => Torch(rows, isHalf, batch => _plain.Run(batch.InputIds, batch.AttentionMask).Logits);

        private static void Torch(EncodedSentence[] rows, bool isHalf, Func<PaddedBatch, Tensor> run)
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            using var batch = PaddedBatch.Pad(rows);
            using var autocast = isHalf ? Autocast.Enter(ScalarType.BFloat16) : null;
            run(batch);
        }

        private void Report(Contest contest, double tokens, bool isSorted, List<IReadOnlyList<string>> table)
        {
            var order = isSorted ? "sorted" : "file order";
            for (var i = 0; i < contest.Names.Count; i++)
            {
                var transcription = contest.Names[i].EndsWith("bf16", StringComparison.Ordinal) ? 3 : 2;
                var share = contest.RatePerGigaflops(i, tokens);
                table.Add([$"{_name} {order}, {contest.Names[i]}", contest.Rate(i, tokens).ToText("0"), contest.Ratio(i, transcription).ToText("0.00"),
                    _onnx is null ? "–" : contest.Ratio(i, 4).ToText("0.00"), _onnx is null ? "–" : contest.Ratio(i, 5).ToText("0.00"),
                    Spread.Of(contest.Probes).ToText("0"), share.ToText("0.00"), $"{share.Median * Networks.ForwardFlops(_config) / 1e9 * 100:0.0} %"]);
            }

            if (_name != "base" || !isSorted)
            {
                return;
            }

            if (_onnx is not null)
            {
                _report.Targets.Add(Target.AtLeast("evaluation of base, float32, × ONNX Runtime float32", 1.3, contest.Ratio(0, 4)));
                _report.Targets.Add(Target.AtLeast("evaluation of base, bf16, × ONNX Runtime float32", 2.5, contest.Ratio(1, 4)));
                _report.Targets.Add(Target.AtLeast("evaluation of base, bf16, × ONNX Runtime int8", 1.3, contest.Ratio(1, 5)));
                if (contest.Names.ToList().IndexOf("ours int8") is >= 0 and var own)
                {
                    _report.Targets.Add(Target.AtLeast("evaluation of base, int8, × ONNX Runtime int8", 2.5, contest.Ratio(own, 5)));
                }
            }

            _report.Targets.Add(Target.AtLeast("evaluation of base, bf16, tokens/s per GFLOP/s", 3.8, contest.RatePerGigaflops(1, tokens)));
        }
    }
}
