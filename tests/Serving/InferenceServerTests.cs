extern alias runner;

using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using AngleSharp.Html.Parser;
using Microsoft.Extensions.Time.Testing;
using NotebookLib.Inference;

namespace NotebookLib.Tests.Serving;

/// <summary>Many clients at once, wrong ones, impatient ones, and a stop: a network under the test's control, real sockets.</summary>
public class InferenceServerTests
{
    private const string InLine = "ner_requests_in_line";
    private const string Secret = "the-goat-of-Secretville";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_of_many_clients_gets_its_own_answer_and_they_go_through_the_network_together()
    {
        var scorer = new GatedScorer { IsOpen = false };
        await using var served = await ServedModel.StartAsync(scorer);
        var alone = new TokenClassificationPipeline(served.Tagger.Tokenizer, new GatedScorer());
        string[] texts = [.. Enumerable.Range(0, 40)
            .Select(i => string.Join(' ', Enumerable.Range(0, (i * 7 % 30) + 1).Select(word => $"goat{(i * 31) + word}")))];

        var answers = texts.Select((text, i) => served.AskAsync(i % 2 == 0 ? ServedModel.Request(text, "none") : ServedModel.Request([text, "bees", text])))
            .ToArray();
        await served.UntilAsync(InLine, texts.Length);
        scorer.IsOpen = true;
        scorer.Let(1);
        await Task.WhenAll(answers);

        Assert.True(scorer.Calls.Count < texts.Length / 2, $"{scorer.Calls.Count} calls for {texts.Length} requests");
        for (var i = 0; i < texts.Length; i++)
        {
            var answer = JsonNode.Parse(await answers[i])!.AsArray();
            var lists = i % 2 == 0 ? [answer] : answer.Select(list => list!.AsArray()).ToArray();
            Assert.Equal(i % 2 == 0 ? 1 : 3, lists.Length);
            var expected = alone.Classify(texts[i], i % 2 == 0 ? AggregationStrategy.None : AggregationStrategy.Simple);
            Assert.Equal(expected.Select(entity => (entity.Word, entity.Start, entity.Score)),
                lists[0].Select(entity => ((string)entity!["word"]!, (int)entity["start"]!, (float)entity["score"]!)));
            Assert.Equal(lists[0].ToJsonString(), lists[^1].ToJsonString());
        }
    }

    [Fact]
    public async Task A_large_request_does_not_keep_a_small_one_waiting_to_its_end()
    {
        var scorer = new GatedScorer { IsOpen = false };
        await using var served = await ServedModel.StartAsync(scorer);
        var large = served.AskAsync(ServedModel.Request(Enumerable.Repeat(string.Join(' ', Enumerable.Repeat("goat", 300)), 40)));
        await served.UntilAsync(InLine, 1);
        var small = served.AskAsync(ServedModel.Request("bees"));
        await served.UntilAsync(InLine, 2);

        scorer.Let(2);
        await small;

        Assert.False(large.IsCompleted);
        scorer.Let(100);
        Assert.Equal(40, JsonNode.Parse(await large)!.AsArray().Count);
    }

    [Fact]
    public async Task A_full_line_sends_clients_away_for_a_while_and_answers_those_in_it()
    {
        var scorer = new GatedScorer { IsOpen = false };
        await using var served = await ServedModel.StartAsync(scorer, new() { LineLength = 3 });
        var first = Enumerable.Range(0, 3).Select(_ => served.AskAsync(ServedModel.Request("goat"))).ToArray();
        await served.UntilAsync(InLine, 3);

        using var refused = await served.PostAsync(ServedModel.Request("goat"), cancel: Cancel);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.InRange(refused.Headers.RetryAfter!.Delta!.Value.TotalSeconds, 1, 60);
        scorer.Let(3);
        await Task.WhenAll(first);
        scorer.IsOpen = true;
        await served.AskAsync(ServedModel.Request("goat"));
    }

    [Fact]
    public async Task A_request_whose_time_is_over_is_told_so_and_its_work_is_dropped()
    {
        var (scorer, time) = (new GatedScorer { IsOpen = false }, new FakeTimeProvider());
        await using var served = await ServedModel.StartAsync(scorer, new() { Time = time });
        var running = served.PostAsync(ServedModel.Request("goat"), cancel: Cancel);
        await scorer.UntilCalledAsync(1);
        var waiting = served.PostAsync(ServedModel.Request("bees bees"), cancel: Cancel);
        await served.UntilAsync(InLine, 2);

        time.Advance(TimeSpan.FromSeconds(31));

        foreach (var late in new[] { running, waiting })
        {
            using var response = await late;
            Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
            Assert.NotNull(response.Headers.RetryAfter);
            Assert.Contains("30 s", await response.Content.ReadAsStringAsync(Cancel), StringComparison.Ordinal);
        }

        scorer.IsOpen = true;
        scorer.Let(1);
        await served.AskAsync(ServedModel.Request("a third"));
        Assert.Equal(1, await served.MetricAsync("ner_requests_dropped_total"));
        Assert.Equal(2, scorer.Calls.Count);
    }

