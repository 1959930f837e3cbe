extern alias lib;

using System.Text.Json;
using lib::NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookRunner.Verification;

/// <summary>
/// Checks networks against <c>model/NAME</c>: config.json, model.safetensors (and pytorch_model.bin), inputs.safetensors, and expected_f32 / expected_f64 with
/// logits, loss, hidden_states.0…n and grad.PARAMETER. Only real pieces count: what stands at padding differs between codes and is used by nobody.
/// </summary>
internal static class ModelChecks
{
    private static readonly (string File, ScalarType Dtype, double Tolerance)[] Kinds =
        [("expected_f32.safetensors", ScalarType.Float32, 1e-5), ("expected_f64.safetensors", ScalarType.Float64, 1e-10)];

    private const string FolderName = "model";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } = new(FolderName, Compare);

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options) => GoldenFolder.Networks(folder)
        .SelectMany(network => GoldenFolder.Guard($"{FolderName}/{Path.GetFileName(network)}", () => CheckNetwork(network, options)));

    private static IEnumerable<CheckResult> CheckNetwork(string folder, VerifyOptions options)
    {
        var name = $"{FolderName}/{Path.GetFileName(folder)}";
        foreach (var (file, dtype, tolerance) in Kinds.Where(kind => File.Exists(Path.Combine(folder, kind.File))))
        {
            using var model = ModelFolder.Load(folder, options.Loading(dtype, isStrict: true)).Model;
            // float64 has no kernels; float32 is checked on both ways, the kernels' and autograd's.
            foreach (var usesKernels in dtype == ScalarType.Float32 ? (bool[])[true, false] : [false])
            {
                model.Engine.UsesKernels = usesKernels;
                foreach (var row in Compare(model, folder, file, options, dtype == ScalarType.Float32 ? options.Allow(tolerance) : tolerance))
                {
                    yield return row with
                    {
                        Folder = name,
                        Quantity = $"{row.Quantity} ({dtype.ToString().ToLowerInvariant()}{(usesKernels ? ", kernels" : "")})"
                    };
                }
            }
        }

        if (File.Exists(Path.Combine(folder, "pytorch_model.bin")) && File.Exists(Path.Combine(folder, "model.safetensors")))
        {
            yield return ComparePickle(folder) with { Folder = name };
        }
    }

    private static List<CheckResult> Compare(DebertaV2ForTokenClassification model, string folder, string file, VerifyOptions options, double tolerance)
    {
        using var scope = NewDisposeScope();
        var expected = GoldenFolder.Read(Path.Combine(folder, file), options);
        var inputs = GoldenFolder.Read(Path.Combine(folder, "inputs.safetensors"), options);
        var places = inputs["attention_mask"].to(ScalarType.Bool);
        List<CheckResult> rows = [];
        model.zero_grad();
        var logits = model.call(inputs["input_ids"], inputs["attention_mask"]);
        rows.Add(new("", "logits", Difference(logits[places], expected["logits"][places]), tolerance));
        var loss = DebertaV2ForTokenClassification.Loss(logits, inputs["labels"]);
        rows.Add(new("", "loss", Difference(loss, expected["loss"].squeeze()), tolerance));
        BackwardPass.Run(loss);
        rows.Add(CompareGradients(model, expected, tolerance));
        if (!model.Engine.UsesKernels)
        {
            using var noGradients = no_grad();
            var states = model.Deberta.HiddenStates(inputs["input_ids"], inputs["attention_mask"]);
            var differences = states.Select((state, layer) =>
                expected.TryGetValue($"hidden_states.{layer}", out var golden) ? Difference(state[places], golden[places]) : 0);
            rows.Add(new("", "hidden states", GoldenFolder.Largest(differences), tolerance, $"{states.Count} states"));
            foreach (var state in states)
            {
                state.Dispose();
            }
        }

        return rows;
    }

    private static CheckResult CompareGradients(DebertaV2ForTokenClassification model, Dictionary<string, Tensor> expected, double tolerance)
    {
        var worst = (Name: "", Difference: 0.0);
        var count = 0;
        var parameters = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        foreach (var (name, golden) in expected.Where(pair => pair.Key.StartsWith("grad.", StringComparison.Ordinal)))
        {
            count++;
            // A parameter that nothing uses has no gradient here; other codes may write zeros.
            var difference = parameters.TryGetValue(name["grad.".Length..], out var parameter)
                ? Difference(parameter.grad ?? zeros_like(parameter), golden) : double.NaN;
            worst = difference > worst.Difference || double.IsNaN(difference) ? (name, difference) : worst;
        }

        return new("", "gradients", worst.Difference, tolerance,
            $"{count} parameters{(worst.Difference > tolerance || double.IsNaN(worst.Difference) ? ", worst " + worst.Name : "")}");
    }

    private static CheckResult ComparePickle(string folder)
    {
        using var scope = NewDisposeScope();
        using ITensorSource pickle = PickleFile.Open(Path.Combine(folder, "pytorch_model.bin")),
        safetensors = SafetensorsFile.Open(Path.Combine(folder, "model.safetensors"));
        var differing = safetensors.Tensors.Keys.Count(name => !pickle.Tensors.ContainsKey(name) || Difference(pickle.Read(name), safetensors.Read(name)) != 0);
        return new("", "pytorch_model.bin equals model.safetensors", differing, 0, $"{safetensors.Tensors.Count} tensors");
    }

    private static double Difference(Tensor actual, Tensor golden) => GoldenFolder.Difference(actual, golden);
}

