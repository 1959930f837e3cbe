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

        var ours = loss.Compute(logits, labels).item<float>();

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
        var divisor = Enumerable.Range(0, 3).Sum(row => loss.WeightOf([.. labels[row].data<long>().ToArray().Select(label => (int)label)]));

        var parts = Enumerable.Range(0, 3).Sum(row => loss.Compute(logits[row].unsqueeze(0), labels[row].unsqueeze(0), divisor).item<float>());

        Assert.Equal(loss.Compute(logits, labels).item<float>(), parts, Tolerance);
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

        loss.Compute(logits, tensor(new long[] { 0, 0 }).view(1, 2)).backward();

        Assert.All(logits.grad!.data<float>().ToArray(), gradient => Assert.True(float.IsFinite(gradient)));
    }

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
