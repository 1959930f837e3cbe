using System.Net;
using System.Text;
using System.Text.Json;

namespace NotebookLib.Bench.Inputs;

/// <summary>
/// A W&amp;B server that takes everything and keeps only counts: enough to keep the tracker's sender at work beside the thread that is timed.
/// </summary>
internal sealed class SwallowingServer : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly Task _work;

    /// <summary>Begins to listen on a free port of this machine.</summary>
    public SwallowingServer()
    {
        // HttpListener cannot choose a port itself.
        using (var probe = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0))
        {
            probe.Start();
            Url = $"http://127.0.0.1:{((IPEndPoint)probe.LocalEndpoint).Port}";
        }

        _listener.Prefixes.Add(Url + "/");
        _listener.Start();
        _work = ServeAsync();
    }

    /// <summary>Its address.</summary>
    public string Url { get; }

    /// <summary>History lines that it has, by their numbers: what came twice counts once.</summary>
    public long Rows { get; private set; }

    /// <summary>Lines whose number did not follow the one before.</summary>
    public long Gaps { get; private set; }

    /// <inheritdoc/>
    public void Dispose()
    {
        _listener.Close();
        _work.Wait(TimeSpan.FromSeconds(5));
    }

    private async Task ServeAsync()
    {
        while (_listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception fault) when (fault is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            var answer = Encoding.UTF8.GetBytes(Answer(context.Request));
            context.Response.ContentLength64 = answer.Length;
            await context.Response.OutputStream.WriteAsync(answer);
            context.Response.Close();
        }
    }

    private string Answer(HttpListenerRequest request)
    {
        if (request.HttpMethod == "PUT")
        {
            request.InputStream.CopyTo(Stream.Null);
            return "";
        }

        using var body = JsonDocument.Parse(request.InputStream);
        if (request.Url!.AbsolutePath != "/graphql")
        {
            Count(body.RootElement);
            return "{}";
        }

        return body.RootElement.GetProperty("operationName").GetString() switch
        {
            "Viewer" => """{"data":{"viewer":{"entity":"bench"}}}""",
            "UpsertBucket" =>
                """{"data":{"upsertBucket":{"bucket":{"id":"r","displayName":"bench","project":{"name":"bench","entity":{"name":"bench"}}},"inserted":true}}}""",
            "CreateRunFiles" => JsonSerializer.Serialize(new { data = new { createRunFiles = new { files = Files(body.RootElement) } } }),
            _ => """{"data":{}}""",
        };
    }

    private object[] Files(JsonElement call)
        => [.. call.GetProperty("variables").GetProperty("files").EnumerateArray()
            .Select(name => new { name = name.GetString(), uploadUrl = $"{Url}/{Uri.EscapeDataString(name.GetString()!)}" })];

    private void Count(JsonElement body)
    {
        if (body.TryGetProperty("files", out var files) && files.TryGetProperty("wandb-history.jsonl", out var chunk))
        {
            var offset = chunk.GetProperty("offset").GetInt64();
            Gaps += offset > Rows ? 1 : 0;
            Rows = Math.Max(Rows, offset + chunk.GetProperty("content").GetArrayLength());
        }
    }
}
