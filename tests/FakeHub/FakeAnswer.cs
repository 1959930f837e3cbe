using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;

namespace NotebookLib.FakeHub;

/// <summary>What the Hub would say.</summary>
internal sealed record FakeAnswer(int Status, FakeFile? File = null)
{
    public Dictionary<string, string> Headers { get; init; } = [];

    public static FakeAnswer Error(int status, string code, string message) => new(status, FakeFile.Text(new JsonObject { ["error"] = message }.ToJsonString()))
    {
        Headers = { ["X-Error-Code"] = code, ["X-Error-Message"] = message },
    };

    public static FakeAnswer Json(JsonNode json) => new(200, FakeFile.Text(json.ToJsonString())) { Headers = { ["Content-Type"] = "application/json" } };

    /// <summary>Sends it, with the body's faults.</summary>
    public async Task SendAsync(HttpContext context, FakeRequest request, FakeFault fault)
    {
        var response = context.Response;
        var (from, size) = (0L, File?.SizeBytes ?? 0);
        response.StatusCode = Status;
        if (Status == 200 && request.Method == "GET" && request["Range"] is { } range && !fault.IgnoreRange)
        {
            from = long.Parse(range["bytes=".Length..].TrimEnd('-'), CultureInfo.InvariantCulture);
            response.StatusCode = from < (fault.TruncateToBytes ?? size) ? 206 : 416;
            response.Headers.ContentRange = response.StatusCode == 206 ? $"bytes {from}-{size - 1}/{size}" : $"bytes */{size}";
        }

        foreach (var (name, value) in Headers.Concat(fault.Headers))
        {
            response.Headers[name] = value;
        }

        var end = response.StatusCode == 416 ? from : Math.Min(fault.TruncateToBytes ?? size, size);
        response.ContentLength = end - from;
        if (request.Method == "HEAD" || end == from)
        {
            return;
        }

        using var body = fault.Body is null ? File!.Open() : new MemoryStream(Encoding.UTF8.GetBytes(fault.Body));
        response.ContentLength = fault.Body is null ? end - from : body.Length;
        body.Seek(fault.Body is null ? from : 0, SeekOrigin.Begin);
        await CopyAsync(context, body, response.ContentLength.Value, fault).ConfigureAwait(false);
    }

    private static async Task CopyAsync(HttpContext context, Stream body, long length, FakeFault fault)
    {
        var buffer = new byte[fault.BytesPerSecond > 0 ? Math.Max(1, fault.BytesPerSecond / 20) : 1 << 16];
        var sent = 0L;
        while (sent < length)
        {
            var wanted = Math.Min(buffer.Length, Math.Min(length, fault.ResetAfterBytes ?? length) - sent);
            if (wanted <= 0)
            {
                await context.Response.Body.FlushAsync().ConfigureAwait(false);
                // Give the bytes time to leave before the connection is cut.
                await Task.Delay(20).ConfigureAwait(false);
                context.Abort();
                return;
            }

            var count = await body.ReadAsync(buffer.AsMemory(0, (int)wanted)).ConfigureAwait(false);
            if (fault.Damage && sent == 0)
            {
                buffer[0] ^= 1;
            }

            await context.Response.Body.WriteAsync(buffer.AsMemory(0, count), context.RequestAborted).ConfigureAwait(false);
            sent += count;
            if (fault.BytesPerSecond > 0)
            {
                await Task.Delay(50, context.RequestAborted).ConfigureAwait(false);
            }
        }
    }
}
