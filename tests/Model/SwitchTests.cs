using NotebookLib.Bench.Reference;
using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

/// <summary>Every switch, alone and combined, against the plain transcription: logits, states and gradients in float64 within 1e-10.</summary>
public class SwitchTests
{
    private static readonly DebertaConfig V3 = new()
    {
        VocabSize = 40,
        HiddenSize = 24,
        NumHiddenLayers = 2,
        NumAttentionHeads = 3,
        IntermediateSize = 20,
        MaxPositionEmbeddings = 64,
        PositionBuckets = 16,
        RelativeAttention = true,
        PosAttType = ["p2c", "c2p"],
        ShareAttKey = true,
        NormRelEbd = "layer_norm",
        PositionBiasedInput = false,
        HiddenDropoutProb = 0,
        AttentionProbsDropoutProb = 0,
        Labels = ["O", "B-X", "I-X"],
    };

    internal static readonly Dictionary<string, DebertaConfig> Variants = new()
    {
        ["v3"] = V3,
        ["c2p only"] = V3 with { PosAttType = ["c2p"] },
        ["p2c only"] = V3 with { PosAttType = ["p2c"] },
        ["no position terms"] = V3 with { PosAttType = [] },
        ["own position projections"] = V3 with { ShareAttKey = false },
        ["own projection, c2p only"] = V3 with { ShareAttKey = false, PosAttType = ["c2p"] },
        ["own projection, p2c only"] = V3 with { ShareAttKey = false, PosAttType = ["p2c"] },
        ["relative table as it is"] = V3 with { NormRelEbd = "none" },
        ["no buckets, distances beyond the table"] = V3 with { PositionBuckets = -1, MaxRelativePositions = 12 },
        ["no buckets, table wide enough"] = V3 with { PositionBuckets = -1 },
        ["few buckets"] = V3 with { PositionBuckets = 4 },
        ["two buckets"] = V3 with { PositionBuckets = 2 },
        ["more buckets than positions"] = V3 with { PositionBuckets = 256, MaxPositionEmbeddings = 40 },
        ["odd number of buckets"] = V3 with { PositionBuckets = 9 },
        ["farther than the positions"] = V3 with { MaxRelativePositions = 200 },
        ["no relative attention"] = V3 with { RelativeAttention = false, PositionBiasedInput = true },
        ["no relative attention, terms still named"] = V3 with { RelativeAttention = false, ShareAttKey = false },
        ["absolute positions"] = V3 with { PositionBiasedInput = true },
        ["segments"] = V3 with { TypeVocabSize = 2 },
        ["narrow embedding"] = V3 with { EmbeddingSize = 16 },
        ["one head"] = V3 with { NumAttentionHeads = 1 },
        ["head size named"] = V3 with { AttentionHeadSize = 8 },
        ["another padding id"] = V3 with { PadTokenId = 5 },
        ["convolution (v2-xlarge)"] = V3 with { ConvKernelSize = 3, ConvAct = "gelu", ShareAttKey = false },
        ["convolution in groups, tanh"] = V3 with { ConvKernelSize = 5, ConvGroups = 2 },
        ["relu"] = V3 with { HiddenAct = "relu" },
        ["gelu_new"] = V3 with { HiddenAct = "gelu_new" },
    };

    public static TheoryData<string> Names => [.. Variants.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_switch_gives_the_same_numbers_as_the_transcription(string name)
    {
        using var scope = NewDisposeScope();
        var config = Variants[name];
        using var model = New(config);
        var plainWeights = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.detach().clone().requires_grad_());
        // 37 pieces: beyond the midpoint of 16 buckets; a row without padding, two with, one of a single piece.
        foreach (var lengths in (int[][])[[37, 20, 31, 1], [5, 5], [1]])
        {
            var (ids, mask, labels) = Inputs(config, lengths);
            var (expected, states) = new PlainDeberta(config, plainWeights).Run(ids, mask);
            var actual = model.call(ids, mask);
            var isReal = mask.to(ScalarType.Bool);

            Numbers.AssertClose(actual[isReal], expected[isReal], 1e-10, "logits");
            foreach (var (state, layer) in model.Deberta.HiddenStates(ids, mask).Select((state, layer) => (state, layer)))
            {
                Numbers.AssertClose(state[isReal], states[layer][isReal], 1e-10, $"state {layer}");
            }

            AssertSameGradients(model, plainWeights, DebertaV2ForTokenClassification.Loss(actual, labels),
                DebertaV2ForTokenClassification.Loss(expected, labels));
        }
    }

