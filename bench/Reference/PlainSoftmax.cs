using static TorchSharp.torch;

namespace NotebookLib.Bench.Reference;

/// <summary>
/// XSoftmax of transformers 4.35.2 modeling_deberta_v2.py: softmax over real places, zero elsewhere, with the gradient of a softmax of its own.
/// </summary>
internal sealed class PlainSoftmax : autograd.SingleTensorFunction<PlainSoftmax>
{
    // pytorch_utils.softmax_backward_data calls this operator, which TorchSharp does not wrap.
    private static readonly Lazy<jit.CompilationUnit> Script = new(() => jit.compile("""
        def softmax_backward(gradient: Tensor, output: Tensor) -> Tensor:
            return torch._softmax_backward_data(gradient, output, -1, output.dtype)

        """));

    public override string Name => nameof(PlainSoftmax);

    /// <summary>Probabilities over the last dimension.</summary>
    /// <param name="scores">[B, H, L, L].</param>
    /// <param name="isHidden">True where nothing may look, [B, 1, L, L].</param>
    public static Tensor Run(Tensor scores, Tensor isHidden) => apply(scores, isHidden);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (scores, isHidden) = ((Tensor)vars[0], (Tensor)vars[1]);
        using var quiet = no_grad();
        // torch.finfo(input.dtype).min
        var lowest = scores.dtype == ScalarType.Float64 ? double.MinValue : scores.dtype == ScalarType.BFloat16 ? -3.3895313892515355e38 : float.MinValue;
        var output = nn.functional.softmax(scores.masked_fill(isHidden, lowest), -1);
        output.masked_fill_(isHidden, 0);
        ctx.save_for_backward([output]);
        return output;
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var quiet = no_grad();
        return [(Tensor)Script.Value.invoke("softmax_backward", grad_output, ctx.get_saved_variables()[0])!, null!];
    }
}
