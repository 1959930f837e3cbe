using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>
/// Joins the packed encoder to autograd: (embedding rows, relative rows, anchor, call) → last rows. Differentiable once: the activations are freed on the way
/// back.
/// </summary>
internal sealed class PackedEncoderFunction : autograd.SingleTensorFunction<PackedEncoderFunction>
{
    // TorchSharp's context keeps tensors only, and is the same object in both halves.
    private static readonly ConditionalWeakTable<autograd.AutogradContext, PackedCall> Calls = [];

    public override string Name => nameof(PackedEncoderFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (PackedCall)vars[3];
        Calls.Add(ctx, call);
        return call.Forward((Tensor)vars[0], (Tensor)vars[1]);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
#pragma warning disable CA1031 // See BackwardPass.
        try
        {
            if (!Calls.TryGetValue(ctx, out var call) || !Calls.Remove(ctx))
            {
                throw new InvalidOperationException("The packed encoder was differentiated twice; its activations are freed the first time. "
                    + "Run the forward pass again.");
            }

            var (embedded, relative) = call.Backward(grad_output);
            return [embedded!, relative!, null!, null!];
        }
        catch (Exception error)
        {
            BackwardPass.Fail(error);
            return [null!, null!, null!, null!];
        }
#pragma warning restore CA1031
    }
}