    /// <summary>What the C# kernels cover: widths of whole lanes, GELU, no convolution; the other switches as above.</summary>
    public static TheoryData<string> NamesForKernels => [.. Variants.Keys.Where(name => name is not ("one head" or "head size named" or "relu" or "gelu_new")
        && !name.StartsWith("convolution", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(NamesForKernels))]
    public void A_switch_gives_the_same_numbers_on_the_kernels(string name)
    {
        using var scope = NewDisposeScope();
        // 2 heads of 16: float32, whose rounding adds up to some 1e-6 in the scores and more in wide gradients.
        var config = Variants[name] with { HiddenSize = 32, NumAttentionHeads = 2, IntermediateSize = 48 };
        using var model = New(config, float32, 0.1);
        var plainWeights = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.detach().to(float64).requires_grad_());
        foreach (var lengths in (int[][])[[37, 20, 31, 1], [5, 5], [1]])
        {
            var (ids, mask, labels) = Inputs(config, lengths);
            var (expected, _) = new PlainDeberta(config, plainWeights).Run(ids, mask);
            model.Engine.UsesKernels = true;
            var actual = model.call(ids, mask);
            var isReal = mask.to(ScalarType.Bool);

            Numbers.AssertClose(actual[isReal], expected[isReal], 1e-5, "logits");
            AssertSameGradients(model, plainWeights, DebertaV2ForTokenClassification.Loss(actual, labels),
                DebertaV2ForTokenClassification.Loss(expected, labels), 1e-5);
        }
    }

    [Fact]
    public void A_mask_with_holes_is_taken_as_it_is()
    {
        using var scope = NewDisposeScope();
        using var model = New(V3);
        var weights = model.named_parameters().ToDictionary(pair => pair.name, pair => pair.parameter.detach());
        var (ids, _, _) = Inputs(V3, [12, 12]);
        var mask = tensor(new long[,] { { 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1 }, { 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 } });

        var (expected, _) = new PlainDeberta(V3, weights).Run(ids, mask);

        Numbers.AssertClose(model.call(ids, mask)[mask.to(ScalarType.Bool)], expected[mask.to(ScalarType.Bool)], 1e-10, "logits");
    }

    [Fact]
    public void A_row_of_nothing_but_padding_harms_no_other()
    {
        using var scope = NewDisposeScope();
        using var model = New(V3);
        var (ids, mask, _) = Inputs(V3, [9, 7]);
        var withEmpty = model.call(cat([ids, ids[..1]]), cat([mask, zeros_like(mask[..1])]));

        Numbers.AssertClose(withEmpty[..2], model.call(ids, mask), 1e-12, "logits");
        Assert.Equal(0, withEmpty[2].abs().max().item<double>());
    }

    internal static DebertaV2ForTokenClassification New(DebertaConfig config, ScalarType dtype = ScalarType.Float64, double spread = 0.4)
    {
        var model = new DebertaV2ForTokenClassification(new ModelBuild(config, dtype));
        // Wide enough that every term matters; biases and norms moved off their trivial values.
        WeightInitializer.Initialize(model, config with { InitializerRange = spread }, 7);
        using var quiet = no_grad();
        using var generator = new Generator(11);
        foreach (var parameter in model.parameters().Where(parameter => parameter.dim() == 1))
        {
            using var noise = randn(parameter.shape, dtype, generator: generator) * 0.1;
            parameter.add_(noise);
        }

        model.eval();
        return model;
    }

    internal static (Tensor Ids, Tensor Mask, Tensor Labels) Inputs(DebertaConfig config, int[] lengths)
    {
        using var generator = new Generator(3);
        long[] shape = [lengths.Length, lengths.Max()];
        var mask = (arange(shape[1]).unsqueeze(0) < tensor(lengths.Select(length => (long)length).ToArray()).unsqueeze(1)).to(int64);
        // Ids include the padding id at real places; labels include −100 there too.
        var ids = randint(0, config.VocabSize, shape, int64, generator: generator);
        ids[0, 0] = config.PadTokenId;
        var labels = where(mask.eq(1), randint(0, config.Labels.Count, shape, int64, generator: generator), tensor(-100L));
        return (ids, mask, labels);
    }

    private static void AssertSameGradients(
        DebertaV2ForTokenClassification model, Dictionary<string, Tensor> plainWeights, Tensor actualLoss, Tensor expectedLoss,
        double tolerance = 1e-10)
    {
        Numbers.AssertClose(actualLoss, expectedLoss, tolerance, "loss");
        model.zero_grad();
        BackwardPass.Run(actualLoss);
        expectedLoss.backward();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var golden = plainWeights[name].grad ?? zeros_like(parameter);
            Numbers.AssertClose(parameter.grad ?? zeros_like(parameter), golden, tolerance, "gradient of " + name);
            plainWeights[name].grad = null;
        }
    }
}
