using System.IO.Compression;
using System.Text;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>Builds <c>pytorch_model.bin</c> files opcode by opcode, sound ones and hostile ones.</summary>
internal sealed class PickledFile
{
    private readonly List<byte> _pickle = [];
    private readonly List<(string Name, byte[] Bytes, CompressionLevel Level)> _entries = [];

    public PickledFile() => Op(0x80, 2);

    public PickledFile Op(params byte[] bytes)
    {
        _pickle.AddRange(bytes);
        return this;
    }

    public PickledFile Text(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return Op([(byte)'X', .. BitConverter.GetBytes(bytes.Length), .. bytes]);
    }

    public PickledFile Number(long value) => Op([0x8a, 8, .. BitConverter.GetBytes(value)]);

    public PickledFile Global(string module, string name) => Op([(byte)'c', .. Encoding.UTF8.GetBytes($"{module}\n{name}\n")]);

    public PickledFile Tuple(params long[] values)
    {
        Op((byte)'(');
        Array.ForEach(values, value => Number(value));
        return Op((byte)'t');
    }

    /// <summary>OrderedDict() with a mark, ready for pairs.</summary>
    public PickledFile OpenDictionary() => Global("collections", "OrderedDict").Op((byte)')', (byte)'R', (byte)'(');

    public PickledFile CloseDictionary() => Op((byte)'u', (byte)'.');

    /// <summary>A name and the tensor that _rebuild_tensor_v2 makes of a storage.</summary>
    public PickledFile Tensor(string name, string storageType, string key, long storageSize, long offset, long[] shape, long[] strides,
        bool asParameter = false)
    {
        Text(name);
        if (asParameter)
        {
            Global("torch._utils", "_rebuild_parameter").Op((byte)'(');
        }

        Global("torch._utils", "_rebuild_tensor_v2").Op((byte)'(');
        Op((byte)'(').Text("storage").Global("torch", storageType).Text(key).Text("cpu").Number(storageSize).Op((byte)'t', (byte)'Q');
        Number(offset).Tuple(shape).Tuple(strides).Op(0x89).Global("collections", "OrderedDict").Op((byte)')', (byte)'R', (byte)'t', (byte)'R');
        return asParameter ? Op(0x88).Global("collections", "OrderedDict").Op((byte)')', (byte)'R', (byte)'t', (byte)'R') : this;
    }

    public PickledFile Entry(string name, byte[] bytes, CompressionLevel level = CompressionLevel.NoCompression)
    {
        _entries.Add((name, bytes, level));
        return this;
    }

    public PickledFile Storage(string key, Tensor values) => Entry($"archive/data/{key}", values.contiguous().bytes.ToArray());

    public void Save(string path)
    {
        using var zip = new ZipArchive(File.Create(path), ZipArchiveMode.Create);
        foreach (var (name, bytes, level) in _entries.Prepend(("archive/data.pkl", _pickle.ToArray(), CompressionLevel.NoCompression)))
        {
            using var stream = zip.CreateEntry(name, level).Open();
            stream.Write(bytes);
        }
    }
}