    [Fact]
    public async Task The_work_of_a_client_that_goes_away_is_dropped_if_it_has_not_begun()
    {
        var scorer = new GatedScorer { IsOpen = false };
        await using var served = await ServedModel.StartAsync(scorer);
        var running = served.AskAsync(ServedModel.Request("goat"));
        await scorer.UntilCalledAsync(1);
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var gone = served.PostAsync(ServedModel.Request("bees bees bees"), cancel: leaving.Token);
        await served.UntilAsync(InLine, 2);

        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        await served.UntilAsync("ner_requests_total{status=\"499\"}", 1);
        scorer.IsOpen = true;
        scorer.Let(1);
        await running;
        await served.AskAsync(ServedModel.Request("goat"));

        Assert.Equal([1, 1], scorer.Calls.Select(call => call.Length));
        Assert.Equal(0, await served.MetricAsync(InLine));
    }

    [Fact]
    public async Task A_network_that_fails_fails_its_own_turn_alone_and_nothing_of_a_text_is_told()
    {
        var scorer = new GatedScorer { Fault = new InvalidOperationException($"cannot compute {Secret}") };
        await using var served = await ServedModel.StartAsync(scorer);

        var answer = await served.AskAsync(ServedModel.Request(Secret), HttpStatusCode.InternalServerError);

        Assert.DoesNotContain(Secret, answer, StringComparison.Ordinal);
        Assert.Contains(nameof(InvalidOperationException), served.Said, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, served.Said, StringComparison.Ordinal);
        await served.AskAsync(ServedModel.Request(Secret));
        Assert.Equal(0, await served.MetricAsync(InLine));
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{\"inputs\": ")]
    [InlineData("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"inp\r\nzz\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n")]
    [InlineData("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}")]
    [InlineData("\0\u0001\u0002 nonsense\r\n\r\n")]
    [InlineData("GET /\r\n")]
    public async Task Broken_clients_leave_the_server_as_it_was(string sent)
    {
        await using var served = await ServedModel.StartAsync(new GatedScorer());
        using (var socket = await ConnectAsync(served))
        {
            await socket.SendAsync(Encoding.Latin1.GetBytes(sent), Cancel);
            socket.Shutdown(SocketShutdown.Send);
            var answer = await ReadToEndAsync(socket);
            Assert.DoesNotContain("200 OK", answer, StringComparison.Ordinal);
        }

        await served.AskAsync(ServedModel.Request("goat"));
        Assert.Equal("", served.Said);
    }

    [Fact]
    public async Task A_slow_client_is_waited_for_while_others_are_answered()
    {
        await using var served = await ServedModel.StartAsync(new GatedScorer());
        using var socket = await ConnectAsync(served);
        var body = ServedModel.Request("goat");
        await socket.SendAsync(Encoding.ASCII.GetBytes($"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: "
            + $"{body.Length}\r\n\r\n{body[..9]}"), Cancel);

        await served.AskAsync(ServedModel.Request("bees"));

        await socket.SendAsync(Encoding.ASCII.GetBytes(body[9..]), Cancel);
        Assert.StartsWith("HTTP/1.1 200 OK", await ReadToEndAsync(socket), StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_than_the_server_takes_is_refused_with_413()
    {
        await using var served = await ServedModel.StartAsync(new GatedScorer(), new() { MostBytes = 2000, MostTexts = 4 });

        Assert.Contains("2000 bytes", await served.AskAsync(ServedModel.Request(new string('a', 2000)), HttpStatusCode.RequestEntityTooLarge),
            StringComparison.Ordinal);
        Assert.Contains("at most 4", await served.AskAsync(ServedModel.Request(Enumerable.Repeat("a", 5)), HttpStatusCode.RequestEntityTooLarge),
            StringComparison.Ordinal);
        using (var request = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new StreamContent(new MemoryStream(new byte[5000])) })
        {
            request.Headers.TransferEncodingChunked = true;
            using var response = await served.Client.SendAsync(request, Cancel);
            Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
        }

        await served.AskAsync(ServedModel.Request(Enumerable.Repeat("a", 4)));
    }

    [Fact]
    public async Task Paths_and_methods_that_are_none_are_told_what_there_is()
    {
        await using var served = await ServedModel.StartAsync(new GatedScorer());

        Assert.Contains("org/demo", await served.AskAsync("{}", HttpStatusCode.NotFound, "/models/another"), StringComparison.Ordinal);
        await served.AskAsync("{}", HttpStatusCode.NotFound, "/elsewhere");
        await served.AskAsync("{}", HttpStatusCode.MethodNotAllowed, "/health");
        foreach (var (method, path, expected, allowed)
            in new[] { ("GET", "/models/demo", 405, "POST"), ("DELETE", "/", 405, "GET, HEAD, POST"), ("GET", "/../etc/passwd", 404, ""),
            ("HEAD", "/", 200, ""), ("HEAD", "/health", 200, "") })
        {
            using var response = await served.Client.SendAsync(new HttpRequestMessage(new(method), path), Cancel);
            Assert.Equal((expected, allowed), ((int)response.StatusCode, string.Join(", ", response.Content.Headers.Allow)));
        }

        using var packed = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new StringContent(ServedModel.Request("goat")) };
        packed.Content.Headers.ContentEncoding.Add("gzip");
        using var unread = await served.Client.SendAsync(packed, Cancel);
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, unread.StatusCode);
    }

    [Fact]
    public async Task A_token_is_asked_for_everywhere_and_taken_from_programs_and_browsers()
    {
        await using var served = await ServedModel.StartAsync(new GatedScorer(), new() { Token = "s3cret:token" });
        var basic = Convert.ToBase64String(Encoding.UTF8.GetBytes("anybody:s3cret:token"));

        foreach (var path in new[] { "/", "/health", "/metrics", "/serve.js", "/nothing" })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(served, path, null));
        }

