using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Lora;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Verification;

/// <summary>
/// Checks adapters against <c>lora/</c>: base, adapter and adapter-bin as PEFT saved them, counts.json, and expected_f32.safetensors with logits unmerged and
/// merged.
/// </summary>
public sealed class LoraChecks : IGoldenCheck
{
    private const double Tolerance = 1e-5;

    /// <inheritdoc />
    public string FolderName => "lora";

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options) => ((string[])["adapter", "adapter-bin"])
        .Where(name => Directory.Exists(Path.Combine(folder, name)))
        .SelectMany(name =>
            GoldenFolder.Guard($"{FolderName}/{name}", () => CheckAdapter(folder, name, options)).Select(row => row with { Folder = $"{FolderName}/{name}" }));

    private static List<CheckResult> CheckAdapter(string folder, string name, VerifyOptions options)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var golden = GoldenFolder.Read(Path.Combine(folder, "expected_f32.safetensors"), options);
        using var model = ModelFolder.Load(Path.Combine(folder, "base"), options.Loading()).Model;
        var before = Snapshot(model);
        using var adapters = LoraAdapters.Load(Path.Combine(folder, name), model);
        List<CheckResult> rows = [CompareCounts(folder, adapters), .. CompareLogits(model, golden, "logits", options)];

        adapters.Merge();
        rows.AddRange(CompareLogits(model, golden, "logits_merged", options));
        rows.AddRange(golden.Where(pair => pair.Key.StartsWith("merged.query_proj.", StringComparison.Ordinal)).Select(pair => new CheckResult(
            "", pair.Key, GoldenFolder.Difference(
                model.Deberta.Encoder.Layers[
                int.Parse(pair.Key.Split('.')[^1], System.Globalization.CultureInfo.InvariantCulture)].Attention.Self.QueryProjection.Weight, pair.Value),
                options.Allow(Tolerance))));
        var merged = Snapshot(model);
        adapters.Merge();
        rows.Add(new("", "merging twice: weights that differ", CountDifferent(merged, Snapshot(model)), 0));

        adapters.Unmerge();
        rows.Add(new("", "unmerged: base weights that differ", CountDifferent(before, Snapshot(model)), 0, $"{before.Count} compared bit for bit"));
        rows.AddRange(CompareSaved(adapters, Path.Combine(folder, name)));
        return rows;
    }

    private static CheckResult CompareCounts(string folder, LoraAdapters adapters)
    {
        using var counts = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "counts.json")));
        var difference = Math.Abs(counts.RootElement.GetProperty("trainable").GetInt64() - adapters.TrainableParameters)
            + Math.Abs(counts.RootElement.GetProperty("total").GetInt64() - adapters.TotalParameters);
        return new("", "counts", difference, 0, adapters.ToString());
    }

    private static IEnumerable<CheckResult> CompareLogits(DebertaV2ForTokenClassification model, Dictionary<string, Tensor> golden, string name,
        VerifyOptions options)
    {
        var places = golden["attention_mask"].to(ScalarType.Bool);
        foreach (var usesKernels in (bool[])[true, false])
        {
            model.Deberta.Encoder.UsesPackedKernels = usesKernels;
            var logits = model.call(golden["input_ids"], golden["attention_mask"]);
            yield return new("", $"{name}{(usesKernels ? " (kernels)" : "")}", GoldenFolder.Difference(logits[places], golden[name][places]),
                options.Allow(Tolerance));
        }
    }

    /// <summary>Saves the adapters again and compares names, shapes, values and configuration with the golden.</summary>
    private static List<CheckResult> CompareSaved(LoraAdapters adapters, string golden)
    {
        var saved = Directory.CreateTempSubdirectory("verify-lora-");
        try
        {
            adapters.Save(saved.FullName);
            using var ours = SafetensorsFile.Open(Path.Combine(saved.FullName, "adapter_model.safetensors"));
            using var theirs = Checkpoint.OpenFile(Directory.EnumerateFiles(golden, "adapter_model.*").First());
            var different = ours.Tensors.Keys.Union(theirs.Tensors.Keys).Where(name => !ours.Tensors.ContainsKey(name) || !theirs.Tensors.ContainsKey(name)
                || !ours.Tensors[name].Shape.SequenceEqual(theirs.Tensors[name].Shape) || GoldenFolder.Difference(ours.Read(name), theirs.Read(name)) != 0)
                    .ToList();
            return
            [
                new("", "saved again: tensors that differ", different.Count, 0, different.Count == 0 ? $"{ours.Tensors.Count} tensors" : different[0]),
                new("", "saved again: configuration keys that differ", CountDifferentKeys(saved.FullName, golden), 0),
            ];
        }
        finally
        {
            saved.Delete(recursive: true);
        }
    }

    private static int CountDifferentKeys(string ours, string theirs)
    {
        JsonObject Read(string folder) => JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "adapter_config.json")))!.AsObject();
        var (a, b) = (Read(ours), Read(theirs));
        return a.Select(pair => pair.Key).Union(b.Select(pair => pair.Key))
            .Count(key => !a.ContainsKey(key) || !b.ContainsKey(key) || !JsonNode.DeepEquals(a[key], b[key]));
    }

    /// <summary>Copies of the base's parameters.</summary>
    internal static Dictionary<string, Tensor> Snapshot(DebertaV2ForTokenClassification model) => model.named_parameters()
        .Where(pair => !pair.name.Contains("lora_", StringComparison.Ordinal) && !pair.name.StartsWith("classifier.", StringComparison.Ordinal))
        .ToDictionary(pair => pair.name, pair => pair.parameter.detach().cpu().clone(), StringComparer.Ordinal);

    /// <summary>How many differ by a bit, or are missing.</summary>
    internal static int CountDifferent(Dictionary<string, Tensor> expected, Dictionary<string, Tensor> actual) =>
        expected.Count(pair => !actual.TryGetValue(pair.Key, out var own) || !own.bytes.SequenceEqual(pair.Value.bytes))
            + Math.Abs(expected.Count - actual.Count);
}
