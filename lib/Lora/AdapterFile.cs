using System.Text.RegularExpressions;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Lora;

/// <summary>The weights of saved adapters, in PEFT's names: the one place that knows how those are spelled.</summary>
internal sealed partial class AdapterFile : IDisposable
{
    public const string SafetensorsName = "adapter_model.safetensors";
    private const string PickleName = "adapter_model.bin";
    private const string Prefix = "base_model.model.";
    private readonly ITensorSource _source;

    // Our name of a tensor → the file's.
    private readonly Dictionary<string, string> _stored;

    private AdapterFile(ITensorSource source)
    {
        _source = source;
        _stored = new Dictionary<string, string>(StringComparer.Ordinal);
        // A head's copies, as PEFT writes them beside the head where all biases are trained: the plain names count.
        foreach (var stored in source.Tensors.Keys.Where(name => !Copies().IsMatch(name)).Order(StringComparer.Ordinal))
        {
            if (!_stored.TryAdd(Canonical(stored), stored))
            {
                throw new InvalidDataException($"{source.Path}: {stored} and {_stored[Canonical(stored)]} are both {Canonical(stored)}.");
            }
        }

        var foreign = _stored.Where(pair => pair.Key != pair.Value && pair.Value != OnDisk(pair.Key)).Select(pair => pair.Value).ToList();
        Remark = foreign.Count == 0 ? null : Invariant($"{source.Path}: {foreign.Count} names are spelled as in memory ({foreign[0]}); they were recognised.");
    }

    /// <summary>What a reader should know about the names; null when nothing.</summary>
    public string? Remark { get; }

    /// <summary>The name of something that belongs to a module: A, B, a bias, a parameter of its own.</summary>
    public static string NameOf(string module, string part) => $"{Prefix}{module}.{part}";

    /// <summary>The name of a parameter of the model's own.</summary>
    public static string NameOfParameter(string parameter) => Prefix + parameter;

    /// <summary>Opens a folder's weights, safetensors before a pickle.</summary>
    /// <exception cref="FileNotFoundException">There are none.</exception>
    /// <exception cref="InvalidDataException">They are damaged or hostile.</exception>
    public static AdapterFile Open(string folder)
    {
        var found = ((string[])[SafetensorsName, PickleName]).Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
        return found is null
            ? throw new FileNotFoundException($"{folder}: no adapter weights found; expected {SafetensorsName} or {PickleName}.")
            : new(WeightFiles.OpenFile(found));
    }

    /// <summary>Our name of a tensor, whether it is spelled as PEFT saves it, as it is called in memory, or as a wrapper around the model calls it.</summary>
    public static string Canonical(string name)
    {
        name = TensorNames.WithoutWrappers(name);
        name = SavedModule().Replace(name, ".");
        name = AdapterName().Replace(name, "$1$2$3$4");
        return name.Replace(".base_layer.", ".", StringComparison.Ordinal);
    }

    /// <summary>Rows of a tensor, by our name; null when the file has none.</summary>
    public long? RowsOf(string name) => _stored.TryGetValue(name, out var stored) ? _source.Tensors[stored].Shape is [var rows, ..] ? rows : 0 : null;

    /// <summary>Compares names and shapes with what the model needs.</summary>
    /// <param name="expected">Shapes by our names.</param>
    /// <param name="isLeft">Tensors that are left where they are, whatever they look like; null for none.</param>
    /// <exception cref="InvalidDataException">All that differs, together.</exception>
    public void EnsureFits(IReadOnlyDictionary<string, long[]> expected, Func<string, bool>? isLeft = null)
    {
        expected = isLeft is null ? expected : expected.Where(pair => !isLeft(pair.Key)).ToDictionary(StringComparer.Ordinal);
        List<string> faults =
        [
            .. expected.Where(pair => !_stored.ContainsKey(pair.Key)).Select(pair => $"{pair.Key}: missing"),
            .. expected.Where(pair => _stored.TryGetValue(pair.Key, out var stored) && !_source.Tensors[stored].Shape.SequenceEqual(pair.Value))
                .Select(pair => $"{_stored[pair.Key]}: expected [{string.Join(", ", pair.Value)}], file has {_source.Tensors[_stored[pair.Key]].ShapeText}"),
            .. _stored.Where(pair => !expected.ContainsKey(pair.Key) && isLeft?.Invoke(pair.Key) != true).Select(pair => pair.Value)
            .Order(StringComparer.Ordinal).Select(name => $"{name}: the model has no place for it"),
        ];
        if (faults.Count > 0)
        {
            throw new InvalidDataException($"{_source.Path} does not fit the model:\n  {string.Join("\n  ", faults.Take(8))}"
                + (faults.Count > 8 ? $"\n  … and {faults.Count - 8} more" : "")
                + "\nIs this the model that the adapter was trained on, loaded with the adapter's labels?");
        }
    }

    /// <summary>Fills tensors by our names.</summary>
    public void ReadInto(IReadOnlyDictionary<string, Tensor> targets)
    {
        foreach (var (name, target) in targets)
        {
            _source.ReadInto(_stored[name], target);
        }
    }

    /// <inheritdoc />
    public void Dispose() => _source.Dispose();

    /// <summary>How today's PEFT spells the bias of an adapted layer; all else is spelled as here.</summary>
    public static string OnDisk(string name) => name.EndsWith(".bias", StringComparison.Ordinal) ? $"{name[..^"bias".Length]}base_layer.bias" : name;

    [GeneratedRegex(@"\.modules_to_save\.[^.]+\.(?=[^.]+\z)")]
    private static partial Regex SavedModule();

    // lora_A.NAME.weight, lora_embedding_A.NAME, lora_magnitude_vector.NAME.weight: PEFT takes the adapter's name out when it saves.
    [GeneratedRegex(@"(\.lora_[AB])\.[^.]+(\.(?:weight|bias))\z|(\.lora_embedding_[AB])\.[^.]+\z|(\.lora_magnitude_vector)(?:\.[^.]+)?(?:\.weight)?\z")]
    private static partial Regex AdapterName();

    [GeneratedRegex(@"\.original_module\.[^.]+\z|\.modules_to_save\.[^.]+\z")]
    private static partial Regex Copies();
}
