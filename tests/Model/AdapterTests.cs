using NotebookLib.Model;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Tests.Model;

public sealed class AdapterTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();
    private readonly DebertaV2ForTokenClassification _model = ModelFolder.Load(Repository.PathOf("tests", "goldens", "model", "v3-tiny")).Model;

    public void Dispose()
    {
        _model.Dispose();
        _scope.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void An_adapter_adds_to_the_projection_and_to_the_positions_that_share_it(bool isKnownToKernels)
    {
        var projection = _model.Deberta.Encoder.Layers[1].Attention.Self.QueryProjection;
        var before = Logits();
        Module<Tensor, Tensor> adapter = isKnownToKernels ? new LowRank() : Linear(32, 32, hasBias: false);
        var change = isKnownToKernels ? matmul(((LowRank)adapter).Up, ((LowRank)adapter).Down) * 2 : ((Linear)adapter).weight;

        projection.AttachAdapter("lora", adapter);
        var with = Logits();
        var attached = projection.DetachAdapter();
        var without = Logits();
        using (no_grad())
        {
            projection.Weight.add_(change!);
        }

        Assert.Same(adapter, attached);
        Numbers.AssertClose(without, before, 0, "detached");
        Assert.True(Numbers.Difference(with, before) > 1e-3);
        Numbers.AssertClose(with, Logits(), 1e-5, "merged");
    }

    [Fact]
    public void Attaching_names_the_adapters_parameters_and_keeps_saving_honest()
    {
        var projection = _model.Deberta.Encoder.Layers[0].Attention.Self.KeyProjection;
        projection.AttachAdapter("lora_A", Linear(32, 32, hasBias: false));

        Assert.Contains("deberta.encoder.layer.0.attention.self.key_proj.lora_A.weight", _model.named_parameters().Select(pair => pair.name));
        Assert.Contains("merge", Assert.Throws<InvalidOperationException>(() => ModelFolder.Save(_model, Path.GetTempPath())).Message);
        Assert.Throws<InvalidOperationException>(() => projection.AttachAdapter("lora_B", Linear(32, 32)));
        projection.DetachAdapter()!.Dispose();
        Assert.DoesNotContain(_model.named_parameters(), pair => pair.name.Contains("lora"));
    }

    [Fact]
    public void A_network_moved_to_another_dtype_and_back_computes_with_its_new_parameters()
    {
        var before = Logits();
        _model.to(float64);
        var wide = Logits();
        _model.to(float32);

        Numbers.AssertClose(wide, before, 1e-5, "float64");
        Numbers.AssertClose(Logits(), before, 0, "float32 again");
    }

    private Tensor Logits()
    {
        using var quiet = no_grad();
        return _model.call(tensor(new long[,] { { 1, 5, 9, 44, 2, 0 }, { 1, 7, 8, 9, 10, 2 } }),
            tensor(new long[,] { { 1, 1, 1, 1, 1, 0 }, { 1, 1, 1, 1, 1, 1 } }));
    }

    private sealed class LowRank : Module<Tensor, Tensor>, ILowRankAdapter
    {
        public LowRank()
            : base(nameof(LowRank))
        {
        }

        public Tensor Down { get; } = randn(4, 32) * 0.3;

        public Tensor Up { get; } = randn(32, 4) * 0.3;

        public double Scale => 2;

        public double DropoutProbability => 0;

        public override Tensor forward(Tensor input) => matmul(matmul(input, Down.t()), Up.t()) * Scale;
    }
}
