using NotebookLib.Lora;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Verification;

/// <summary>
/// Checks adapters of every kind against <c>peft/</c>: <c>base</c>, inputs.safetensors (input_ids, attention_mask, labels, and the base's own logits and loss),
/// and <c>KIND</c> with adapter_config.json, weights, and expected.safetensors (logits, logits_merged, loss, grad.PARAMETER as PEFT's named_parameters spells
/// it). What lies in <c>refuse/</c> must be refused.
/// </summary>
public sealed class PeftChecks : IGoldenCheck
{
    private const string BaseName = "base";
    private const double Tolerance = 1e-5;

    /// <inheritdoc />
    public string FolderName => "peft";

    /// <inheritdoc />
    public IEnumerable<CheckResult> Check(string folder, VerifyOptions options)
    {
        var compared = 0;
        foreach (var kind in Directory.EnumerateDirectories(folder).Where(kind => File.Exists(Path.Combine(kind, "expected.safetensors")))
            .Order(StringComparer.Ordinal))
        {
            var name = $"{FolderName}/{Path.GetFileName(kind)}";
            foreach (var row in GoldenFolder.Guard(name, () => CheckKind(folder, kind, options)))
            {
                compared++;
                yield return row with { Folder = name };
            }
        }

        var refused = Path.Combine(folder, "refuse");
        foreach (var kind in (Directory.Exists(refused) ? Directory.GetDirectories(refused) : []).Order(StringComparer.Ordinal))
        {
            compared++;
            yield return CheckRefusal(folder, kind) with { Folder = $"{FolderName}/refuse/{Path.GetFileName(kind)}" };
        }

        if (compared == 0)
        {
            yield return CheckResult.Failed(FolderName, "cases", "no folder with expected.safetensors in it, and no folder refuse");
        }
    }

    private static List<CheckResult> CheckKind(string folder, string kind, VerifyOptions options)
    {
        using var scope = NewDisposeScope();
        var inputs = GoldenFolder.Read(Path.Combine(folder, "inputs.safetensors"), options);
        var golden = GoldenFolder.Read(Path.Combine(kind, "expected.safetensors"), options);
        using var model = ModelFolder.Load(Path.Combine(folder, BaseName), options.Loading(isStrict: true)).Model;
        var before = LoraChecks.Snapshot(model);
        using var adapters = LoraAdapters.Load(kind, model);
        List<CheckResult> rows = [];
        foreach (var usesKernels in (bool[])[true, false])
        {
            model.Deberta.Encoder.UsesPackedKernels = usesKernels;
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
