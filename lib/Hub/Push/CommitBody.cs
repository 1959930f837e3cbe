using System.Net.Http.Headers;
using System.Text.Json.Nodes;

namespace NotebookLib.Hub;

/// <summary>The lines of a commit: a header, then each file, small ones with their content, large ones by hash (HUB.md, writing, step 4).</summary>
internal static class CommitBody
{
    /// <summary>Makes the body.</summary>
    /// <param name="summary">The commit's first line.</param>
    /// <param name="regular">Files whose content travels in the commit.</param>
    /// <param name="large">Files that the storage has.</param>
    public static byte[] Make(string summary, IEnumerable<PushFile> regular, IEnumerable<PushFile> large)
    {
        using var body = new MemoryStream();
        Write("header", new JsonObject { ["summary"] = summary, ["description"] = "" });
        foreach (var file in regular)
        {
            Write("file", new JsonObject { ["path"] = file.Name, ["content"] = Convert.ToBase64String(File.ReadAllBytes(file.Path)), ["encoding"] = "base64" });
        }

        foreach (var file in large)
        {
            Write("lfsFile", new JsonObject { ["path"] = file.Name, ["algo"] = "sha256", ["oid"] = file.Sha256, ["size"] = file.SizeBytes });
        }

        return body.ToArray();

        void Write(string key, JsonObject value)
        {
            using var json = new System.Text.Json.Utf8JsonWriter(body);
            new JsonObject { ["key"] = key, ["value"] = value }.WriteTo(json);
            json.Flush();
            body.WriteByte((byte)'\n');
        }
    }

    /// <summary>The body as a request's content.</summary>
    public static HttpContent Content(byte[] body)
    {
        var content = new ByteArrayContent(body);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/x-ndjson");
        return content;
    }
}
