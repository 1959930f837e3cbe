using System.Text.Json;
using NotebookLib.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Verification;

/// <summary>
/// Checks networks of real size against <c>full-size/NAME</c>: config.json, parameters.json (names and shapes), first_values.json, expected_f32.safetensors
/// (inputs, labels, logits, loss). No weight file is needed: a formula of name and index gives every value.
/// </summary>
public sealed class FullSizeChecks : IGoldenCheck
{
    private const double Tolerance = 1e-4;

    /// <inheritdoc />
    public string FolderName => "full-size";

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        foreach (var network in GoldenFolder.Networks(folder))
        {
            var name = $"{FolderName}/{Path.GetFileName(network)}";
            foreach (var row in GoldenFolder.Guard(name, () => CheckNetwork(network, options)))
            {
                yield return row with { Folder = name };
            }
        }
    }

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
