using System.Globalization;
using System.IO.Hashing;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using NotebookLib.Platform;

namespace NotebookLib.Annotation;

/// <summary>
/// What joining needs of a complete shard, written beside its output: a record, whose presence says that the shard is complete, and the size of each of its
/// rows in the input's order, 0 where nothing was written (<see cref="AnnotationMerge"/>).
/// </summary>
/// <param name="Task">What decides the output's content; <c>shard</c> in it is I/N.</param>
/// <param name="InputRows">Rows of the input, those of other shards among them.</param>
/// <param name="InputHash">What was read, all shards' rows.</param>
/// <param name="Rows">Rows written.</param>
/// <param name="Entities">Entities in them.</param>
/// <param name="Skipped">Wrong rows left out.</param>
/// <param name="Types">The entity types that tags are made of.</param>
/// <param name="FirstRow">Where the first row begins, in bytes.</param>
/// <param name="EndOfRows">Where the last one ends.</param>
/// <param name="Bytes">Length of the rows' file.</param>
/// <param name="Hash">XxHash128 of it.</param>
/// <param name="OutputHash">That of the output where it is another file; null where the rows are the output.</param>
/// <param name="SizesHash">XxHash128 of the sizes.</param>
internal sealed record AnnotationShard(
    JsonObject Task, long InputRows, string InputHash, long Rows, long Entities, long Skipped, IReadOnlyList<string> Types, long FirstRow, long EndOfRows,
    long Bytes, string Hash, string? OutputHash, string SizesHash)
{
    private const int LargestFrameBytes = 1 << 20;
    private const long MostRows = 1L << 50;

    private static readonly JsonSerializerOptions s_form = new(JsonSerializerOptions.Web)
    {
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        NumberHandling = JsonNumberHandling.Strict,
    };

    /// <summary>The output.</summary>
    [JsonIgnore]
    public string Path { get; private init; } = "";

    /// <summary>Which shard it is, from 1.</summary>
    [JsonIgnore]
    public int Number { get; private init; }

    /// <summary>Of how many.</summary>
    [JsonIgnore]
    public int Count { get; private init; }

    /// <summary>The output's form.</summary>
    [JsonIgnore]
    public AnnotationFormat Format { get; private init; }

    /// <summary>The file of the rows: the output, or lines beside it where the output is no text.</summary>
    [JsonIgnore]
    public string RowsPath => Format == AnnotationFormat.Parquet ? RowsOf(Path) : Path;

    /// <summary>What the shard's rows were made by; the input is known by its hash.</summary>
    [JsonIgnore]
    public IEnumerable<KeyValuePair<string, JsonNode?>> Maker => Task.Where(pair => pair.Key is not ("shard" or "input"));

    /// <summary>The name of an output's record.</summary>
    public static string RecordOf(string output) => output + ".shard.json";

    /// <summary>The name of the sizes of its rows: numbers of four bytes, the lowest first.</summary>
    public static string SizesOf(string output) => output + ".shard.sizes";

    /// <summary>The name of its rows, where the output is no text.</summary>
    public static string RowsOf(string output) => output + ".shard.rows";

    /// <summary>All of an output's files.</summary>
    public static string[] FilesOf(string output) => [output, RecordOf(output), SizesOf(output), RowsOf(output)];

    /// <summary>Writes the record.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public void Write(string output) => AtomicFile.WriteText(RecordOf(output), JsonSerializer.Serialize(this, s_form));

    /// <summary>Reads an output's record, and whether the output and the sizes have the lengths that it says.</summary>
    /// <exception cref="InvalidDataException">The output is not there, not complete, no shard, or not what was written.</exception>
    public static AnnotationShard Read(string output)
    {
        var record = RecordOf(output);
        if (File.Exists(AnnotationPart.PathOf(output)) || (!File.Exists(output) && File.Exists(AnnotationPart.RecordOf(output))))
        {
            throw new InvalidDataException($"{output}: is not complete; the command that makes it, typed again, goes on.");
        }

        if (!File.Exists(output) || !File.Exists(record))
        {
            throw new InvalidDataException(!File.Exists(output) ? $"{output}: no such file."
                : $"{output}: is no part of an annotation; expected {System.IO.Path.GetFileName(record)} beside it, which annotate writes with --shard.");
        }

        AnnotationShard shard;
        try
        {
            shard = Parse(StrictJson.ReadBytes(record, AnnotationPart.LargestRecordBytes, "what annotate with --shard writes"), output);
        }
        catch (Exception damage) when (damage is JsonException or NullReferenceException or InvalidOperationException or FormatException or ArgumentException
            or OverflowException or IndexOutOfRangeException)
        {
            throw new InvalidDataException($"{record}: is damaged ({damage.Message.TrimEnd('.')}); annotate this part again.", damage);
        }

        var own = (shard.InputRows + shard.Count - shard.Number) / shard.Count;
        foreach (var (file, bytes) in ((string, long)[])[(shard.RowsPath, shard.Bytes), (SizesOf(output), own * sizeof(int))])
        {
            if (!File.Exists(file) || new FileInfo(file).Length != bytes)
            {
                throw new InvalidDataException(!File.Exists(file)
                    ? $"{output}: {System.IO.Path.GetFileName(file)} is not beside it any more; annotate this part again."
                    : Invariant($"{file}: has {new FileInfo(file).Length} bytes, {bytes} were written; was it changed since? Annotate this part again."));
            }
        }

        return shard;
    }

    /// <summary>Reads all of a shard's files: whether they are what was written.</summary>
    /// <exception cref="InvalidDataException">One is not.</exception>
    public void Check()
    {
        foreach (var (path, hash) in ((string, string?)[])[(SizesOf(Path), SizesHash), (RowsPath, Hash), (Path, OutputHash ?? Hash)])
        {
            if (HashOf(path) != hash)
            {
                throw Damaged(path);
            }
        }
    }

    /// <summary>The fault of a file that is not what was written.</summary>
    public static InvalidDataException Damaged(string file) => new($"{file}: is not what was written; annotate this part again.");

    /// <summary>XxHash128 of a stream from its beginning, in hexadecimal digits.</summary>
    /// <param name="stream">Is at its end afterwards.</param>
    public static string HashOf(Stream stream)
    {
        stream.Position = 0;
        var hash = new XxHash128();
        hash.Append(stream);
        return Hex(hash);
    }

    /// <summary>The same of a file.</summary>
    public static string HashOf(string path)
    {
        using var file = File.OpenRead(path);
        return HashOf(file);
    }

    /// <summary>A hash in hexadecimal digits.</summary>
    public static string Hex(XxHash128 hash) => Convert.ToHexStringLower(hash.GetCurrentHash());

    private static AnnotationShard Parse(byte[] json, string output)
    {
        var read = StrictJson.Deserialize<AnnotationShard>(json, s_form);
        var number = (read.Task["shard"] ?? throw new FormatException("its task names no shard")).GetValue<string>().Split('/');
        var shard = read with
        {
            Path = output,
            Number = int.Parse(number[0], CultureInfo.InvariantCulture),
            Count = int.Parse(number[1], CultureInfo.InvariantCulture),
            Format = Enum.Parse<AnnotationFormat>((read.Task["format"] ?? throw new FormatException("its task names no format")).GetValue<string>()),
        };
        long[] numbers = [shard.InputRows, shard.Rows, shard.Entities, shard.Skipped, shard.FirstRow];
        return numbers.All(value => value is >= 0 and <= MostRows) && shard.Number >= 1 && shard.Number <= shard.Count
            && shard.FirstRow <= Math.Min(shard.EndOfRows, LargestFrameBytes) && shard.EndOfRows <= shard.Bytes
            && shard.Bytes - shard.EndOfRows <= LargestFrameBytes && Enum.IsDefined(shard.Format) && shard.Types.All(type => type is not null)
            ? shard : throw new FormatException("its numbers do not fit");
    }
}
