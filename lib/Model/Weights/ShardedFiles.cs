using System.Text.Json;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>Several files that together are one checkpoint, as <c>*.index.json</c> lists them (<c>weight_map</c>: tensor name → file name).</summary>
internal sealed class ShardedFiles : ITensorSource
{
    private const long LargestIndex = 64 << 20;
    private readonly Dictionary<string, ITensorSource> _shards;
    private readonly Dictionary<string, string> _shardOf;

    private ShardedFiles(string path, Dictionary<string, ITensorSource> shards, Dictionary<string, string> shardOf)
    {
        Path = path;
        _shards = shards;
        _shardOf = shardOf;
        Tensors = shardOf.ToDictionary(pair => pair.Key, pair => shards[pair.Value].InfoOf(pair.Key), StringComparer.Ordinal);
    }

    /// <inheritdoc />
    public string Path { get; }

    /// <inheritdoc />
    public IReadOnlyDictionary<string, TensorInfo> Tensors { get; }

    /// <summary>Opens an index and every file it names, which must lie beside it.</summary>
    /// <param name="path">The index, for instance <c>model.safetensors.index.json</c>.</param>
    /// <exception cref="InvalidDataException">The index is damaged, or a name leads out of its folder.</exception>
    /// <exception cref="FileNotFoundException">A named file is missing.</exception>
    public static ShardedFiles Open(string path)
    {
        var shardOf = ReadMap(path);
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        var shards = new Dictionary<string, ITensorSource>(StringComparer.Ordinal);
        try
        {
            foreach (var file in shardOf.Values.Distinct(StringComparer.Ordinal))
            {
                EnsurePlainName(path, file);
                shards[file] = WeightFiles.OpenFile(System.IO.Path.Combine(folder, file));
            }

            return new ShardedFiles(path, shards, shardOf);
        }
        catch (Exception error)
        {
            foreach (var shard in shards.Values)
            {
                shard.Dispose();
            }

            throw error is KeyNotFoundException ? new InvalidDataException($"{path}: {error.Message}", error) : error;
        }
    }

    /// <inheritdoc />
    public void ReadInto(string name, Tensor target)
    {
        _ = this.InfoOf(name);
        _shards[_shardOf[name]].ReadInto(name, target);
    }

    /// <summary>Closes every file.</summary>
    public void Dispose()
    {
        foreach (var shard in _shards.Values)
        {
            shard.Dispose();
        }
    }

    private static Dictionary<string, string> ReadMap(string path)
    {
        try
        {
            if (new FileInfo(path).Length > LargestIndex)
            {
                throw new InvalidDataException($"{path}: larger than {LargestIndex} bytes; expected an index of tensor names.");
            }

            using var document = StrictJson.Parse(File.ReadAllBytes(path));
            return document.RootElement.GetProperty("weight_map").EnumerateObject()
                .ToDictionary(pair => pair.Name, pair => pair.Value.GetString() ?? "", StringComparer.Ordinal);
        }
        catch (Exception error) when (error is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new InvalidDataException($"{path}: not a checkpoint index: expected an object weight_map of tensor name and file name ({error.Message}).",
                error);
        }
    }

    private static void EnsurePlainName(string index, string file)
    {
        if (file is "" or "." or ".." || file.AsSpan().ContainsAny("/\\:\0") || System.IO.Path.IsPathRooted(file)
            || file.EndsWith(WeightFiles.IndexEnding, StringComparison.OrdinalIgnoreCase))
        {
            throw new InvalidDataException($"{index}: weight_map names the file \"{file}\"; expected the plain name of a file of tensors beside the index.");
        }
    }
}
