using System.Buffers.Binary;
using System.Text.Json;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>
/// Reads and writes safetensors files: named tensors, no code. The header is bounded and checked before anything else is touched;
/// each tensor is then read from its place, so files larger than 2 GB or than memory are no matter.
/// </summary>
internal sealed class SafetensorsFile : ITensorSource
{
    private readonly FileStream _stream;
    private readonly Dictionary<string, SafetensorsEntry> _entries;
    private readonly long _dataStart;

    private SafetensorsFile(string path, FileStream stream)
    {
        Path = path;
        _stream = stream;
        (_entries, var metadata) = SafetensorsHeader.Read(stream, path);
        _dataStart = stream.Position;
        Metadata = metadata;
        Tensors = _entries.ToDictionary(pair => pair.Key, pair => pair.Value.Info, StringComparer.Ordinal);
    }

    /// <inheritdoc />
    public string Path { get; }

    /// <inheritdoc />
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Free text kept in the header, for instance <c>format: pt</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="FileNotFoundException">No such file.</exception>
    /// <exception cref="InvalidDataException">The header is damaged or hostile.</exception>
    public static SafetensorsFile Open(string path)
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1);
        try
        {
            return new SafetensorsFile(path, stream);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads a whole file; the caller owns the tensors.</summary>
    public static Dictionary<string, Tensor> ReadAll(string path, ScalarType? dtype = null)
    {
        using var file = Open(path);
        return file.ReadAll(dtype);
    }

    /// <inheritdoc />
    public void ReadInto(string name, Tensor target)
    {
        this.EnsureShape(name, target);
        var entry = _entries[name];
        _stream.Position = _dataStart + entry.Begin;
        TensorBytes.Read(_stream, entry.Info.Dtype, target);
    }

    /// <summary>
    /// Writes tensors so that the same tensors give the same bytes as the Python library: wider dtypes first, then by name,
    /// the header padded with blanks to eight bytes. The file appears whole or not at all.
    /// </summary>
    /// <param name="path">The target.</param>
    /// <param name="tensors">Names and tensors of any device; not changed, not owned.</param>
    /// <param name="metadata">Free text; null writes <c>format: pt</c>, which transformers asks for.</param>
    /// <exception cref="ArgumentException">Two tensors have one name, or one is called <c>__metadata__</c>.</exception>
    public static void Write(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var ordered = tensors.OrderBy(pair => SafetensorsDtypes.RankOf(pair.Value.dtype)).ThenBy(pair => pair.Key, StringComparer.Ordinal).ToList();
        if (ordered.GroupBy(pair => pair.Key, StringComparer.Ordinal)
            .FirstOrDefault(group => group.Count() > 1 || group.Key == SafetensorsHeader.MetadataName) is { } wrong)
        {
            throw new ArgumentException($"Tensor name {wrong.Key} is used twice or reserved; expected each name once.", nameof(tensors));
        }

        var header = Header(ordered, metadata ?? new Dictionary<string, string> { ["format"] = "pt" });
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach (var (_, tensor) in ordered)
            {
                TensorBytes.Write(stream, tensor);
            }
        });
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _stream.Dispose();

    private static byte[] Header(List<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using var buffer = new MemoryStream();
        buffer.Write(new byte[8]);
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            WriteMetadata(json, metadata);
            long begin = 0;
            foreach (var (name, tensor) in tensors)
            {
                begin = WriteEntry(json, name, tensor, begin);
            }

            json.WriteEndObject();
        }

        while (buffer.Length % 8 != 0)
        {
            buffer.WriteByte((byte)' ');
        }

        var header = buffer.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - 8));
        return header;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        if (metadata.Count == 0)
        {
            return;
        }

        json.WriteStartObject(SafetensorsHeader.MetadataName);
        foreach (var (key, value) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            json.WriteString(key, value);
        }

        json.WriteEndObject();
    }

    private static long WriteEntry(Utf8JsonWriter json, string name, Tensor tensor, long begin)
    {
        var end = begin + tensor.numel() * TensorBytes.SizeOf(tensor.dtype);
        json.WriteStartObject(name);
        json.WriteString("dtype", SafetensorsDtypes.NameOf(tensor.dtype));
        json.WriteStartArray("shape");
        foreach (var size in tensor.shape)
        {
            json.WriteNumberValue(size);
        }

        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
        return end;
    }
}
