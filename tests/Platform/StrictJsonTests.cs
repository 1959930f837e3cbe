using System.Text;
using System.Text.Json;
using NotebookLib.Platform;
using NotebookLib.Tests.Data;

namespace NotebookLib.Tests.Platform;

public sealed class StrictJsonTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("""{"a":"\ud800"}""", "half a surrogate pair")]
    [InlineData("""{"a\udfff":1}""", "half a surrogate pair")]
    [InlineData("""{"a":1,"a":2}""", "uplicate")]
    [InlineData("""{"a":{"b":1,"b":2}}""", "uplicate")]
    [InlineData("""{"a":[[[[1]]]]}""", "depth")]
    [InlineData("""{"a":NaN}""", "N")]
    [InlineData("""{"a":1,}""", "trailing comma")]
    [InlineData("", "JSON")]
    public void What_System_Text_Json_would_pass_or_find_later_is_refused_at_once(string json, string reason)
    {
        Assert.Contains(reason, Assert.ThrowsAny<JsonException>(() => StrictJson.Parse(Encoding.UTF8.GetBytes(json), 4)).Message, StringComparison.Ordinal);
        Assert.ThrowsAny<JsonException>(() => StrictJson.ParseNode(json, 4));
    }

    [Fact]
    public void Whole_pairs_and_a_mark_are_read()
    {
        var node = StrictJson.ParseNode("\uFEFF" + """{"a":"\ud83d\ude00\\ud800"}""");

        Assert.Equal("😀\\ud800", (string?)node!["a"]);
    }

    [Theory]
    [InlineData("[1]", "it is no object")]
    [InlineData("{", "not a JSON object")]
    [InlineData("{\"a\":\"\xFF\"}", "not valid UTF-8")]
    [InlineData("{\"long\":\"0123456789012345678901234567890123456789\"}", "51 bytes")]
    public void A_file_is_refused_by_name_with_what_was_expected(string content, string reason)
    {
        var path = _folder.Write("a.json", Encoding.Latin1.GetBytes(content));

        var message = Assert.Throws<InvalidDataException>(() => StrictJson.ReadObject(path, 40, "a thing's settings")).Message;

        Assert.StartsWith(path, message, StringComparison.Ordinal);
        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.Contains("xpected a thing's settings", message, StringComparison.Ordinal);
    }
}
