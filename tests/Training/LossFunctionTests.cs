using NotebookLib.Training;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Training;

public class LossFunctionTests
{
    private const double Tolerance = 1e-6;

    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(2, false)]
    [InlineData(0.5, true)]
    public void The_loss_equals_its_formula_written_out(double gamma, bool isWeighted)
    {
        using var scope = NewDisposeScope();
        double[] weights = [0.2, 1, 3, 0.7];
        using var loss = new LossFunction(new() { FocalGamma = gamma, ClassWeights = isWeighted ? weights : null }, CPU);
        var logits = Logits();
        var labels = Labels();

        var ours = Whole(loss, logits, labels).item<float>();

        Assert.Equal(Formula(logits, labels, gamma, isWeighted ? weights : [1, 1, 1, 1]), ours, Tolerance);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Parts_over_the_whole_divisor_add_up_to_the_loss_of_the_whole(double gamma)
    {
        using var scope = NewDisposeScope();
        using var loss = new LossFunction(new() { FocalGamma = gamma, ClassWeights = [0.2, 1, 3, 0.7] }, CPU);
        var (logits, labels) = (Logits(), Labels());
        var divisor = WeightOf(loss, labels);

        var parts = loss.Compute(logits.view(15, 4), labels.view(-1), [5, 5, 5], [divisor, divisor, divisor]).sum().item<float>();

        Assert.Equal(Whole(loss, logits, labels).item<float>(), parts, Tolerance);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(2)]
    public void Gradients_stay_finite_where_the_model_is_already_certain(double gamma)
    {
        using var scope = NewDisposeScope();
        using var loss = new LossFunction(new() { FocalGamma = gamma }, CPU);
        var logits = tensor(new[] { 200f, 0, 0, 0, 0, 200f, 0, 0 }).view(1, 2, 4).requires_grad_();

        Whole(loss, logits, tensor(new long[] { 0, 0 }).view(1, 2)).backward();

        Assert.All(logits.grad!.data<float>().ToArray(), gradient => Assert.True(float.IsFinite(gradient)));
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(0, true)]
    [InlineData(2, true)]
    public void Micro_batches_side_by_side_have_the_losses_and_gradients_that_each_has_alone(double gamma, bool isWeighted)
    {
        using var scope = NewDisposeScope();
        using var loss = new LossFunction(new() { FocalGamma = gamma, ClassWeights = isWeighted ? [0.2, 1, 3, 0.7] : null }, CPU);
        var labels = Labels();
        var together = Logits().requires_grad_();
        var divisors = Enumerable.Range(0, 3).Select(row => WeightOf(loss, labels[row])).ToArray();

        var losses = loss.Compute(together.view(15, 4), labels.view(-1), [5, 5, 5], divisors);
        losses.sum().backward();

        for (var row = 0; row < 3; row++)
        {
            var alone = Logits()[row].clone().requires_grad_();
            var own = Whole(loss, alone.unsqueeze(0), labels[row].unsqueeze(0));
            own.backward();
            Assert.Equal(own.item<float>(), losses[row].item<float>(), Tolerance);
            Assert.Equal(alone.grad!.data<float>().ToArray(), together.grad![row].data<float>().ToArray());
        }
    }

    [Fact]
    public void A_micro_batch_without_labelled_pieces_is_NaN_and_pulls_nothing_as_in_torch()
    {
        using var scope = NewDisposeScope();
        using var loss = new LossFunction(new(), CPU);
        var logits = Logits().view(15, 4).requires_grad_();
        var labels = Labels().view(-1);
        labels[TensorIndex.Slice(0, 5)] = -100;

        var losses = loss.Compute(logits, labels, [5, 10], [0, 5]);
        losses.sum().backward();

        Assert.True(float.IsNaN(losses[0].item<float>()));
        Assert.True(float.IsFinite(losses[1].item<float>()));
        Assert.All(logits.grad!.data<float>().ToArray(), gradient => Assert.True(float.IsFinite(gradient)));
        Assert.All(logits.grad![TensorIndex.Slice(0, 5)].data<float>().ToArray(), gradient => Assert.Equal(0, gradient));
    }

    private static Tensor Whole(LossFunction loss, Tensor logits_BLK, Tensor labels_BL) =>
        loss.Compute(logits_BLK.view(-1, logits_BLK.shape[^1]), labels_BL.view(-1), [(int)labels_BL.numel()], [WeightOf(loss, labels_BL)])[0];

    private static double WeightOf(LossFunction loss, Tensor labels) =>
        loss.WeightOf([.. labels.contiguous().data<long>().ToArray().Select(label => (int)label)]);

    private static Tensor Logits()
    {
        using var generator = new Generator(3);
        return randn([3, 5, 4], generator: generator);
    }

    private static Tensor Labels() => tensor(new long[] { -100, 0, 1, 2, -100, -100, 3, 3, 0, 0, -100, 2, -100, -100, -100 }).view(3, 5);

    private static double Formula(Tensor logits, Tensor labels, double gamma, double[] weights)
    {
        double sum = 0, divisor = 0;
        for (var b = 0; b < 3; b++)
        {
            for (var l = 0; l < 5; l++)
            {
                if (labels[b, l].item<long>() is var y and >= 0)
                {
                    var row = logits[b, l].data<float>().ToArray();
                    var p = Math.Exp(row[y]) / row.Sum(logit => Math.Exp(logit));
                    sum += weights[y] * Math.Pow(1 - p, gamma) * -Math.Log(p);
                    divisor += weights[y];
                }
            }
        }

        return sum / divisor;
    }
}
