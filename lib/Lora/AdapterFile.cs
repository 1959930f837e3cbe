using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Lora;

/// <summary>The weights of saved adapters, in PEFT's names: the one place that knows how those are spelled.</summary>
internal sealed class AdapterFile : IDisposable
{
    public const string SafetensorsName = "adapter_model.safetensors";
    public const string HeadWeight = Prefix + "classifier.weight";
    public const string HeadBias = Prefix + "classifier.bias";
    private const string PickleName = "adapter_model.bin";
    private const string Prefix = "base_model.model.";
    private readonly ITensorSource _source;

    private AdapterFile(ITensorSource source) => _source = source;

    /// <summary>A's name, <c>base_model.model.MODULE.lora_A.weight</c>.</summary>
    public static string DownOf(string module) => $"{Prefix}{module}.lora_A.weight";

    /// <summary>B's name.</summary>
    public static string UpOf(string module) => $"{Prefix}{module}.lora_B.weight";

    /// <summary>Opens a folder's weights, safetensors before a pickle.</summary>
    /// <exception cref="FileNotFoundException">There are none.</exception>
    /// <exception cref="InvalidDataException">They are damaged or hostile.</exception>
    public static AdapterFile Open(string folder)
    {
        var found = ((string[])[SafetensorsName, PickleName]).Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        return found is null
            ? throw new FileNotFoundException($"{folder}: no adapter weights found; expected {SafetensorsName} or {PickleName}.")
            : new(Checkpoint.OpenFile(found));
    }

    /// <summary>Compares names and shapes with what the model needs.</summary>
    /// <exception cref="InvalidDataException">All that differs, together.</exception>
    public void EnsureFits(IReadOnlyList<AdaptedModule> modules, long[] headShape)
    {
        var expected = modules.SelectMany(module => (KeyValuePair<string, long[]>[])
            [new(DownOf(module.Name), [module.Rank, module.InputWidth]), new(UpOf(module.Name), [module.OutputWidth, module.Rank])])
            .Append(new(HeadWeight, headShape)).Append(new(HeadBias, [headShape[0]])).ToDictionary(StringComparer.Ordinal);
        List<string> faults =
        [
            .. expected.Where(pair => !_source.Tensors.ContainsKey(pair.Key)).Select(pair => $"{pair.Key}: missing"),
            .. expected.Where(pair => _source.Tensors.TryGetValue(pair.Key, out var info) && !info.Shape.SequenceEqual(pair.Value))
                .Select(pair => $"{pair.Key}: expected [{string.Join(", ", pair.Value)}], file has {_source.Tensors[pair.Key].ShapeText}"),
            .. _source.Tensors.Keys.Where(name => !expected.ContainsKey(name)).Order(StringComparer.Ordinal).Select(name => $"{name}: the model has no place for it"),
        ];
        if (faults.Count > 0)
        {
            throw new InvalidDataException($"{_source.Path} does not fit the model:\n  {string.Join("\n  ", faults.Take(8))}"
                + (faults.Count > 8 ? $"\n  … and {faults.Count - 8} more" : "")
                + "\nIs this the model that the adapter was trained on, loaded with the adapter's labels?");
        }
    }

    /// <summary>Fills tensors by their names in the file.</summary>
    public void ReadInto(IReadOnlyDictionary<string, Tensor> targets)
    {
        foreach (var (name, target) in targets)
        {
            _source.ReadInto(name, target);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _source.Dispose();
}
