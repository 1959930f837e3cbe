using Microsoft.ML.OnnxRuntime;
using NotebookLib.Model;
using NotebookLib.Onnx;
using NotebookLib.Tests.Model;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Onnx;

/// <summary>The exported graph in ONNX Runtime against the network itself, on real places.</summary>
public sealed class DebertaGraphTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("onnx graph ");

    public static TheoryData<string> Names => [.. SwitchTests.Variants.Keys, "mish", "silu", "sigmoid", "tanh", "linear"];

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_switch_gives_the_networks_logits(string name)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var config = SwitchTests.Variants.GetValueOrDefault(name) ?? SwitchTests.Variants["v3"] with { HiddenAct = name };
        // libtorch 2.10's own convolution of several rows is wrong in float32 where the width is no multiple of 16.
        using var model = SwitchTests.New(config.ConvKernelSize > 0 ? config with { HiddenSize = 48 } : config, float32, 0.1);
        using var graph = new OnnxNetwork(Write(model, OnnxPrecision.Float32));

        // One piece, the buckets' midpoint, and as long as the tables reach.
        foreach (var lengths in (int[][])[[37, 20, 31, 1], [9, 8], [1], [2], [64, 3]])
        {
            AssertSame(model, graph, lengths, 1e-4);
        }
    }

    [Theory]
    [InlineData(-1, -1)]
    [InlineData(16, -1)]
    [InlineData(16, 200)]
    [InlineData(256, 512)]
    public void Any_length_takes_the_networks_buckets(int buckets, int farthest)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = SwitchTests.New(SwitchTests.Variants["v3"] with { PositionBuckets = buckets, MaxRelativePositions = farthest }, float32, 0.1);
        using var graph = new OnnxNetwork(Write(model, OnnxPrecision.Float32));

        foreach (var length in (int[])[63, 64, 65, 300, 700])
        {
            AssertSame(model, graph, [length, length / 2], 1e-4);
        }
    }

    [Fact]
    public void A_table_that_ends_early_serves_short_texts_and_refuses_long_ones()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = SwitchTests.New(SwitchTests.Variants["more buckets than positions"], float32, 0.1);
        using var graph = new OnnxNetwork(Write(model, OnnxPrecision.Float32));

        AssertSame(model, graph, [129, 40], 1e-4);
        var (ids, mask, _) = SwitchTests.Inputs(model.Config, [130]);
        Assert.Throws<ArgumentException>(() => model.call(ids, mask));
        Assert.Throws<OnnxRuntimeException>(() => graph.Run(ids, mask));
    }

    [Fact]
    public void Without_the_runtimes_optimisations_the_numbers_are_the_same()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = SwitchTests.New(SwitchTests.Variants["segments"], float32, 0.1);
        using var graph = new OnnxNetwork(Write(model, OnnxPrecision.Float32), GraphOptimizationLevel.ORT_DISABLE_ALL);

        AssertSame(model, graph, [37, 20, 31, 1], 1e-4);
        Assert.Equal(["attention_mask Int64 [batch_size, sequence_length]", "input_ids Int64 [batch_size, sequence_length]", "token_type_ids Int64 "
            + "[batch_size, sequence_length]"], graph.Inputs.Order());
        Assert.Equal(["logits Float [batch_size, sequence_length, 3]"], graph.Outputs);
    }

    [Fact]
    public void Holes_and_empty_rows_of_the_mask_are_taken_as_they_are()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = SwitchTests.New(SwitchTests.Variants["v3"], float32, 0.1);
        using var graph = new OnnxNetwork(Write(model, OnnxPrecision.Float32));
        var (ids, _, _) = SwitchTests.Inputs(model.Config, [12, 12, 12]);
        var mask = tensor(
            new long[,] { { 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 0, 1 }, { 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 }, { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } });

        var actual = graph.Run(ids, mask);

        Numbers.AssertClose(actual[mask.to(ScalarType.Bool)], model.call(ids, mask)[mask.to(ScalarType.Bool)], 1e-4, "logits");
        Assert.True(actual.isfinite().all().item<bool>());
    }

    [Theory]
    [InlineData(nameof(OnnxPrecision.Float16), 0.01)]
    [InlineData(nameof(OnnxPrecision.Int8), 0.1)]
    public void Fewer_bits_stay_near(string precision, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        foreach (var name in (string[])["v3", "own position projections", "convolution in groups, tanh", "narrow embedding", "absolute positions", "segments"])
        {
            using var model = SwitchTests.New(SwitchTests.Variants[name], float32, 0.1);
            using var graph = new OnnxNetwork(Write(model, Enum.Parse<OnnxPrecision>(precision)));

            AssertSame(model, graph, [37, 20, 31, 1], tolerance);
        }
    }

    [Fact]
    public void Above_the_limit_the_weights_go_to_a_second_file()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = SwitchTests.New(SwitchTests.Variants["v3"], float32, 0.1);
        var (whole, split) = (Path.Combine(_folder.FullName, "whole.onnx"), Path.Combine(_folder.FullName, "split.onnx"));

        Assert.False(DebertaGraph.Of(model, OnnxPrecision.Float32).Write(whole, new FileInfo(Write(model, OnnxPrecision.Float32)).Length + 100_000));
        Assert.True(DebertaGraph.Of(model, OnnxPrecision.Float32).Write(split, 10_000));

        Assert.False(File.Exists(whole + "_data"));
        Assert.True(new FileInfo(split).Length < new FileInfo(whole).Length / 2);
        using OnnxNetwork one = new(whole), other = new(split);
        var (ids, mask, _) = SwitchTests.Inputs(model.Config, [20, 7]);
        Assert.Equal(one.Run(ids, mask).data<float>().ToArray(), other.Run(ids, mask).data<float>().ToArray());
    }

    private string Write(DebertaV2ForTokenClassification model, OnnxPrecision precision)
    {
        var path = Path.Combine(_folder.FullName, "model.onnx");
        DebertaGraph.Of(model, precision).Write(path, int.MaxValue);
        return path;
    }

    private static void AssertSame(DebertaV2ForTokenClassification model, OnnxNetwork graph, int[] lengths, double tolerance)
    {
        using var scope = NewDisposeScope();
        var (ids, mask, _) = SwitchTests.Inputs(model.Config, lengths);
        var isReal = mask.to(ScalarType.Bool);
        Numbers.AssertClose(graph.Run(ids, mask)[isReal], model.call(ids, mask)[isReal], tolerance, $"logits of {string.Join(", ", lengths)} pieces");
    }
}
