extern alias lib;

using System.Text.Json;
using System.Text.Json.Nodes;
using lib::NotebookLib.Lora;
using lib::NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookRunner.Verification;

/// <summary>
/// Checks adapters against <c>lora/</c>: base, adapter and adapter-bin as PEFT saved them, counts.json, and expected_f32.safetensors with logits unmerged and
/// merged.
/// </summary>
internal static class LoraChecks
{
    private const double Tolerance = 1e-5;

    private const string FolderName = "lora";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } = new(FolderName, Compare);

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options) => ((string[])["adapter", "adapter-bin"])
        .Where(name => Directory.Exists(Path.Combine(folder, name)))
        .SelectMany(name => GoldenFolder.Guard($"{FolderName}/{name}", () => CheckAdapter(folder, name, options))
            .Select(row => row with { Folder = $"{FolderName}/{name}" }));

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
            model.Engine.UsesKernels = usesKernels;
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
            using var theirs = WeightFiles.OpenFile(Directory.EnumerateFiles(golden, "adapter_model.*").First());
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
    public static Dictionary<string, Tensor> Snapshot(DebertaV2ForTokenClassification model) => model.named_parameters()
        .Where(pair => !pair.name.Contains("lora_", StringComparison.Ordinal) && !pair.name.StartsWith("classifier.", StringComparison.Ordinal))
        .ToDictionary(pair => pair.name, pair => pair.parameter.detach().cpu().clone(), StringComparer.Ordinal);

    /// <summary>How many differ by a bit, or are missing.</summary>
    public static int CountDifferent(Dictionary<string, Tensor> expected, Dictionary<string, Tensor> actual) =>
        expected.Count(pair => !actual.TryGetValue(pair.Key, out var own) || !own.bytes.SequenceEqual(pair.Value.bytes))
            + Math.Abs(expected.Count - actual.Count);
}

/// <summary>
/// Checks adapters of every kind against <c>peft/</c>: <c>base</c>, inputs.safetensors (input_ids, attention_mask, labels, and the base's own logits and loss),
/// and <c>KIND</c> with adapter_config.json, weights, and expected.safetensors (logits, logits_merged, loss, grad.PARAMETER as PEFT's named_parameters spells
/// it). What lies in <c>refuse/</c> must be refused.
/// </summary>
internal static class PeftChecks
{
    private const string BaseName = "base";
    private const string ExpectedName = "expected.safetensors";
    private const double Tolerance = 1e-5;

    private const string FolderName = "peft";

    /// <summary>The check.</summary>
    public static GoldenCheck Golden { get; } = new(FolderName, Compare, $"no folder with {ExpectedName} in it, and no folder refuse");

    private static IEnumerable<CheckResult> Compare(string folder, VerifyOptions options)
    {
        var refused = Path.Combine(folder, "refuse");
        return Directory.EnumerateDirectories(folder).Where(kind => File.Exists(Path.Combine(kind, ExpectedName))).Order(StringComparer.Ordinal)
            .Select(kind => (Name: $"{FolderName}/{Path.GetFileName(kind)}", Folder: kind))
            .SelectMany(kind => GoldenFolder.Guard(kind.Name, () => CheckKind(folder, kind.Folder, options)).Select(row => row with { Folder = kind.Name }))
            .Concat((Directory.Exists(refused) ? Directory.GetDirectories(refused) : []).Order(StringComparer.Ordinal)
                .Select(kind => CheckRefusal(folder, kind) with { Folder = $"{FolderName}/refuse/{Path.GetFileName(kind)}" }));
    }

    private static List<CheckResult> CheckKind(string folder, string kind, VerifyOptions options)
    {
        using var scope = NewDisposeScope();
        var inputs = GoldenFolder.Read(Path.Combine(folder, "inputs.safetensors"), options);
        var golden = GoldenFolder.Read(Path.Combine(kind, ExpectedName), options);
        using var model = ModelFolder.Load(Path.Combine(folder, BaseName), options.Loading(isStrict: true)).Model;
        var before = LoraChecks.Snapshot(model);
        using var adapters = LoraAdapters.Load(kind, model);
        List<CheckResult> rows = [];
        foreach (var usesKernels in (bool[])[true, false])
        {
            model.Engine.UsesKernels = usesKernels;
            rows.AddRange(CompareTraining(model, adapters, inputs, golden, usesKernels ? " (kernels)" : "", options.Allow(Tolerance)));
        }

        using var quiet = no_grad();
        rows.Add(CompareSaved(folder, adapters, inputs, golden, options));
        adapters.Merge();
        rows.Add(new("", "logits, merged", LogitDifference(model, inputs, golden["logits_merged"]), options.Allow(Tolerance)));
        adapters.Unmerge();
        var changed = adapters.TensorsByFileName().Keys.Select(name => name["base_model.model.".Length..]).ToHashSet(StringComparer.Ordinal);
        rows.Add(new("", "unmerged: base weights that differ", LoraChecks.CountDifferent(
            before.Where(pair => !changed.Contains(pair.Key)).ToDictionary(),
            LoraChecks.Snapshot(model).Where(pair => !changed.Contains(pair.Key)).ToDictionary()), 0));
        return rows;
    }