/// <summary>
/// Checks networks of real size against <c>full-size/NAME</c>: config.json, parameters.json (names and shapes), first_values.json, expected_f32.safetensors
/// (inputs, labels, logits, loss). No weight file is needed: a formula of name and index gives every value.
/// </summary>
internal static class FullSizeChecks
{
    private const double Tolerance = 1e-4;

    private const string FolderName = "full-size";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } = new(FolderName, Compare);

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options) => GoldenFolder.Networks(folder)
        .Select(network => (Name: $"{FolderName}/{Path.GetFileName(network)}", Folder: network))
        .SelectMany(network => GoldenFolder.Guard(network.Name, () => CheckNetwork(network.Folder, options)).Select(row => row with { Folder = network.Name }));

    private static List<CheckResult> CheckNetwork(string folder, VerifyOptions options)
    {
        var config = DebertaConfig.Read(Path.Combine(folder, "config.json"));
        List<CheckResult> rows = [CompareNames(config, folder)];
        if (config.HiddenSize >= 1024 && !options.IncludeLarge)
        {
            return rows;
        }

        using var scope = NewDisposeScope();
        using var model = new DebertaV2ForTokenClassification(new ModelBuild(config));
        using var noGradients = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            FormulaWeights.Fill(parameter, name);
        }

        rows.Add(CompareFirstValues(model, folder));
        model.to(options.Device);
        model.eval();
        var golden = GoldenFolder.Read(Path.Combine(folder, "expected_f32.safetensors"), options);
        var places = golden["attention_mask"].to(ScalarType.Bool);
        var logits = model.call(golden["input_ids"], golden["attention_mask"]);
        rows.Add(new("", "logits (float32)", GoldenFolder.Difference(logits[places], golden["logits"][places]), options.Allow(Tolerance)));
        rows.Add(new("", "loss (float32)", GoldenFolder.Difference(DebertaV2ForTokenClassification.Loss(logits, golden["labels"]), golden["loss"]),
            options.Allow(Tolerance)));
        return rows;
    }

    private static CheckResult CompareNames(DebertaConfig config, string folder)
    {
        using var meta = new DebertaV2ForTokenClassification(new ModelBuild(config, ScalarType.Float32, torch.device("meta"), new DropoutRandom(0)));
        var ours = meta.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.shape);
        var golden = JsonSerializer.Deserialize<Dictionary<string, long[]>>(File.ReadAllText(Path.Combine(folder, "parameters.json")))!;
        var wrong = golden.Keys.Union(ours.Keys)
            .Where(name => !golden.TryGetValue(name, out var shape) || !ours.TryGetValue(name, out var own) || !shape.SequenceEqual(own)).ToList();
        return new("", "parameter names and shapes", wrong.Count, 0, wrong.Count == 0 ? $"{golden.Count} parameters" : string.Join(", ", wrong.Take(3)));
    }

    private static CheckResult CompareFirstValues(DebertaV2ForTokenClassification model, string folder)
    {
        var parameters = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter);
        var golden = JsonSerializer.Deserialize<Dictionary<string, double[]>>(File.ReadAllText(Path.Combine(folder, "first_values.json")))!;
        var differences = golden.Select(pair =>
            GoldenFolder.Difference(parameters[pair.Key].flatten().narrow(0, 0, pair.Value.Length), tensor(pair.Value)));
        return new("", "weights by the formula", GoldenFolder.Largest(differences), 1e-9, $"{golden.Count} parameters");
    }
}
