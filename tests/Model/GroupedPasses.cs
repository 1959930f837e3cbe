using NotebookLib.Batching;
using NotebookLib.Lora;
using NotebookLib.Model;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>Three micro-batches of sentences, scored one after another or together, and how far two results are apart.</summary>
internal static class GroupedPasses
{
    /// <summary>
    /// Lengths below, at and beyond a block's tile of 32 and a vector's 16; sentences of one piece; all beyond the midpoint of v3-tiny's 16 buckets.
    /// </summary>
    public static int[][] Lengths { get; } = [[5, 33, 1, 70], [16, 32], [1]];

    /// <summary>A network of v3-tiny's kind, in training, with dropout.</summary>
    /// <param name="heads">Its heads.</param>
    /// <param name="size">Width of a head.</param>
    /// <param name="hasAdapters">Whether queries, keys and the feed-forward block have low-rank adapters, and the rest is frozen.</param>
    /// <param name="sharesKeys">Whether relative rows use the pieces' projections.</param>
    public static DebertaV2ForTokenClassification New(int heads = 4, int size = 8, bool hasAdapters = false, bool sharesKeys = true)
    {
        var golden = DebertaConfig.Read(Repository.PathOf("tests", "goldens", "model", "v3-tiny", "config.json"));
        var config = golden with
        {
            NumHiddenLayers = 2,
            HiddenSize = heads * size,
            NumAttentionHeads = heads,
            HiddenDropoutProb = 0.1,
            AttentionProbsDropoutProb = 0.2,
            InitializerRange = 0.15,
            ShareAttKey = sharesKeys,
        };
        var model = new DebertaV2ForTokenClassification(new ModelBuild(config));
        WeightInitializer.Initialize(model, config, 5);
        model.train();
        if (hasAdapters)
        {
            LoraAdapters.Attach(model, new LoraSettings { Rank = 5, Alpha = 8, Dropout = 0.2, Targets = ["query_proj", "key_proj", "output.dense"] }, 5);
            using var quiet = no_grad();
            using var generator = new Generator(3);
            foreach (var (name, parameter) in model.named_parameters().Where(pair => pair.name.Contains("lora_B", StringComparison.Ordinal)))
            {
                parameter.normal_(0, 0.1, generator);
            }
        }

        return model;
    }

    /// <summary>Micro-batches of random pieces.</summary>
    public static IReadOnlyList<IReadOnlyList<EncodedSentence>> Sentences(DebertaConfig config)
    {
        var random = new Random(4);
        EncodedSentence Sentence(int length) => new(
            [.. Enumerable.Range(0, length).Select(_ => random.Next(1, config.VocabSize))],
            [.. Enumerable.Range(0, length).Select(_ => random.Next(config.Labels.Count))], new int[length]);
        return [.. Lengths.Select(group => group.Select(Sentence).ToList())];
    }

    /// <summary>Logits, and in training every gradient, by name.</summary>
    /// <param name="model">On the CPU.</param>
    /// <param name="together">One pass for all micro-batches, or one for each.</param>
    /// <param name="type">Type of the products.</param>
    public static Dictionary<string, Tensor> Run(DebertaV2ForTokenClassification model, bool together, ScalarType type = ScalarType.Float32)
    {
        var groups = Sentences(model.Config);
        model.zero_grad();
        (model.Random.Seed, model.Random.Counter) = (7, 17);
        List<Tensor> logits = [];
        using var quiet = model.training ? null : no_grad();
        using (model.Engine.KeepWeightCopies())
        {
            foreach (var pass in together ? [groups] : groups.Select(group => (IReadOnlyList<IReadOnlyList<EncodedSentence>>)[group]))
            {
                using var batch = Batch.OfGroups(pass);
                logits.Add(Score(model, batch, type));
                if (model.training)
                {
                    BackwardPass.Run(Loss(logits[^1], pass));
                }
            }
        }

        var result = model.named_parameters().Where(pair => pair.parameter.grad is not null)
            .ToDictionary(pair => pair.name, pair => pair.parameter.grad!.clone());
        result["logits"] = cat([.. logits]).detach();
        result["counter"] = tensor((float)model.Random.Counter);
        return result;
    }

    /// <summary>Fails where something differs by more than so much of its own largest value.</summary>
    /// <param name="expected">By name.</param>
    /// <param name="actual">By the same names.</param>
    /// <param name="tolerance">As a share.</param>
    /// <param name="least">What counts as the largest value of a tensor whose values are all smaller.</param>
    public static void AssertClose(Dictionary<string, Tensor> expected, Dictionary<string, Tensor> actual, double tolerance, double least = 1e-3)
    {
        Assert.Equal(expected.Keys.Order(), actual.Keys.Order());
        Assert.All(expected, pair =>
            Numbers.AssertClose(actual[pair.Key], pair.Value, tolerance * Math.Max(least, pair.Value.abs().max().item<float>()), pair.Key));
    }

    private static Tensor Score(DebertaV2ForTokenClassification model, Batch batch, ScalarType type)
    {
        using var autocast = type == ScalarType.Float32 ? null : Autocast.Enter(type);
        return model.Score(batch).to(ScalarType.Float32);
    }

    // The sum of the micro-batches' means, of something that pulls at every logit.
    private static Tensor Loss(Tensor logits, IReadOnlyList<IReadOnlyList<EncodedSentence>> groups)
    {
        var weights = cat([.. groups.Select(group => group.Sum(row => row.Length)).Select(pieces => full(pieces, 1.0 / pieces))]);
        return (nn.functional.log_softmax(logits, -1).square() * weights.unsqueeze(1)).sum();
    }
}
