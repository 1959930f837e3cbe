using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using NotebookLib.Platform;

namespace NotebookLib.Training;

/// <summary>Whether all ranks are about to train the same: settings, rows, model, notebook.</summary>
internal static class RankAgreement
{
    // Where a rank writes, what rank 0 does with what is there, and how much a rank's own memory takes at once.
    private static readonly string[] Free = ["outputFolder", "existingRun", "piecesPerPass"];

    /// <summary>Compares this rank's training with the others'.</summary>
    /// <exception cref="InvalidOperationException">They differ; all ranks are told the same.</exception>
    public static void Require(ICommunicator ranks, ITrainingTask task, TrainingSettings settings)
    {
        var facts = JsonSerializer.SerializeToNode(settings, StateJson.Options)!.AsObject();
        foreach (var name in Free)
        {
            facts.Remove(name);
        }

        facts["the training rows (count and hash)"] = task.DataFingerprint;
        facts["the evaluation rows (count and hash)"] = task.EvaluationFingerprint;
        facts["the model's parameters (hash)"] = FingerprintOf(task);
        facts["the notebook and its parameters (hash)"] = Environment.GetEnvironmentVariable(HostContract.NotebookVariable) ?? "";
        var all = ranks.GatherNow(Encoding.UTF8.GetBytes(facts.ToJsonString())).Select(bytes => StrictJson.ParseNode(bytes)!.AsObject()).ToList();
        var differences = Enumerable.Range(1, ranks.Count - 1).SelectMany(rank => all[0]
            .Where(pair => !JsonNode.DeepEquals(pair.Value, all[rank][pair.Key]))
            .Select(pair => $"  {pair.Key}: {Text(all[rank][pair.Key])} on rank {rank}, {Text(pair.Value)} on rank 0")).ToList();
        if (differences.Count > 0)
        {
            throw new InvalidOperationException($"The {ranks.Count} ranks do not train the same:\n{string.Join('\n', differences)}\n"
                + "Give every rank the same notebook, parameters, files and build.");
        }
    }

    // Trained ones begin as rank 0's; frozen ones have to be the same already.
    private static string FingerprintOf(ITrainingTask task)
    {
        var hash = new XxHash128();
        foreach (var (name, parameter) in task.Model.named_parameters())
        {
            hash.Append(Encoding.UTF8.GetBytes(Invariant($"{name} {string.Join('x', parameter.shape)} {parameter.dtype} {parameter.requires_grad}")));
            if (!parameter.requires_grad)
            {
                using var values = parameter.cpu();
                hash.Append(values.bytes);
            }
        }

        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    private static string Text(JsonNode? node) => node?.ToJsonString() ?? "nothing";
}
