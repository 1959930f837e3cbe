using NotebookLib.Model;
using TorchSharp.Modules;

namespace NotebookLib.Lora;

/// <summary>Which of a model's layers settings mean, and what is trained and saved beside their adapters.</summary>
internal static class LoraPlaces
{
    public const string HeadName = "classifier";

    /// <inheritdoc cref="LoraAdapters.FindFaults"/>
    public static IReadOnlyList<string> FindFaults(DebertaV2ForTokenClassification model, LoraSettings settings)
    {
        var faults = settings.FindFaults().ToList();
        var areSound = faults.Count == 0;
        var names = Candidates(model, settings).Select(candidate => candidate.Name).ToList();
        var linear = names.Count(name => !IsTable(name));
        var unmet = (settings.Targets ?? []).Where(target => !IsAllLinear(target) && ModuleNames.FindFault(nameof(settings.Targets), target) is null
            && !names.Any(name => ModuleNames.Matches(target, name))).ToList();
        faults.AddRange(unmet.Select(target =>
            $"Targets has \"{target}\", which matches none of the model's {linear} linear layers; expected for instance {Nearest(target, names)}."));
        if (areSound && unmet.Count == 0 && !names.Any(name => IsMeant(settings, name) && !IsExcluded(settings, name)))
        {
            faults.Add("Excluded, Layers and SavedModules leave none of the layers that Targets names; expected at least one.");
        }

        return faults;
    }

    /// <summary>The layers that settings mean, in the model's order.</summary>
    /// <exception cref="InvalidOperationException">One carries an adapter already.</exception>
    /// <exception cref="NotSupportedException">The table of word vectors is to carry what is not computed there.</exception>
    public static List<(string Name, IAdaptedLayer Place)> In(DebertaV2ForTokenClassification model, LoraSettings settings)
    {
        var candidates = Candidates(model, settings).ToList();
        if (candidates.FirstOrDefault(candidate => candidate.Place.Adapter is not null) is { Name: { } taken })
        {
            throw new InvalidOperationException($"{taken} carries an adapter already. Load the model anew, or go on with LoraAdapters.Of(model).");
        }

        List<(string Name, IAdaptedLayer Place)> places =
            [.. candidates.Where(candidate => IsMeant(settings, candidate.Name) && !IsExcluded(settings, candidate.Name))];
        return places.Exists(place => place.Place is EmbeddingTable) && (settings.UsesMagnitudes || settings.HasBias)
            ? throw new NotSupportedException($"word_embeddings is adapted with {(settings.UsesMagnitudes ? "magnitudes (use_dora)" : "a bias (lora_bias)")}, "
                + "which is not computed here.") : places;
    }

    /// <summary>Every layer that can carry an adapter: linear layers, the head where it is not saved whole, and the table of word vectors.</summary>
    private static IEnumerable<(string Name, IAdaptedLayer Place)> Candidates(DebertaV2ForTokenClassification model, LoraSettings settings) =>
        model.named_modules()
        .Where(pair => (pair.module is Projection && (!settings.TrainsHead || !ReferenceEquals(pair.module, model.Classifier)))
            || ReferenceEquals(pair.module, model.Deberta.Embeddings.WordEmbeddings))
        .Select(pair => (pair.name, (IAdaptedLayer)pair.module));

    private static bool IsTable(string name) => name.EndsWith("word_embeddings", StringComparison.Ordinal);

    private static bool IsAllLinear(string target) => string.Equals(target, ModuleNames.AllLinear, StringComparison.OrdinalIgnoreCase);

    private static bool IsMeant(LoraSettings settings, string name) =>
        ((settings.Targets ?? []).Any(IsAllLinear) && !IsTable(name)) || ModuleNames.IsTarget(settings, name);

    private static bool IsExcluded(LoraSettings settings, string name) =>
        (settings.Excluded ?? []).Any(entry => ModuleNames.Matches(entry, name))
            || (settings.SavedModules ?? []).Any(saved => ModuleNames.IsWithin(saved, name));

    /// <summary>Whether a parameter is of the head or of another module that is saved whole.</summary>
    public static bool IsInSavedModule(LoraSettings settings, string parameter)
    {
        var module = parameter[..parameter.LastIndexOf('.')];
        return (settings.TrainsHead && module == HeadName) || (settings.SavedModules ?? []).Any(saved => ModuleNames.IsWithin(saved, module));
    }

    /// <summary>What is trained and saved beside the adapters.</summary>
    public static IEnumerable<(string Name, Parameter Parameter)> SavedParameters(
        DebertaV2ForTokenClassification model, LoraSettings settings, IReadOnlyList<(string Name, IAdaptedLayer Place)> places)
    {
        var biases = settings.Biases == TrainedBiases.Adapted ? places.Select(place => place.Name + ".bias").ToHashSet(StringComparer.Ordinal) : null;
        return model.named_parameters().Where(pair => !pair.name.Contains(".lora_", StringComparison.Ordinal)
            && (IsInSavedModule(settings, pair.name)
                || (settings.Biases == TrainedBiases.All ? pair.name.EndsWith(".bias", StringComparison.Ordinal) : biases?.Contains(pair.name) ?? false)))
            .Select(pair => (pair.name, pair.parameter));
    }

    /// <summary>The shapes of everything that is saved, by our names of a file's tensors.</summary>
    public static Dictionary<string, long[]> ExpectedShapes(
        DebertaV2ForTokenClassification model, LoraSettings settings, IReadOnlyList<(string Name, IAdaptedLayer Place)> places)
    {
        var shapes = SavedParameters(model, settings, places)
            .ToDictionary(pair => AdapterFile.NameOfParameter(pair.Name), pair => pair.Parameter.shape, StringComparer.Ordinal);
        foreach (var (name, place) in places)
        {
            var (output, input, rank) = (place.Weight.shape[0], place.Weight.shape[1], settings.RankOf(name));
            (string, long[])[] parts = place is EmbeddingTable
                ? [("lora_embedding_A", [rank, output]), ("lora_embedding_B", [input, rank])]
                :
                [
                    ("lora_A.weight", [rank, input]), ("lora_B.weight", [output, rank]),
                    .. settings.HasBias ? [("lora_B.bias", [output])] : Array.Empty<(string, long[])>(),
                    .. settings.UsesMagnitudes ? [("lora_magnitude_vector", [output])] : Array.Empty<(string, long[])>(),
                ];
            foreach (var (part, shape) in parts)
            {
                shapes[AdapterFile.NameOf(name, part)] = shape;
            }
        }

        return shapes;
    }

    private static string Nearest(string target, IEnumerable<string> names)
    {
        // Names of one layer are enough: deberta.encoder.layer.N.attention.self.query_proj → attention.self.query_proj.
        var ends = names.Select(name => string.Join('.', name.Split('.').SkipWhile(part => !int.TryParse(part, out _)).Skip(1).DefaultIfEmpty(name)))
            .Distinct();
        return string.Join(", ", ModuleNames.ByLikeness(target, ends).Take(4));
    }
}
