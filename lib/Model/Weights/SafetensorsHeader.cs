using System.Buffers.Binary;
using System.Text.Json;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>One tensor of a safetensors file: what it is and where its bytes lie, counted from the start of the data.</summary>
internal sealed record SafetensorsEntry(TensorInfo Info, long Begin, long End);

/// <summary>
/// The header of a safetensors file: a 64-bit little-endian length, then JSON. Files come from strangers, so nothing in it is believed:
/// the same rules as the reference reader's (huggingface/safetensors <c>tensor.rs</c>, Metadata::validate).
/// </summary>
internal static class SafetensorsHeader
{
    /// <summary>The reference reader's bound.</summary>
    public const long LargestHeader = 100_000_000;

    /// <summary>The name under which free text is kept beside the tensors.</summary>
    public const string MetadataName = "__metadata__";

    private const int MostLevels = 8;

    /// <summary>Reads and checks the header; afterwards the stream stands at the first data byte.</summary>
    /// <exception cref="InvalidDataException">The file is damaged or hostile; the message says how.</exception>
    public static (Dictionary<string, SafetensorsEntry> Entries, Dictionary<string, string> Metadata) Read(Stream stream, string path)
    {
        try
        {
            var json = ReadJson(stream);
            using var document = StrictJson.Parse(json, MostLevels);
            var entries = document.RootElement.EnumerateObject().Where(property => property.Name != MetadataName)
                .ToDictionary(property => property.Name, property => Entry(property.Name, property.Value), StringComparer.Ordinal);
            CheckPlaces(entries, stream.Length - stream.Position);
            return (entries, Metadata(document.RootElement));
        }
        catch (Exception error) when (error is JsonException or InvalidDataException or EndOfStreamException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: not a sound safetensors file: {error.Message}", error);
        }
    }

    private static byte[] ReadJson(Stream stream)
    {
        Span<byte> prefix = stackalloc byte[8];
        stream.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > (ulong)LargestHeader || length > (ulong)(stream.Length - 8))
        {
            throw new InvalidDataException($"its header claims {length} bytes; expected at most {LargestHeader} and no more than the file has "
                + $"({stream.Length - 8}).");
        }

        var json = new byte[length];
        stream.ReadExactly(json);
        return json.Length > 0 && json[0] == (byte)'{' ? json : throw new InvalidDataException("its header does not start with '{'.");
    }

    private static SafetensorsEntry Entry(string name, JsonElement value)
    {
        try
        {
            var shape = value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
            var offsets = value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt64()).ToArray();
            var info = new TensorInfo(SafetensorsDtypes.Parse(value.GetProperty("dtype").GetString() ?? ""), shape);
            if (shape.Any(size => size < 0) || offsets.Length != 2 || offsets[0] < 0 || offsets[1] < offsets[0])
            {
                throw new InvalidDataException($"{name}: shape {info.ShapeText}, offsets [{string.Join(", ", offsets)}]; "
                    + "expected sizes and two rising offsets, none negative.");
            }

            var bytes = checked(info.ElementCount * TensorBytes.SizeOf(info.Dtype));
            return bytes == offsets[1] - offsets[0]
                ? new(info, offsets[0], offsets[1])
                : throw new InvalidDataException($"{name}: offsets [{offsets[0]}, {offsets[1]}] span {offsets[1] - offsets[0]} bytes; "
                    + $"{info.Dtype} {info.ShapeText} needs {bytes}.");
        }
        catch (Exception error) when (error is KeyNotFoundException or FormatException or OverflowException or InvalidOperationException)
        {
            throw new InvalidDataException($"{name}: expected dtype, shape and data_offsets ({error.Message}).", error);
        }
    }

    // The format allows neither holes nor overlaps nor anything behind the last tensor.
    private static void CheckPlaces(Dictionary<string, SafetensorsEntry> entries, long dataBytes)
    {
        long expected = 0;
        foreach (var (name, entry) in entries.OrderBy(pair => pair.Value.Begin).ThenBy(pair => pair.Value.End))
        {
            if (entry.Begin != expected)
            {
                throw new InvalidDataException($"{name}: begins at byte {entry.Begin} of the data; expected {expected} "
                    + $"({(entry.Begin < expected ? "it overlaps another tensor" : "a hole lies before it")}).");
            }

            expected = entry.End;
        }

        if (expected != dataBytes)
        {
            throw new InvalidDataException($"its tensors need {expected} bytes of data, the file has "
                + $"{dataBytes}{(expected > dataBytes ? " (is the download complete?)" : "")}.");
        }
    }

    private static Dictionary<string, string> Metadata(JsonElement root) =>
        root.TryGetProperty(MetadataName, out var metadata)
            ? metadata.EnumerateObject().ToDictionary(pair => pair.Name, pair => pair.Value.GetString() ?? "", StringComparer.Ordinal)
            : [];
}

/// <summary>The dtypes' names in safetensors headers.</summary>
internal static class SafetensorsDtypes
{
    // The order is the reference writer's: wider alignment first (safetensors Dtype, reversed).
    private static readonly (string Name, ScalarType Dtype)[] Known =
    [
        ("I64", ScalarType.Int64), ("F64", ScalarType.Float64), ("F32", ScalarType.Float32), ("I32", ScalarType.Int32), ("BF16", ScalarType.BFloat16),
        ("F16", ScalarType.Float16), ("I16", ScalarType.Int16), ("I8", ScalarType.Int8), ("U8", ScalarType.Byte), ("BOOL", ScalarType.Bool),
    ];

    /// <exception cref="InvalidDataException">The name is not one that this reader has.</exception>
    public static ScalarType Parse(string name) => Known.FirstOrDefault(pair => pair.Name == name) is { Name: not null } pair
        ? pair.Dtype
        : throw new InvalidDataException($"dtype \"{name}\" is not supported; expected one of {string.Join(", ", Known.Select(known => known.Name))}.");

    public static string NameOf(ScalarType dtype) => Known[RankOf(dtype)].Name;

    /// <summary>Place in the writer's order.</summary>
    /// <exception cref="NotSupportedException">The dtype cannot be written.</exception>
    public static int RankOf(ScalarType dtype) => Array.FindIndex(Known, pair => pair.Dtype == dtype) is var rank and >= 0
        ? rank
        : throw new NotSupportedException($"Tensors of dtype {dtype} cannot be written to safetensors.");
}
