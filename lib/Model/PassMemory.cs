using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model;

// C hidden size, I intermediate size, H heads, L pieces of the longest sentence

/// <summary>How many pieces go through a network at once, and what becomes of a pass that does not fit into its device's memory after all.</summary>
internal static class PassMemory
{
    /// <summary>More at once makes nothing faster without gradients.</summary>
    private const int MostWithoutGradients = 1 << 16, MostWithoutGradientsOnCpu = 1 << 11;

    /// <summary>Part of the free memory that is counted on; the rest is for what no formula knows (workspaces, fragments).</summary>
    private const double Usable = 0.85;

    /// <summary>Bytes that the first training of a process brings in, whatever it trains: pages of libraries, compiled code, tables. Measured.</summary>
    public const long FirstTraining = 160L << 20;

    /// <summary>What a heap holds for each byte in use, fragments and buffers that no formula knows among it. Measured.</summary>
    public const double HeapShare = 1.05;

    /// <summary>
    /// Bytes that a piece takes on the kernels, estimated from what a layer keeps for its gradient, and as much again of one layer for what comes and goes.
    /// </summary>
    /// <param name="config">The network's sizes.</param>
    /// <param name="longest">L.</param>
    /// <param name="productBytes">Bytes of an element of the matrix products.</param>
    /// <param name="keptLayers">Layers whose activations wait for the backward pass; the others keep their input.</param>
    public static double BytesPerPiece(DebertaConfig config, int longest, int productBytes, int keptLayers)
    {
        var layer = KeptByLayer(config, longest, productBytes);
        var input = config.HiddenSize * (double)productBytes;
        // A layer's backward pass holds gradients of all that, and the widest ones twice.
        return (keptLayers * layer) + ((config.NumHiddenLayers - keptLayers) * input) + (2 * layer) + (16.0 * config.HiddenSize) + (12.0 * config.Labels.Count);
    }

    // Query, key, value, context, input and middle rows in the products' type; two sums in float32; GELU's input; attention's weights in float32.
    private static double KeptByLayer(DebertaConfig config, int longest, int productBytes) => (config.HiddenSize * ((6.0 * productBytes) + 8))
        + (config.IntermediateSize * (double)productBytes) + (4.0 * config.NumAttentionHeads * (longest + 8));

    /// <summary>
    /// Pieces that go through at once: on a device those that its memory holds beside what is there now, on a CPU those whose activations
    /// <see cref="EncoderEngine.ActivationBudget"/> allows.
    /// </summary>
    /// <param name="model">On its device.</param>
    /// <param name="longest">Pieces of the longest sentence, L; on a CPU, where sentences of a pass take what each needs, of a usual one.</param>
    /// <param name="productType">Element type of the matrix products.</param>
    /// <param name="trains">Whether a backward pass follows; the gradients' memory is then reckoned as still to be had.</param>
    /// <param name="freeBytes">Memory that is free; null asks the device.</param>
    /// <returns>Null where the driver does not tell.</returns>
    public static int? PiecesThatFit(DebertaV2ForTokenClassification model, int longest, ScalarType productType, bool trains, long? freeBytes = null)
    {
        var engine = model.Engine;
        var productBytes = productType == ScalarType.Float32 ? 4 : 2;
        if (freeBytes is null && model.Classifier.Weight.device_type == TorchSharp.DeviceType.CPU)
        {
            return !trains ? MostWithoutGradientsOnCpu
                : (int)Math.Min(int.MaxValue, engine.ActivationBudget / (model.Config.NumHiddenLayers * KeptByLayer(model.Config, longest, productBytes)));
        }

        if ((freeBytes ?? DeviceUsage.Of(model.Classifier.Weight.device)?.FreeBytes) is not { } free)
        {
            return null;
        }

        var kept = !trains ? 0 : engine.RecomputesActivations ? 1 : model.Config.NumHiddenLayers;
        var (layers, table, trained) = WeightCounts(model, null);
        var beside = (productBytes == 2 ? 2.0 * (layers + table) : 0) + (trains ? 4.0 * trained : 0)
            + (trains && engine.RecomputesActivations ? engine.ActivationBudget : 0);
        var pieces = Math.Max(0, (free * Usable) - beside) / BytesPerPiece(model.Config, longest, productBytes, kept);
        return (int)Math.Min(pieces, trains ? int.MaxValue : MostWithoutGradients);
    }