    private static IEnumerable<CheckResult> CompareTraining(
        DebertaV2ForTokenClassification model, LoraAdapters adapters, Dictionary<string, Tensor> inputs, Dictionary<string, Tensor> golden, string way,
        double tolerance)
    {
        var places = inputs["attention_mask"].to(ScalarType.Bool);
        model.zero_grad();
        using var logits = model.call(inputs["input_ids"], inputs["attention_mask"]);
        using var loss = DebertaV2ForTokenClassification.Loss(logits, inputs["labels"]);
        BackwardPass.Run(loss);
        yield return new("", $"logits{way}", GoldenFolder.Difference(logits[places], golden["logits"][places]), tolerance);
        yield return new("", $"loss{way}", GoldenFolder.Difference(loss, golden["loss"].squeeze()), tolerance);
        var ours = adapters.TensorsByFileName();
        var gradients = golden.Where(pair => pair.Key.StartsWith("grad.", StringComparison.Ordinal))
            .ToDictionary(pair => AdapterFile.Canonical(pair.Key["grad.".Length..]), pair => pair.Value);
        if (gradients.Keys.ToHashSet().SetEquals(ours.Keys))
        {
            var worst = gradients.Select(pair => (pair.Key, Difference: GoldenFolder.Difference(ours[pair.Key].grad ?? zeros_like(ours[pair.Key]), pair.Value)))
                .MaxBy(pair => double.IsNaN(pair.Difference) ? double.PositiveInfinity : pair.Difference);
            yield return new("", $"gradients{way}", worst.Difference, tolerance, $"{gradients.Count} parameters, worst {worst.Key}");
        }
        else
        {
            yield return CheckResult.Failed("", $"gradients{way}",
                $"PEFT trains others than we do: {string.Join(", ", gradients.Keys.Except(ours.Keys).Concat(ours.Keys.Except(gradients.Keys)).Take(4))}");
        }
    }

    /// <summary>What is saved again and put on another base gives the same.</summary>
    private static CheckResult CompareSaved(string folder, LoraAdapters adapters, Dictionary<string, Tensor> inputs, Dictionary<string, Tensor> golden,
        VerifyOptions options)
    {
        var saved = Directory.CreateTempSubdirectory("verify-peft-");
        try
        {
            adapters.Save(saved.FullName);
            using var model = ModelFolder.Load(Path.Combine(folder, BaseName), options.Loading()).Model;
            using var again = LoraAdapters.Load(saved.FullName, model);
            return new("", "logits, saved and loaded again", LogitDifference(model, inputs, golden["logits"]), options.Allow(Tolerance), again.ToString());
        }
        finally
        {
            saved.Delete(recursive: true);
        }
    }

    private static double LogitDifference(DebertaV2ForTokenClassification model, Dictionary<string, Tensor> inputs, Tensor golden)
    {
        using var scope = NewDisposeScope();
        var places = inputs["attention_mask"].to(ScalarType.Bool);
        return GoldenFolder.Difference(model.call(inputs["input_ids"], inputs["attention_mask"])[places], golden[places]);
    }

    private static CheckResult CheckRefusal(string folder, string kind)
    {
        try
        {
            using var model = ModelFolder.Load(Path.Combine(folder, BaseName)).Model;
            using var adapters = LoraAdapters.Load(kind, model);
            return CheckResult.Failed("", "refused", "was loaded, though it is of a kind that this build does not compute");
        }
        catch (NotSupportedException error)
        {
            return new("", "refused", 0, 0, string.Join(' ', error.Message.Split('\n', StringSplitOptions.TrimEntries)).Split("compute: ")[^1]);
        }
#pragma warning disable CA1031 // Anything else is a finding of this table.
        catch (Exception error)
#pragma warning restore CA1031
        {
            return CheckResult.Failed("", "refused", $"{error.GetType().Name}: {error.Message}");
        }
    }
}
