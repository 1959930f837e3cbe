using NotebookLib.Model;
using static TorchSharp.torch;

namespace NotebookLib.Tests.Model;

public sealed class RowLookupTests : IDisposable
{
    private readonly TorchSharp.DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Fact]
    public void Its_gradient_is_the_one_that_autograd_finds_over_several_passes()
    {
        var values = randn(50, 6, float64);
        Tensor ours = values.clone().requires_grad_(), autograds = values.clone().requires_grad_();
        foreach (var rows in (long[][])[[3, 7, 3, 3, 49], [0], [7, 7]])
        {
            var ids = tensor(rows);
            var weights = randn(rows.Length, 6, float64);
            (RowLookup.Run(ours, ids) * weights).sum().backward();
            (autograds.index_select(0, ids) * weights).sum().backward();
        }

        Numbers.AssertClose(ours.grad!, autograds.grad!, 1e-14, "gradient");
    }

    [Fact]
    public void It_adds_to_a_gradient_that_comes_another_way()
    {
        Tensor ours = randn(9, 4).requires_grad_(), autograds = ours.detach().clone().requires_grad_();
        var ids = tensor(new long[] { 8, 1, 1 });

        // As in a language model, whose output weights are the embeddings.
        matmul(RowLookup.Run(ours, ids), ours.t()).pow(2).sum().backward();
        matmul(autograds.index_select(0, ids), autograds.t()).pow(2).sum().backward();

        Numbers.AssertClose(ours.grad!, autograds.grad!, 1e-4, "gradient");
    }

    [Fact]
    public void A_frozen_table_and_an_evaluation_leave_no_gradient()
    {
        var frozen = randn(5, 2);
        var free = randn(5, 2).requires_grad_();
        using (no_grad())
        {
            Assert.False(RowLookup.Run(free, tensor(new long[] { 1 })).requires_grad);
        }

        Assert.False(RowLookup.Run(frozen, tensor(new long[] { 1 })).requires_grad);
    }
}
