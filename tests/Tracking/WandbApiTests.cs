using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using Flurl.Http.Testing;
using NotebookLib.Net;
using NotebookLib.Tracking;

namespace NotebookLib.Tests.Tracking;

/// <summary>W&amp;B's calls and the connections below them, against Flurl's own fake.</summary>
public sealed class WandbApiTests : IDisposable
{
    private const string KeyText = "0123456789abcdef0123456789abcdef01234567";
    private const string Address = "https://wandb.test";
    private static readonly RunPlace Place = new("", null, "e", "p", "r");
    private static readonly byte[] Body = "{\"a\":1}"u8.ToArray();
    private static readonly byte[] Content = "content"u8.ToArray();

    private readonly HttpTest _test = new();
    private readonly List<(string Reason, double Seconds)> _waits = [];
    private readonly string _file = Path.GetTempFileName();

    public WandbApiTests() => File.WriteAllBytes(_file, Content);

    public void Dispose()
    {
        _test.Dispose();
        File.Delete(_file);
    }

    [Fact]
    public async Task Calls_carry_the_key_and_uploads_do_not()
    {
        using var api = Create();
        Respond("""{"data":{}}""");
        await QueryAsync(api);
        await UploadAsync(api, "https://storage.test/x?sig=a%2Fb", ["Content-MD5:abc:def==", "x-amz-acl: private"], _file);

        var (call, upload) = (_test.CallLog[0].HttpRequestMessage, _test.CallLog[1].HttpRequestMessage);
        Assert.Equal("Basic " + Convert.ToBase64String(Encoding.ASCII.GetBytes("api:" + KeyText)), call.Headers.GetValues("Authorization").Single());
        Assert.Equal("application/json", call.Content!.Headers.ContentType!.ToString());
        Assert.Equal(["User-Agent", "x-amz-acl"], upload.Headers.Select(header => header.Key));
        Assert.False(upload.Content!.Headers.Contains("x-amz-acl"), "it would be sent twice");
        // Values may hold colons, and are sent as they came.
        Assert.Equal("abc:def==", upload.Content!.Headers.NonValidated["Content-MD5"].Single());
        Assert.Null(upload.Content.Headers.ContentType);
        Assert.DoesNotContain(KeyText, _test.CallLog.Select(one => one.HttpRequestMessage.RequestUri!.OriginalString).Aggregate(string.Concat),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/a%2Fb?sig=a%2Fb%7Ec%3D%3D&x=%C3%A4+b")]
    [InlineData("/a/../b?q=<>")]
    public async Task Signed_addresses_and_their_headers_go_out_as_they_were_written(string target)
    {
        _test.AllowRealHttp();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var api = Create(TimeProvider.System);
        var put = UploadAsync(api, $"http://{listener.LocalEndpoint}{target}", ["Content-MD5:abc:def==", "x-amz-acl: private"], _file);

        using var connection = await listener.AcceptTcpClientAsync(Cancel);
        using var reader = new StreamReader(connection.GetStream());
        var line = await reader.ReadLineAsync(Cancel);
        List<string> headers = [];
        while (await reader.ReadLineAsync(Cancel) is { Length: > 0 } header)
        {
            headers.Add(header);
        }

        await connection.GetStream().WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"u8.ToArray(), Cancel);

        await put;
        Assert.Equal($"PUT {target} HTTP/1.1", line);
        Assert.Equal(["Content-Length: 7", "Content-MD5: abc:def==", "x-amz-acl: private"], headers
            .Where(header => header.Split(':')[0] is not ("Host" or "User-Agent" or "Accept-Encoding")).Order(StringComparer.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("ftp://storage.test/x")]
    [InlineData("file:///etc/passwd")]
    [InlineData("nonsense")]
    public async Task Addresses_that_are_none_to_send_files_to_are_refused(string url)
    {
        using var api = Create();

        await Assert.ThrowsAsync<TrackingException>(() => UploadAsync(api, url, [], _file));
        Assert.Empty(_test.CallLog);
    }

    [Theory]
    [InlineData(302)]
    [InlineData(400)]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(409)]
    [InlineData(410)]
    [InlineData(413)]
    [InlineData(422)]
    [InlineData(501)]
    public async Task Some_answers_are_final(int status)
    {
        Respond("no", status);
        using var api = Create();

        var fault = await Assert.ThrowsAsync<TrackingException>(() => QueryAsync(api));

        Assert.Contains($"HTTP {status}: no", fault.Message, StringComparison.Ordinal);
        Assert.Single(_test.CallLog);
        Assert.Empty(_waits);
    }

    [Theory]
    [InlineData(408)]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task Others_may_pass(int status)
    {
        Respond("", status);
        Respond("", status);
        Respond("{}");
        using var api = Create();

        Assert.NotNull(await api.FileStreamAsync(Place, Body, gzip: false, Cancel));

        Assert.Equal(3, _test.CallLog.Count);
        Assert.All(_waits, wait => Assert.StartsWith($"HTTP {status}", wait.Reason, StringComparison.Ordinal));
        Assert.InRange(_waits[0].Seconds, 2, 2.5);
        Assert.InRange(_waits[1].Seconds, 4, 5);
    }

    [Fact]
    public async Task A_conflict_may_pass_only_where_it_is_said_to()
    {
        Respond("", 409);
        Respond("""{"data":{}}""");
        using var api = Create();

        await api.QueryAsync("O", "query O", [], Cancel, retryConflict: true);

        Assert.Equal(2, _test.CallLog.Count);
    }

    [Theory]
    [InlineData("7", 7)]
    [InlineData("0", 0)]
    [InlineData("999999999", 3600)]
    public async Task Retry_After_is_obeyed_within_reason(string header, double seconds)
    {
        Respond("", 429, retryAfter: header);
        Respond("""{"data":{}}""");
        using var api = Create();

        await QueryAsync(api);

        Assert.Equal(seconds, _waits.Single().Seconds);
    }

    [Fact]
    public async Task Retry_After_may_be_a_date()
    {
        var clock = new ScaledClock(1000);
        Respond("", 503, retryAfter: (clock.GetUtcNow() + TimeSpan.FromMinutes(10)).ToString("R"));
        Respond("""{"data":{}}""");
        using var api = Create(clock);

        await QueryAsync(api);

        // The clock goes on meanwhile, and a header's date has whole seconds.
        Assert.InRange(_waits.Single().Seconds, 1, 600);
    }

    [Fact]
    public async Task Waits_double_up_to_a_minute_and_end_after_20_tries()
    {
        for (var i = 0; i < 30; i++)
        {
            Respond("", 500);
        }

        using var api = Create(new ScaledClock(100_000));

        var fault = await Assert.ThrowsAsync<TransientException>(() => QueryAsync(api));

        Assert.Equal(("HTTP 500", 21, 20), (fault.Message, _test.CallLog.Count, _waits.Count));
        Assert.All(_waits.Index(), wait =>
            Assert.InRange(wait.Item.Seconds, Math.Min(60, 2 * Math.Pow(2, wait.Index)), Math.Min(60, 2.5 * Math.Pow(2, wait.Index))));
    }

    [Fact]
    public async Task A_time_out_may_pass()
    {
        _test.SimulateTimeout();
        Respond("""{"data":{}}""");
        using var api = Create();

        await UploadAsync(api, "https://storage.test/x", [], _file);

        Assert.Equal(2, _test.CallLog.Count);
        Assert.StartsWith("no connection within", _waits.Single().Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_gone_is_no_reason_to_wait()
    {
        using var api = Create();

        await Assert.ThrowsAsync<FileNotFoundException>(() => UploadAsync(api, "https://storage.test/x", [], _file + ".gone"));
        Assert.Empty(_waits);
    }

    [Fact]
    public async Task Compressed_bodies_say_so()
    {
        Respond("{}");
        using var api = Create();

        await api.FileStreamAsync(Place, Body, gzip: true, Cancel);

        // The body itself is read by the fake server (StreamBatchTests).
        Assert.Equal("gzip", _test.CallLog.Single().Request.Content!.Headers.ContentEncoding.Single());
    }

    [Fact]
    public async Task Names_are_escaped_in_addresses()
    {
        Respond("{}");
        using var api = Create();

        await api.FileStreamAsync(new("", null, "an entity", "a/b?", "é"), Body, gzip: false, Cancel);

        Assert.Equal(Address + "/files/an%20entity/a%2Fb%3F/%C3%A9/file_stream", _test.CallLog.Single().HttpRequestMessage.RequestUri!.AbsoluteUri);
    }

    [Theory]
    [InlineData("""{"exitcode":null,"limits":{}}""", false, null)]
    [InlineData("{}", false, null)]
    [InlineData("""{"stopped":true,"limits":{"heartbeat_seconds":15}}""", true, 15.0)]
    [InlineData("""{"stopped":"yes","limits":[1]}""", false, null)]
    [InlineData("""{"stopped":1,"limits":{"heartbeat_seconds":"often"}}""", false, null)]
    [InlineData("[]", false, null)]
    [InlineData("<html>", false, null)]
    [InlineData("", false, null)]
    public async Task Any_answer_of_the_stream_is_understood(string text, bool stopped, double? heartbeat)
    {
        Respond(text);
        using var api = Create();

        Assert.Equal(new FileStreamAnswer(stopped, heartbeat), await api.FileStreamAsync(Place, Body, gzip: false, Cancel));
    }

    [Theory]
    [InlineData(200, """{"data":{"upsertBucket":null},"errors":[{"message":"permission denied"}]}""", nameof(TrackingFault.WrongEntity), "permission denied")]
    [InlineData(200, """{"data":null,"errors":[{"message":"entity nobody not found"}]}""", nameof(TrackingFault.WrongEntity), "entity nobody not found")]
    [InlineData(200, """{"data":null,"errors":[{"message":"invalid project name"}]}""", nameof(TrackingFault.UnknownProject), "WANDB_PROJECT")]
    [InlineData(401, """{"errors":[{"message":"user is not logged in"}]}""", nameof(TrackingFault.WrongKey), "/authorize")]
    [InlineData(403, "", nameof(TrackingFault.WrongEntity), "HTTP 403")]
    [InlineData(400, """{"errors":[{"message":"your key 0123456789abcdef0123456789abcdef01234567 is nonsense"}]}""", nameof(TrackingFault.Refused),
        "your key <WANDB_API_KEY> is nonsense")]
    [InlineData(200, """{"data":{}}""", nameof(TrackingFault.Refused), "is https://wandb.test a W&B server?")]
    [InlineData(200, """{"data":{"upsertBucket":{"bucket":{"project":7}}}}""", nameof(TrackingFault.Refused), "is https://wandb.test a W&B server?")]
    [InlineData(200, "<html>a proxy's page</html>", nameof(TrackingFault.Refused), "is https://wandb.test a W&B server?")]
    public async Task Refusals_say_what_to_do_and_are_not_tried_again(int status, string text, string fault, string expected)
    {
        Respond(text, status);
        using var api = Create();

        var refusal = await Assert.ThrowsAsync<TrackingException>(() => api.UpsertBucketAsync(new JsonObject { ["name"] = "r" }, Cancel));

        Assert.Equal(fault, refusal.Fault.ToString());
        Assert.Contains(expected, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(KeyText, refusal.ToString(), StringComparison.Ordinal);
        Assert.Single(_test.CallLog);
    }

    [Fact]
    public async Task A_key_that_belongs_to_nobody_is_wrong()
    {
        Respond("""{"data":{"viewer":null}}""");
        using var api = Create();

        Assert.Equal(TrackingFault.WrongKey, (await Assert.ThrowsAsync<TrackingException>(() => api.CheckKeyAsync(Cancel))).Fault);
    }

    [Fact]
    public async Task A_server_that_does_not_know_features_has_none()
    {
        Respond("""{"errors":[{"message":"Cannot query field \"features\" on type \"ServerInfo\"."}]}""");
        using var api = Create();

        Assert.Empty(await api.FeaturesAsync(Cancel));
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private void Respond(string text, int status = 200, string? retryAfter = null)
        => _test.RespondWith(text, status, retryAfter is null ? null : new Dictionary<string, string> { ["Retry-After"] = retryAfter });

    private static Task QueryAsync(WandbApi api) => api.QueryAsync("O", "query O", [], Cancel);

    private static Task UploadAsync(WandbApi api, string url, IReadOnlyList<string> headers, string file)
        => api.UploadAsync(new("x", url, headers), file, Cancel);

    private WandbApi Create(TimeProvider? clock = null) => new(
        new() { BaseUrl = Address, Key = TrackingSettings.KeyOf(KeyText) }, clock ?? new ScaledClock(1000),
        (reason, wait) => _waits.Add((reason, wait.TotalSeconds)));
}
