using System.IO.Compression;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>
/// Reads <c>pytorch_model.bin</c>: a zip file with a pickle (<c>data.pkl</c>) that describes tensors, and one stored entry per storage.
/// The pickle is read by <see cref="RestrictedUnpickler"/>; a storage is read only when its tensor is asked for.
/// </summary>
internal sealed class PickleFile : ITensorSource
{
    // Real ones have 100 to 300 bytes per tensor.
    private const long LargestPickle = 64 << 20;
    private const int MostEntries = 200_000;
    private const int MostSharing = 8;

    private readonly ZipArchive _zip;
    private readonly Dictionary<string, ZipArchiveEntry> _entries;
    private readonly Dictionary<string, PickledTensor> _tensors;
    private readonly string _prefix;

    private PickleFile(string path, ZipArchive zip)
    {
        Path = path;
        _zip = zip;
        _entries = Entries(zip);
        _prefix = Prefix(_entries);
        EnsureLittleEndian();
        _tensors = ReadTensors();
        Tensors = _tensors.ToDictionary(pair => pair.Key, pair => new TensorInfo(pair.Value.Storage.Dtype, pair.Value.Shape), StringComparer.Ordinal);
    }

    /// <inheritdoc />
    public string Path { get; }

    /// <inheritdoc />
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Opens a file and reads its pickle.</summary>
    /// <exception cref="FileNotFoundException">No such file.</exception>
    /// <exception cref="InvalidDataException">The file is not such a zip file, is damaged, or its pickle names anything but tensors.</exception>
    public static PickleFile Open(string path)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16);
        ZipArchive? zip = null;
        try
        {
            zip = new ZipArchive(stream, ZipArchiveMode.Read);
            return new PickleFile(path, zip);
        }
        catch (Exception error)
        {
            zip?.Dispose();
            stream.Dispose();
            if (error is InvalidDataException or EndOfStreamException or OverflowException)
            {
                throw new InvalidDataException($"{path}: not a sound PyTorch checkpoint: {error.Message}"
                    + (zip is null ? " Expected the zip form that PyTorch 1.6 and later write." : ""), error);
            }

            throw;
        }
    }

    /// <inheritdoc />
    public void ReadInto(string name, Tensor target)
    {
        this.EnsureShape(name, target);
        try
        {
            ReadInto(_tensors[name], target);
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException)
        {
            // The directory at the file's end was sound; what it leads to is not.
            throw new InvalidDataException($"{Path}: {name}: not a sound PyTorch checkpoint: {error.Message}", error);
        }
    }

    private void ReadInto(PickledTensor tensor, Tensor target)
    {
        using var stream = _entries[EntryName(tensor.Storage)].Open();
        Skip(stream, tensor.Offset * TensorBytes.SizeOf(tensor.Storage.Dtype));
        if (tensor.IsContiguous)
        {
            TensorBytes.Read(stream, tensor.Storage.Dtype, target);
            return;
        }

        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var window = empty(tensor.Reach, tensor.Storage.Dtype, CPU);
        TensorBytes.Read(stream, tensor.Storage.Dtype, window);
        target.detach().copy_(window.as_strided(tensor.Shape, tensor.Strides, 0));
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _zip.Dispose();

    private static Dictionary<string, ZipArchiveEntry> Entries(ZipArchive zip)
    {
        if (zip.Entries.Count > MostEntries)
        {
            throw new InvalidDataException($"it has {zip.Entries.Count} entries; expected at most {MostEntries}.");
        }

        var entries = new Dictionary<string, ZipArchiveEntry>(StringComparer.Ordinal);
        foreach (var entry in zip.Entries)
        {
            // PyTorch stores, never compresses: with that rule a small file cannot unfold into a large one.
            if (entry.CompressedLength != entry.Length)
            {
                throw new InvalidDataException($"entry {entry.FullName} is compressed ({entry.CompressedLength} bytes for {entry.Length}); "
                    + "PyTorch stores entries as they are.");
            }

            if (!entries.TryAdd(entry.FullName, entry))
            {
                throw new InvalidDataException($"entry {entry.FullName} comes twice.");
            }
        }

        return entries;
    }

    private static string Prefix(Dictionary<string, ZipArchiveEntry> entries)
    {
        var pickles = entries.Keys.Where(name => name == "data.pkl" || name.EndsWith("/data.pkl", StringComparison.Ordinal)).ToList();
        return pickles.Count == 1
            ? pickles[0][..^"data.pkl".Length] : throw new InvalidDataException($"it holds {pickles.Count} entries data.pkl; expected one.");
    }

    private void EnsureLittleEndian()
    {
        if (_entries.TryGetValue(_prefix + "byteorder", out var entry) && entry.Length <= 16)
        {
            using var reader = new StreamReader(entry.Open());
            if (reader.ReadToEnd().Trim() is var order and not "little")
            {
                throw new InvalidDataException($"its byte order is \"{order}\"; expected little.");
            }
        }
    }

    private Dictionary<string, PickledTensor> ReadTensors()
    {
        var entry = _entries[_prefix + "data.pkl"];
        if (entry.Length > LargestPickle)
        {
            throw new InvalidDataException($"its pickle has {entry.Length} bytes; expected at most {LargestPickle}.");
        }

        var pickle = new byte[entry.Length];
        using (var stream = entry.Open())
        {
            stream.ReadExactly(pickle);
        }

        if (RestrictedUnpickler.Load(pickle) is not Dictionary<string, object?> state)
        {
            throw new InvalidDataException("its pickle is not a dictionary of tensors.");
        }

        var tensors = state.Where(pair => pair.Value is PickledTensor)
            .ToDictionary(pair => pair.Key, pair => (PickledTensor)pair.Value!, StringComparer.Ordinal);
        foreach (var (name, tensor) in tensors)
        {
            EnsureStored(name, tensor.Storage);
        }

        // Tied weights share a storage; thousands of tensors over one storage would unfold a small file into all memory.
        var described = tensors.Values.Sum(tensor => (decimal)tensor.ElementCount * TensorBytes.SizeOf(tensor.Storage.Dtype));
        var stored = _entries.Values.Sum(entry => (decimal)entry.Length);
        return described <= (MostSharing * stored) + (1 << 20)
            ? tensors
            : throw new InvalidDataException($"its tensors describe {described} bytes in a file of {stored}; expected at most {MostSharing} times as many.");
    }

    private string EntryName(PickledStorage storage) => $"{_prefix}data/{storage.Key}";

    // At opening: afterwards a tensor's described size is known to be backed by that many bytes of file.
    private void EnsureStored(string name, PickledStorage storage)
    {
        var bytes = checked(storage.ElementCount * TensorBytes.SizeOf(storage.Dtype));
        if (!_entries.TryGetValue(EntryName(storage), out var entry) || entry.Length < bytes)
        {
            throw new InvalidDataException($"{name}: its storage data/{storage.Key} has {entry?.Length ?? 0} bytes; expected {bytes}.");
        }
    }

    private static void Skip(Stream stream, long bytes)
    {
        if (stream.CanSeek)
        {
            stream.Position += bytes;
            return;
        }

        var buffer = new byte[Math.Min(bytes, 1 << 20)];
        while (bytes > 0)
        {
            var count = (int)Math.Min(bytes, buffer.Length);
            stream.ReadExactly(buffer, 0, count);
            bytes -= count;
        }
    }
}
