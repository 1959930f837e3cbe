using System.Buffers.Binary;
using System.Text;
using NotebookLib.Model;

namespace NotebookLib.Tests.Model;

/// <summary>Files that lie about themselves: each is refused with a word on why, before memory is spent on it.</summary>
public sealed class HostileSafetensorsTests : IDisposable
{
    private const string Good = """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""";
    private readonly string _path = Path.GetTempFileName() + ".safetensors";

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void The_sound_file_that_the_others_are_made_from_is_read()
    {
        Write(Good, 8);
        using var file = SafetensorsFile.Open(_path);

        Assert.Equal([2], file.Tensors["a"].Shape);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}""", 8, "negative")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", 8, "negative")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", 8, "rising")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}""", 8, "needs 12")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 4, "is the download complete")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 12, "need 8 bytes of data, the file has 12")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "overlaps")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}""", 16, "hole")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}""", 16, "uplicate")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 8, "a:")]
    [InlineData("""{"a":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,8]}}""", 8, "a:")]
    [InlineData("""{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,8]}}""", 8, "F4")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2]}}""", 8, "data_offsets")]
    [InlineData("""{"a":[1,2]}""", 8, "a:")]
    [InlineData("""{"a":{"dtype":7,"shape":"x","data_offsets":{}}}""", 8, "a:")]
    [InlineData("""{"__metadata__":{"format":3}}""", 0, "safetensors")]
    [InlineData("""[{"a":1}]""", 0, "'{'")]
    [InlineData("""{"a":""", 0, "safetensors")]
    public void A_lying_header_is_refused(string header, int dataBytes, string expected)
    {
        Write(header, dataBytes);

        var error = Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(_path));
        Assert.Contains(expected, error.Message);
        Assert.Contains(_path, error.Message);
    }

    [Theory]
    [InlineData(4UL << 30)]
    [InlineData(ulong.MaxValue)]
    [InlineData(1UL << 63)]
    [InlineData(100UL)]
    public void A_header_longer_than_the_file_is_refused_before_any_of_it_is_read(ulong claimed)
    {
        var bytes = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, claimed);
        File.WriteAllBytes(_path, bytes);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains($"{claimed}", Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(_path)).Message);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void A_file_too_short_for_its_length_is_refused(int bytes)
    {
        File.WriteAllBytes(_path, new byte[bytes]);

        Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(_path));
    }

    [Fact]
    public void A_deeply_nested_header_is_refused()
    {
        Write("{\"a\":" + new string('[', 100_000) + new string(']', 100_000) + "}", 0);

        Assert.Throws<InvalidDataException>(() => SafetensorsFile.Open(_path));
    }

    private void Write(string header, int dataBytes)
    {
        var json = Encoding.UTF8.GetBytes(header);
        var bytes = new byte[8 + json.Length + dataBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)json.Length);
        json.CopyTo(bytes, 8);
        File.WriteAllBytes(_path, bytes);
    }
}
