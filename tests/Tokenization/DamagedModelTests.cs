using System.Buffers.Binary;
using Google.Protobuf;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Tokenization;

/// <summary>spm.model comes from strangers: each way to be wrong is refused with the file's name and the reason.</summary>
public class DamagedModelTests
{
    private static byte[] Tiny => File.ReadAllBytes(SpmFile.TinyPath);

    [Fact]
    public void Every_truncation_is_refused_or_harmless()
    {
        // A cut between two fields leaves a whole protobuf with fewer pieces; whatever is read must then work.
        foreach (var length in Enumerable.Range(1, Tiny.Length - 1).Where(length => length % 37 == 0))
        {
            Attempt(Tiny[..length]);
        }
    }

    [Fact]
    public void Flipped_bytes_are_refused_or_harmless()
    {
        for (var at = 0; at < Tiny.Length; at += 7)
        {
            var damaged = Tiny;
            damaged[at] ^= (byte)(0xFF >> (at % 5));
            Attempt(damaged);
        }
    }

    [Fact]
    public void A_truncated_file_is_named()
    {
        var error = Assert.Throws<InvalidDataException>(() => Read(Tiny[..^5]));

        Assert.Contains("spm.model: not a whole SentencePiece model", error.Message);
    }

    [Theory]
    [InlineData("<html><body>404 Not Found</body></html>")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 2464616\n")]
    [InlineData("{\"model\": {}}")]
    public void Another_kind_of_file_is_refused(string content) =>
        Assert.Throws<InvalidDataException>(() => Read(System.Text.Encoding.UTF8.GetBytes(content)));

    [Fact]
    public void A_model_without_pieces_is_refused() => AssertRefused(new SpmFile { Pieces = [] }, "it has no pieces");

    [Fact]
    public void A_model_of_another_type_is_refused() => AssertRefused(new SpmFile { ModelType = 2 }, "model type is 2 (BPE)");

    [Fact]
    public void Missing_control_pieces_are_named() =>
        AssertRefused(new SpmFile { Pieces = [("[PAD]", 0, 3), ("<s>", 0, 3), ("</s>", 0, 3), ("[UNK]", 0, 2)] }, "lacks [CLS], [SEP]");

    [Fact]
    public void An_unknown_id_that_names_no_unknown_piece_is_refused()
    {
        AssertRefused(new SpmFile { UnknownId = 7 }, "unknown id 7");
        AssertRefused(new SpmFile { UnknownId = 2 }, "unknown id 2");
        AssertRefused(new SpmFile { UnknownId = -1 }, "unknown id -1");
    }

    [Fact]
    public void Empty_double_and_infinite_pieces_are_refused()
    {
        AssertRefused(SpmFile.With(("", -1)), "piece 4");
        AssertRefused(SpmFile.With(("a", -1), ("a", -2)), "piece 5 (\"a\"");
        AssertRefused(SpmFile.With(("a", float.NaN)), "piece 4");
        AssertRefused(SpmFile.With(("a", float.NegativeInfinity)), "piece 4");
    }

    [Fact]
    public void A_length_beyond_the_file_is_refused_without_allocating_it()
    {
        var memory = new MemoryStream();
        using var output = new CodedOutputStream(memory);
        output.WriteTag(1, WireFormat.WireType.LengthDelimited);
        output.WriteLength(int.MaxValue);
        output.Flush();

        Assert.Throws<InvalidDataException>(() => Read(memory.ToArray()));
    }

    [Fact]
    public void A_piece_that_is_not_UTF_8_is_refused()
    {
        var memory = new MemoryStream();
        using var output = new CodedOutputStream(memory);
        SpmFile.WriteMessage(output, 1, piece =>
        {
            piece.WriteTag(1, WireFormat.WireType.LengthDelimited);
            piece.WriteBytes(ByteString.CopyFrom(0xC3, 0x28));
        });
        output.Flush();

        Assert.Throws<InvalidDataException>(() => Read([.. memory.ToArray(), .. new SpmFile().ToBytes()]));
    }

    [Fact]
    public void Rules_that_point_outside_themselves_are_refused()
    {
        AssertRefused(new SpmFile { CharsMap = [1, 2] }, "table of 0 bytes in 2 bytes");
        AssertRefused(new SpmFile { CharsMap = Rules(0xFFFF_FFFC, []) }, "4,294,967,292 bytes");

        // The root's children begin at entry 2^21 of a table of 2.
        AssertRefused(new SpmFile { CharsMap = Rules(8, [(1u << 31) | (1u << 9), 0], "x\0") }, "entry 536,870,912 of a table of 2");
    }

    [Fact]
    public void A_replacement_outside_the_text_or_without_an_end_is_refused()
    {
        // Root at 0 with offset 0x100: the child by 'a' is entry 0x161, and its leaf is its own place xor 0x200.
        var units = new uint[0x400];
        units[0] = 0x100u << 10;
        units[0x161] = 'a' | 0x100 | (0x200u << 10);

        Assert.Equal("ok", RulesOf(units, 1, "xok\0").FindShortest("ab"u8));
        AssertRefused(new SpmFile { CharsMap = WithLeaf(units, 9, "ok\0") }, "replacement at 9");
        AssertRefused(new SpmFile { CharsMap = WithLeaf(units, 0, "ok") }, "replacement at 0");
        AssertRefused(new SpmFile { CharsMap = WithLeaf(units, 0x7FFF_FFFF, "ok\0") }, "replacement at 2,147,483,647");
    }

    [Fact]
    public void Rules_that_lead_in_a_circle_end()
    {
        // The child by 'a' (entry 0x161) has offset 0x161: its children are looked up from 0, as the root's are.
        var units = new uint[0x200];
        units[0] = 0x100u << 10;
        units[0x161] = 'a' | ((0x161u ^ 0x100) << 10);

        Assert.Null(CharsMap.Read(Rules((uint)units.Length * 4, units), "circle").FindShortest("aaaaaaaa"u8));
    }

    [Fact]
    public void Missing_and_empty_files_say_so()
    {
        Assert.Contains("no such file", Assert.Throws<FileNotFoundException>(() => DebertaTokenizer.Load("/no/such/folder/spm.model")).Message);
        Assert.Contains("0 bytes", Assert.Throws<InvalidDataException>(() => Read([])).Message);
        var empty = Directory.CreateTempSubdirectory();
        Assert.Throws<FileNotFoundException>(() => DebertaTokenizer.Load(empty.FullName));
        empty.Delete();
    }

    [Theory]
    [InlineData("{\"do_lower_case\": true}", typeof(NotSupportedException), "do_lower_case is true")]
    [InlineData("{\"split_by_punct\": true}", typeof(NotSupportedException), "split_by_punct is true")]
    [InlineData("[1]", typeof(InvalidDataException), "not a JSON object")]
    [InlineData("{\"do_lower", typeof(InvalidDataException), "not a JSON object")]
    [InlineData("{\"do_lower_case\": false}", null, "")]
    public void Settings_that_would_change_the_ids_are_refused(string settings, Type? expected, string message)
    {
        var folder = Directory.CreateTempSubdirectory();
        try
        {
            File.Copy(SpmFile.TinyPath, Path.Combine(folder.FullName, "spm.model"));
            File.WriteAllText(Path.Combine(folder.FullName, "tokenizer_config.json"), settings);

            var error = Record.Exception(() => DebertaTokenizer.Load(folder.FullName));

            Assert.Equal(expected, error?.GetType());
            Assert.Contains(message, error?.Message ?? "");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static CharsMap RulesOf(uint[] units, uint leaf, string replacements) => CharsMap.Read(WithLeaf(units, leaf, replacements), "rules");

    private static byte[] WithLeaf(uint[] units, uint leaf, string replacements)
    {
        units[0x161 ^ 0x200] = (1u << 31) | leaf;
        return Rules((uint)units.Length * 4, units, replacements);
    }

    private static byte[] Rules(uint size, uint[] units, string replacements = "")
    {
        var text = System.Text.Encoding.UTF8.GetBytes(replacements);
        var bytes = new byte[4 + (4 * units.Length) + text.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, size);
        for (var unit = 0; unit < units.Length; unit++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4 + (4 * unit)), units[unit]);
        }

        text.CopyTo(bytes, 4 + (4 * units.Length));
        return bytes;
    }

    private static void AssertRefused(SpmFile file, string reason)
    {
        var error = Assert.Throws<InvalidDataException>(() => Read(file.ToBytes()));

        Assert.StartsWith(Path.GetTempPath(), error.Message);
        Assert.Contains(reason, error.Message);
    }

    /// <summary>Reads a model that may be damaged: it is refused in words, or works.</summary>
    private static void Attempt(byte[] content)
    {
        try
        {
            Read(content).Encode("The goat of ½ Zoe\u0301 \u0007日本");
        }
        catch (InvalidDataException error)
        {
            Assert.Contains("spm.model", error.Message);
        }
    }

    private static DebertaTokenizer Read(byte[] content)
    {
        var path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}-spm.model");
        File.WriteAllBytes(path, content);
        try
        {
            return DebertaTokenizer.Load(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