        foreach (var wrong in new[] { "Bearer", "Bearer wrong", "Bearer s3cret:toke", "Bearer s3cret:token2", "Basic s3cret:token", "Basic ####",
            "s3cret:token", "Digest s3cret:token" })
        {
            Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(served, "/health", wrong));
        }

        Assert.Equal(HttpStatusCode.OK, await StatusAsync(served, "/health", "Bearer s3cret:token"));
        Assert.Equal(HttpStatusCode.OK, await StatusAsync(served, "/", "basic " + basic));
        Assert.Contains("token", await served.AskAsync(ServedModel.Request("goat"), HttpStatusCode.Unauthorized), StringComparison.Ordinal);
        served.Client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "s3cret:token");
        await served.AskAsync(ServedModel.Request("goat"));
    }

    [Theory]
    [InlineData("Host", "evil.example", 403)]
    [InlineData("Host", "localhost.evil.example:80", 403)]
    [InlineData("Host", "10.0.0.1", 403)]
    [InlineData("Host", "localhost", 200)]
    [InlineData("Host", "[::1]:9", 200)]
    [InlineData("Origin", "http://evil.example", 403)]
    [InlineData("Origin", "null", 403)]
    [InlineData("Sec-Fetch-Site", "cross-site", 403)]
    [InlineData("Sec-Fetch-Site", "same-site", 403)]
    [InlineData("Sec-Fetch-Site", "same-origin", 200)]
    public async Task Pages_of_other_sites_are_turned_away_by_whatever_name_they_come(string header, string value, int expected)
    {
        await using var served = await ServedModel.StartAsync(new GatedScorer());
        using var request = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new StringContent(ServedModel.Request("goat")) };
        request.Headers.TryAddWithoutValidation(header, value);

        using var response = await served.Client.SendAsync(request, Cancel);

        Assert.Equal(expected, (int)response.StatusCode);
    }

    [Fact]
    public async Task A_page_of_our_own_may_ask()
    {
        await using var served = await ServedModel.StartAsync(new GatedScorer());
        using var request = new HttpRequestMessage(HttpMethod.Post, "/") { Content = new StringContent(ServedModel.Request("goat")) };
        request.Headers.TryAddWithoutValidation("Origin", served.Server.Address.GetLeftPart(UriPartial.Authority));

        using var response = await served.Client.SendAsync(request, Cancel);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task A_stop_finishes_what_was_begun_and_refuses_what_comes()
    {
        var scorer = new GatedScorer { IsOpen = false };
        await using var served = await ServedModel.StartAsync(scorer);
        var begun = Enumerable.Range(0, 5).Select(i => served.AskAsync(ServedModel.Request($"goat {i}"))).ToArray();
        await served.UntilAsync(InLine, 5);

        var stop = served.Server.StopAsync();

        using (var refused = await served.PostAsync(ServedModel.Request("goat"), cancel: Cancel))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
            Assert.NotNull(refused.Headers.RetryAfter);
            Assert.True(refused.Headers.ConnectionClose);
        }

        using (var health = await served.Client.GetAsync("/health", Cancel))
        {
            Assert.Equal((HttpStatusCode.ServiceUnavailable, "stopping"),
                (health.StatusCode, (string)JsonNode.Parse(await health.Content.ReadAsStringAsync(Cancel))!["status"]!));
        }

        Assert.False(stop.IsCompleted);
        scorer.IsOpen = true;
        scorer.Let(5);
        await Task.WhenAll(begun);
        await stop;
        await Assert.ThrowsAsync<HttpRequestException>(() => served.PostAsync(ServedModel.Request("goat"), cancel: Cancel));
    }

    [Fact]
    public async Task Health_and_metrics_tell_what_was_done()
    {
        await using var served = await ServedModel.StartAsync(new GatedScorer());
        await served.AskAsync(ServedModel.Request(["goat", "bees"]));
        await served.AskAsync("{}", HttpStatusCode.BadRequest);

        Assert.Equal("""{"status":"ok","model":"org/demo"}""", await served.Client.GetStringAsync("/health", Cancel));
        Assert.Equal(2, await served.MetricAsync("ner_texts_total"));
        Assert.Equal(1, await served.MetricAsync("ner_requests_total{status=\"200\"}"));
        Assert.Equal(1, await served.MetricAsync("ner_requests_total{status=\"400\"}"));
        Assert.Equal(2, await served.MetricAsync("ner_turn_windows_sum"));
    }

    [Fact]
    public async Task The_page_names_what_it_shows_and_runs_no_script_but_its_own()
    {
        await using var served = await ServedModel.StartAsync(new GatedScorer(), new() { Names = ["<b>\"model\"</b>"] });
        using var response = await served.Client.GetAsync("/", Cancel);
        var html = await response.Content.ReadAsStringAsync(Cancel);
        var page = await new HtmlParser().ParseDocumentAsync(html, Cancel);

        var policy = Assert.Single(response.Headers.GetValues("Content-Security-Policy"));
        Assert.StartsWith("default-src 'none';", policy, StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
        Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
        Assert.Equal("<b>\"model\"</b>", page.QuerySelector("h1")!.TextContent);
        Assert.DoesNotContain(page.All,
            element => element.Attributes.Any(attribute => attribute.Name.StartsWith("on", StringComparison.Ordinal) || attribute.Name == "style"));
        Assert.All(page.QuerySelectorAll("script"), script => Assert.Equal(("serve.js", ""), (script.GetAttribute("src"), script.TextContent)));
        Assert.All(page.QuerySelectorAll("textarea, select, input"),
            field => Assert.True(field.Closest("label") is not null || page.QuerySelector($"label[for={field.Id}]") is not null, field.OuterHtml));
        Assert.Equal("polite", page.QuerySelector("#status")!.GetAttribute("aria-live"));
        foreach (var name in page.QuerySelectorAll("[src], link[rel=stylesheet]")
            .Select(element => element.GetAttribute("src") ?? element.GetAttribute("href")))
        {
            Assert.NotEmpty(await served.Client.GetStringAsync("/" + name, Cancel));
        }
    }

    private static async Task<HttpStatusCode> StatusAsync(ServedModel served, string path, string? authorization)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        }

        using var response = await served.Client.SendAsync(request, Cancel);
        Assert.Equal(response.StatusCode == HttpStatusCode.Unauthorized, response.Headers.WwwAuthenticate.Count > 0);
        return response.StatusCode;
    }

    private static async Task<Socket> ConnectAsync(ServedModel served)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, served.Server.Address.Port, Cancel);
        return socket;
    }

    private static async Task<string> ReadToEndAsync(Socket socket)
    {
        var (text, buffer) = (new StringBuilder(), new byte[4096]);
        try
        {
            while (await socket.ReceiveAsync(buffer, Cancel) is > 0 and var count)
            {
                text.Append(Encoding.Latin1.GetString(buffer, 0, count));
            }
        }
        catch (SocketException)
        {
            // Cut off: what came before counts.
        }

        return text.ToString();
    }
}
