using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using NotebookLib.Bench.Inputs;
using NotebookLib.Bench.Reports;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Model;
using NotebookLib.Tokenization;
using Encoding = System.Text.Encoding;

namespace NotebookLib.Bench.Sections;

/// <summary>
/// 100,000 requests to <c>serve</c> by 64 connections, no two texts alike, while other clients are slow, broken, oversized, wrong, or gone before their answer.
/// Each answer lists every piece of its text with its place, so one that is another's is known; every hundredth is also held to the network's own scores.
/// </summary>
internal sealed class ServeFaultsSection : ISection
{
    private const int Connections = 64;
    private const int Compared = 100;
    private const double ScoreTolerance = 1e-3;

    public string Verb => "serve-faults";

    public string Title => "Serve beside faulty clients";

    public SectionReport Measure(BenchOptions options)
    {
        var start = Folders.PathOf("data", "tiny-deberta-v3");
        var tokenizer = DebertaTokenizer.Load(start);
        using var model = ModelFolder.Load(start, new LoadOptions { Labels = LabelSet.SystemA }).Model;
        model.eval();
        string[] sentences = [.. SentenceReader.Open(Folders.PathOf("data", "sample", "test.parquet"), LabelSet.SystemA)
            .Select(sentence => string.Join(' ', sentence.Words))];
        using var served = new ServedFolder(model, tokenizer);
        using var run = new Run(served.Address, new(tokenizer, new ModelPieceScorer(model)), tokenizer, sentences, options.IsQuick ? 2000 : 100_000);
        var before = served.ResidentBytes;
        var started = Stopwatch.GetTimestamp();
        run.AskAllAsync().GetAwaiter().GetResult();
        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        var after = served.ResidentBytes;
        var code = served.Stop();

        var report = new SectionReport();
        report.Tables.Add(new(
            Invariant($"The demo's network, {run.Requests:N0} requests by {Connections} connections in {seconds:N0} s ")
                + Invariant($"({run.Requests / seconds:N0} requests/s, ")
                + Invariant($"client and faulty clients on the same machine); memory {before / 1e6:0} MB before, {after / 1e6:0} MB after; exit code {code}."),
            new(["", "number"],
            [
                Row("right answers", run.Right), Row("other people's answers", run.Mixed), Row("no answer, or another status than 200", run.Lost),
                Row("answers held to the network's scores", run.Held), Row("of these with other scores", run.OtherScores),
                .. run.Faults.OrderBy(fault => fault.Key, StringComparer.Ordinal).Select(fault => Row(fault.Key, fault.Value)),
                Row("faulty clients that were answered wrongly", run.WronglyAnswered),
            ])));
        report.Notes.AddRange(run.Remarks.Distinct().Take(10));
        report.Targets.Add(Target.AtMost("serve: answers lost, mixed up, or with other scores", 0, run.Lost + run.Mixed + run.OtherScores, "answers", "0"));
        report.Targets.Add(Target.AtMost("serve: faulty clients that were answered wrongly", 0, run.WronglyAnswered, "clients", "0"));
        report.Targets.Add(Target.AtMost("serve: exit code after SIGTERM", 0, code, "", "0"));
        return report;
    }

    private static IReadOnlyList<string> Row(string name, long number) => [name, number.ToString("N0", CultureInfo.InvariantCulture)];

    private sealed class Run(Uri address, TokenClassificationPipeline pipeline, DebertaTokenizer tokenizer, string[] sentences, int requests) : IDisposable
    {
        private readonly HttpClient _client = new() { BaseAddress = address, Timeout = TimeSpan.FromMinutes(5) };
        private readonly Lock _network = new();
        private readonly Lock _counts = new();
        private int _next = -1;
        private int _done;

        public int Requests => requests;

        public long Right { get; private set; }

        public long Mixed { get; private set; }

        public long Lost { get; private set; }

        public long Held { get; private set; }

        public long OtherScores { get; private set; }

        public long WronglyAnswered { get; private set; }

        public SortedDictionary<string, long> Faults { get; } = new(StringComparer.Ordinal);

        public List<string> Remarks { get; } = [];

        public async Task AskAllAsync()
        {
            var asking = Task.WhenAll(Enumerable.Range(0, Connections).Select(_ => Task.Run(AskAsync)));
            var faulty = Task.WhenAll(((Func<int, Task>[])[CutAsync, SlowAsync, OversizedAsync, WrongAsync, GoneAsync, NonsenseAsync])
                .Select(fault => Task.Run(async () =>
            {
                for (var i = 0; !asking.IsCompleted; i++)
                {
                    await fault(i);
                }
            })));
            await asking;
            await faulty;
        }

        public void Dispose() => _client.Dispose();

        private string TextOf(int i) => Invariant($"{sentences[i % sentences.Length]} {i}");

        private async Task AskAsync()
        {
            for (var i = Interlocked.Increment(ref _next); i < requests; i = Interlocked.Increment(ref _next))
            {
                await AskAsync(i);
                if (Interlocked.Increment(ref _done) is var done && done % Math.Max(1, requests / 10) == 0)
                {
                    Console.Error.WriteLine(Invariant($"  {done:N0} answers"));
                }
            }
        }

