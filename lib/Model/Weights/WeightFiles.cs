namespace NotebookLib.Model;

/// <summary>Finds and opens the weights of a model folder, whatever form they have.</summary>
internal static class WeightFiles
{
    /// <summary>How the name of an index of several files ends.</summary>
    internal const string IndexEnding = ".index.json";

    // In the order that transformers prefers them.
    private static readonly string[] Names =
        ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

    /// <summary>Opens the weights of a folder: safetensors before pickles, one file before shards.</summary>
    /// <exception cref="FileNotFoundException">The folder has no weights; the message names what was looked for.</exception>
    /// <exception cref="InvalidDataException">The weights are damaged or hostile.</exception>
    public static ITensorSource OpenFolder(string folder)
    {
        var found = Names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        return found is null
            ? throw new FileNotFoundException($"{folder}: no weights found; expected one of {string.Join(", ", Names)}.")
            : OpenFile(found);
    }

    /// <summary>Opens one file by its ending: <c>.safetensors</c>, <c>.index.json</c>, or a pickle (<c>.bin</c>, <c>.pt</c>).</summary>
    public static ITensorSource OpenFile(string path)
    {
        return path.EndsWith(".safetensors", StringComparison.Ordinal) ? SafetensorsFile.Open(path)
            : path.EndsWith(IndexEnding, StringComparison.Ordinal) ? ShardedFiles.Open(path)
            : PickleFile.Open(path);
    }

    /// <summary>Puts a folder's weights back into the model that wrote them.</summary>
    /// <exception cref="InvalidDataException">A parameter is missing in the folder, or has another shape there.</exception>
    public static void LoadInto(TorchSharp.torch.nn.Module model, string folder)
    {
        using var source = OpenFolder(folder);
        foreach (var (name, parameter) in model.named_parameters())
        {
            source.ReadInto(name, parameter);
        }
    }
}