    /// <summary>
    /// Bytes that a training on a CPU will take at most beside what is there now, by an estimate: gradients and AdamW's two moments of what is trained,
    /// narrower copies of the weights, code and tables that a first training brings in; the activations of its largest pass.
    /// </summary>
    /// <param name="model">As it will be trained.</param>
    /// <param name="longest">L.</param>
    /// <param name="pieces">Pieces of the largest pass.</param>
    /// <param name="productType">Element type of the matrix products.</param>
    /// <param name="trainedRows">Rows of the embedding table that are trained, where it is not all of them.</param>
    public static (long Weights, long Activations) OfTraining(
        DebertaV2ForTokenClassification model, int longest, long pieces, ScalarType productType, int? trainedRows)
    {
        var (config, productBytes) = (model.Config, productType == ScalarType.Float32 ? 4 : 2);
        var (layers, _, trained) = WeightCounts(model, trainedRows);
        var copies = productBytes == 2 ? 2 * layers : 0;
        var isRecomputed = model.Engine.RecomputesActivations
            && pieces * config.NumHiddenLayers * KeptByLayer(config, longest, productBytes) > model.Engine.ActivationBudget;
        var activations = (pieces * BytesPerPiece(config, longest, productBytes, isRecomputed ? 1 : config.NumHiddenLayers))
            + (isRecomputed ? model.Engine.ActivationBudget : 0);
        return ((long)(HeapShare * ((3 * 4 * trained) + copies)) + FirstTraining, (long)(HeapShare * activations));
    }

    /// <summary>Weights of the layers and of the embedding table, and how many of both are trained.</summary>
    private static (long Layers, long Table, long Trained) WeightCounts(DebertaV2ForTokenClassification model, int? trainedRows)
    {
        var (layers, table, trained) = (0L, 0L, 0L);
        foreach (var parameter in model.parameters())
        {
            var isTable = ReferenceEquals(parameter, model.Deberta.Embeddings.WordEmbeddings.Weight);
            layers += isTable ? 0 : parameter.numel();
            table += isTable ? parameter.numel() : 0;
            trained += !parameter.requires_grad ? 0 : isTable && trainedRows is { } rows ? rows * parameter.shape[1] : parameter.numel();
        }

        return (layers, table, trained);
    }

    /// <summary>How many of the units that come next make a pass: as many as fit, one at least.</summary>
    /// <param name="pieces">Pieces of each unit.</param>
    /// <param name="first">The unit that comes next.</param>
    /// <param name="most">Pieces at once, at most.</param>
    public static int Count(IReadOnlyList<int> pieces, int first, int most)
    {
        var (count, sum) = (1, (long)pieces[first]);
        while (first + count < pieces.Count && (sum += pieces[first + count]) <= most)
        {
            count++;
        }

        return count;
    }

    /// <summary>Runs over units, as many at once as fit; a pass that does not fit after all is done again in halves.</summary>
    /// <param name="pieces">Pieces of each unit.</param>
    /// <param name="most">Pieces at once, at most; 0 takes each unit by itself.</param>
    /// <param name="run">Runs a number of units from a first one on; what it left when it fails it must be able to do again.</param>
    /// <exception cref="InvalidOperationException">One unit alone does not fit.</exception>
    public static void InPasses(IReadOnlyList<int> pieces, int most, Action<int, int> run)
    {
        for (var first = 0; first < pieces.Count;)
        {
            var count = Count(pieces, first, most);
            try
            {
                run(first, count);
                first += count;
            }
            catch (Exception error) when (IsShort(error))
            {
                most = Halve(Enumerable.Range(first, count).Sum(unit => pieces[unit]), count, error, "Use smaller batches.");
            }
        }
    }

    /// <summary>Whether an exception says that a device's memory was short.</summary>
    public static bool IsShort(Exception error) =>
        error is OutOfMemoryException || (error is System.Runtime.InteropServices.ExternalException or InvalidOperationException && SaysShort(error.Message))
            || error is { InnerException: { } inner } && IsShort(inner);

    /// <summary>Makes of a pass that did not fit the size of the next.</summary>
    /// <param name="pieces">Its pieces.</param>
    /// <param name="units">Its units.</param>
    /// <param name="error">What happened.</param>
    /// <param name="advice">What to do when it cannot be split.</param>
    /// <returns>Pieces at once from here on.</returns>
    /// <exception cref="InvalidOperationException">It was one unit.</exception>
    public static int Halve(int pieces, int units, Exception error, string advice)
    {
        if (units == 1)
        {
            throw new InvalidOperationException($"Memory does not hold one batch of {pieces} pieces. {advice} ({error.Message.Split('\n')[0]})",
                error);
        }

        // What the failed pass had made may wait for finalisers only.
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return pieces / 2;
    }

    private static bool SaysShort(string message) =>
        message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
            // libtorch's allocator of the CPU.
            || message.Contains("not enough memory", StringComparison.Ordinal) || message.Contains("can't allocate memory", StringComparison.Ordinal)
            || message.Contains("CUBLAS_STATUS_ALLOC_FAILED", StringComparison.Ordinal);
}