        private async Task AskAsync(int i)
        {
            var text = TextOf(i);
            try
            {
                using var response = await _client.PostAsync("/", new StringContent(BodyOf(text), Encoding.UTF8, "application/json"));
                using var answer = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync());
                if (!response.IsSuccessStatusCode)
                {
                    Count(() => Lost++, Invariant($"status {(int)response.StatusCode}"));
                    return;
                }

                Check(text, answer.RootElement, i % Compared == 0);
            }
            catch (Exception error) when (error is HttpRequestException or JsonException or TaskCanceledException)
            {
                Count(() => Lost++, $"{error.GetType().Name}: {error.Message}");
            }
        }

        private void Check(string text, JsonElement answer, bool holdsToNetwork)
        {
            var encoding = tokenizer.Encode(text);
            var places = encoding.Offsets.Where((_, piece) => encoding.WordIds[piece] >= 0).ToArray();
            var words = encoding.Ids.Where((_, piece) => encoding.WordIds[piece] >= 0).Select(tokenizer.PieceOf).ToArray();
            var given = answer.EnumerateArray().ToArray();
            var isRight = given.Length == places.Length && given.Index().All(piece =>
                piece.Item.GetProperty("start").GetInt32() == places[piece.Index].Start && piece.Item.GetProperty("end").GetInt32() == places[piece.Index].End
                && (piece.Item.GetProperty("word").GetString() == words[piece.Index] || words[piece.Index] == "[UNK]"));
            Count(() => _ = isRight ? Right++ : Mixed++, isRight ? null : "an answer that belongs to another text");
            if (!isRight || !holdsToNetwork)
            {
                return;
            }

            IReadOnlyList<TokenEntity> expected;
            lock (_network)
            {
                expected = pipeline.Classify(text, AggregationStrategy.None, []);
            }

            var differs = expected.Zip(given).Any(pair => Math.Abs(pair.First.Score - pair.Second.GetProperty("score").GetDouble()) > ScoreTolerance);
            Count(() => { Held++; OtherScores += differs ? 1 : 0; }, differs ? "scores of its own" : null);
        }

        /// <summary>Goes away in the middle of its body.</summary>
        private async Task CutAsync(int i)
        {
            await TalkAsync("cut off in the body", HeaderOf(1000) + "{\"inputs\": \"" + TextOf(i), readsAnswer: false);
        }

        /// <summary>Sends its body in two parts, a while apart.</summary>
        private async Task SlowAsync(int i)
        {
            var body = BodyOf(TextOf(i));
            var bytes = Encoding.UTF8.GetByteCount(body);
            await TalkAsync("slow", HeaderOf(bytes) + body[..20], readsAnswer: true, "200", body[20..]);
        }

        private Task OversizedAsync(int i) => TalkAsync("oversized", HeaderOf(64 << 20) + new string('a', 1 << (i % 16)), readsAnswer: true, "413");

        private Task WrongAsync(int i) => TalkAsync("wrong fields", HeaderOf(13) + "{\"inputs\": 5}", readsAnswer: true, "400");

        /// <summary>Asks, and does not wait for the answer.</summary>
        private Task GoneAsync(int i)
        {
            var body = BodyOf(TextOf(i));
            return TalkAsync("gone before the answer", HeaderOf(Encoding.UTF8.GetByteCount(body)) + body, readsAnswer: false);
        }

        private Task NonsenseAsync(int i) => TalkAsync("no HTTP", "\u0001\u0002 nonsense " + i + "\r\n\r\n", readsAnswer: true, "400");

        private async Task TalkAsync(string kind, string sent, bool readsAnswer, string? expected = null, string? later = null)
        {
            try
            {
                using var socket = new TcpClient();
                await socket.ConnectAsync(address.Host, address.Port);
                var stream = socket.GetStream();
                await stream.WriteAsync(Encoding.UTF8.GetBytes(sent));
                if (later is not null)
                {
                    await Task.Delay(500);
                    await stream.WriteAsync(Encoding.UTF8.GetBytes(later));
                }

                var answer = "";
                if (readsAnswer)
                {
                    using var reader = new StreamReader(stream, Encoding.Latin1);
                    answer = await reader.ReadLineAsync() ?? "";
                }

                var isWrong = expected is not null && !answer.StartsWith("HTTP/1.1 " + expected, StringComparison.Ordinal);
                Count(() => WronglyAnswered += isWrong ? 1 : 0, isWrong ? $"{kind}: {answer}" : null);
            }
            catch (Exception cut) when (cut is IOException or SocketException)
            {
                // An oversized client may be cut off while it sends.
            }

            Count(() => Faults[kind] = Faults.GetValueOrDefault(kind) + 1, null);
            await Task.Delay(20);
        }

        private static string BodyOf(string text) =>
            JsonSerializer.Serialize(new { inputs = text, parameters = new { aggregation_strategy = "none", ignore_labels = Array.Empty<string>() } });

        private static string HeaderOf(int length) => Invariant($"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");

        private void Count(Action count, string? remark)
        {
            lock (_counts)
            {
                count();
                if (remark is not null && Remarks.Count < 100)
                {
                    Remarks.Add(remark);
                }
            }
        }
    }
}
