using System.IO.Compression;
using NotebookLib.Model;

namespace NotebookLib.Tests.Model;

/// <summary>Pickles and zip files that want to run code, fill memory or confuse: each is refused, by name where it has one.</summary>
public sealed class HostilePickleTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}.bin");

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData("os", "system")]
    [InlineData("posix", "system")]
    [InlineData("builtins", "eval")]
    [InlineData("builtins", "getattr")]
    [InlineData("torch", "load")]
    [InlineData("torch.storage", "_load_from_bytes")]
    [InlineData("torch._utils", "_rebuild_tensor_v2 ")]
    [InlineData("subprocess", "Popen")]
    public void Any_other_callable_is_refused_by_name(string module, string name)
    {
        new PickledFile().Global(module, name).Op((byte)'(').Text("rm -rf /").Op((byte)'t', (byte)'R', (byte)'.').Save(_path);

        Assert.Contains($"{module}.{name}", Refusal());
    }

    [Fact]
    public void A_callable_named_through_the_stack_is_refused_too()
    {
        new PickledFile().Text("os").Text("system").Op(0x93, (byte)'.').Save(_path);

        Assert.Contains("os.system", Refusal());
    }

    [Theory]
    [InlineData((byte)'i')] // INST
    [InlineData((byte)'o')] // OBJ
    [InlineData((byte)0x81)] // NEWOBJ
    [InlineData((byte)0x82)] // EXT1
    [InlineData((byte)0x92)] // NEWOBJ_EX
    [InlineData((byte)'2')] // DUP
    [InlineData((byte)'P')] // PERSID
    [InlineData((byte)0xff)]
    public void Opcodes_that_a_checkpoint_does_not_need_are_refused(byte opcode)
    {
        new PickledFile().Op(opcode, (byte)'.').Save(_path);

        Assert.Contains($"0x{opcode:x2}", Refusal());
    }

    [Theory]
    [InlineData(0, new long[] { 1L << 40 }, new long[] { 0 })] // a terabyte by stride 0
    [InlineData(0, new long[] { 4 }, new long[] { 0 })]
    [InlineData(0, new long[] { 5 }, new long[] { 1 })]
    [InlineData(1, new long[] { 4 }, new long[] { 1 })]
    [InlineData(-1, new long[] { 2 }, new long[] { 1 })]
    [InlineData(0, new long[] { -2 }, new long[] { 1 })]
    [InlineData(0, new long[] { 2 }, new long[] { -1 })]
    [InlineData(0, new long[] { 2, 2 }, new long[] { 1 })]
    [InlineData(0, new long[] { 1L << 62, 1L << 62 }, new long[] { 1, 1 })]
    [InlineData(0, new long[] { 3 }, new long[] { long.MaxValue })]
    [InlineData(long.MaxValue, new long[] { 2 }, new long[] { 1 })]
    public void A_tensor_that_reaches_out_of_its_storage_is_refused(long offset, long[] shape, long[] strides)
    {
        new PickledFile().OpenDictionary().Tensor("w", "FloatStorage", "0", 1, offset, shape, strides).CloseDictionary().Entry("archive/data/0", new byte[16])
            .Save(_path);
        var storageOfOne = Refusal();
        new PickledFile().OpenDictionary().Tensor("w", "FloatStorage", "0", 4, offset, shape, strides).CloseDictionary().Entry("archive/data/0", new byte[16])
            .Save(_path);

        Assert.NotEmpty(storageOfOne);
        if (shape is not [4] || strides is not [0])
        {
            Assert.NotEmpty(Refusal());
        }
    }

    [Theory]
    [InlineData(5)]
    [InlineData(1L << 40)]
    [InlineData(long.MaxValue)]
    public void A_storage_larger_than_its_entry_is_refused(long elements)
    {
        new PickledFile().OpenDictionary().Tensor("w", "FloatStorage", "0", elements, 0, [elements], [1]).CloseDictionary()
            .Entry("archive/data/0", new byte[16]).Save(_path);

        Assert.NotEmpty(Refusal());
    }

    [Fact]
    public void A_storage_that_is_not_there_is_refused()
    {
        new PickledFile().OpenDictionary().Tensor("w", "FloatStorage", "../../0", 4, 0, [4], [1]).CloseDictionary().Save(_path);

        Assert.Contains("data/../../0 has 0 bytes", Refusal());
    }

    [Fact]
    public void A_thousand_tensors_over_one_storage_are_refused()
    {
        var file = new PickledFile().OpenDictionary();
        for (var copy = 0; copy < 1000; copy++)
        {
            file.Tensor($"w{copy}", "FloatStorage", "0", 10_000, 0, [10_000], [1]);
        }

        file.CloseDictionary().Entry("archive/data/0", new byte[40_000]).Save(_path);

        Assert.Contains("describe 40000000 bytes", Refusal());
    }

    [Fact]
    public void A_zip_bomb_is_refused_before_it_unfolds()
    {
        new PickledFile().OpenDictionary().CloseDictionary().Entry("archive/data/0", new byte[50_000_000], CompressionLevel.SmallestSize).Save(_path);
        Assert.True(new FileInfo(_path).Length < 100_000);

        Assert.Contains("archive/data/0 is compressed", Refusal());
    }

    [Fact]
    public void A_name_that_comes_twice_is_refused()
    {
        new PickledFile().OpenDictionary()
            .Tensor("w", "FloatStorage", "0", 4, 0, [4], [1]).Tensor("w", "FloatStorage", "0", 4, 0, [2], [1]).CloseDictionary().Save(_path);

        Assert.Contains("twice", Refusal());
    }

    [Fact]
    public void An_entry_that_comes_twice_is_refused()
    {
        new PickledFile().OpenDictionary().CloseDictionary().Entry("archive/data/0", [1]).Entry("archive/data/0", [2]).Save(_path);

        Assert.Contains("twice", Refusal());
    }

    [Fact]
    public void Big_endian_files_are_refused()
    {
        new PickledFile().OpenDictionary().CloseDictionary().Entry("archive/byteorder", "big"u8.ToArray()).Save(_path);

        Assert.Contains("byte order", Refusal());
    }

    [Fact]
    public void Damaged_pickles_of_every_length_are_refused_and_never_crash()
    {
        var pickle = Sound();
        for (var length = 0; length < pickle.Length; length++)
        {
            Assert.Throws<InvalidDataException>(() => RestrictedUnpickler.Load(pickle[..length]));
        }
    }

    [Fact]
    public void Pickles_with_any_byte_changed_are_read_or_refused()
    {
        var random = new Random(5);
        var sound = Sound();
        for (var round = 0; round < 3_000; round++)
        {
            var pickle = (byte[])sound.Clone();
            pickle[random.Next(pickle.Length)] = (byte)random.Next(256);
            try
            {
                _ = RestrictedUnpickler.Load(pickle);
            }
            catch (InvalidDataException)
            {
                // Refused, as it should be; anything else fails the test.
            }
        }
    }

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc })] // PyTorch before 1.6: a bare pickle
    public void What_is_no_zip_file_is_refused_with_the_expected_form(byte[] bytes)
    {
        File.WriteAllBytes(_path, bytes);

        Assert.Contains("zip form", Refusal());
    }

    [Fact]
    public void A_pickle_of_something_else_is_refused()
    {
        new PickledFile().Tuple(1, 2).Op((byte)'.').Save(_path);

        Assert.Contains("not a dictionary", Refusal());
    }

    private static byte[] Sound()
    {
        var path = Path.GetTempFileName();
        new PickledFile().OpenDictionary().Tensor("w", "FloatStorage", "0", 4, 0, [2, 2], [2, 1], asParameter: true).CloseDictionary().Save(path);
        using var zip = ZipFile.OpenRead(path);
        using var stream = zip.GetEntry("archive/data.pkl")!.Open();
        using var copy = new MemoryStream();
        stream.CopyTo(copy);
        File.Delete(path);
        return copy.ToArray();
    }

    private string Refusal()
    {
        var error = Assert.Throws<InvalidDataException>(() => PickleFile.Open(_path));
        Assert.Contains(_path, error.Message);
        return error.Message;
    }
}
