using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace NotebookLib.Model.Packed;

/// <summary>
/// Joins the packed encoder to autograd: (embedding rows, relative rows, anchor, call) → last rows. Differentiable once: the activations are freed on the way back.
/// </summary>
internal sealed class PackedEncoderFunction : autograd.SingleTensorFunction<PackedEncoderFunction>
{
    // TorchSharp's context keeps tensors only, and is the same object in both halves.
    private static readonly ConditionalWeakTable<autograd.AutogradContext, PackedCall> Calls = [];

    [ThreadStatic]
    private static ExceptionDispatchInfo? _failure;

    public override string Name => nameof(PackedEncoderFunction);

    /// <summary>Throws what went wrong in the last backward pass of this thread; an exception inside it would have ended the process.</summary>
    public static void ThrowIfBackwardFailed()
    {
        var failure = _failure;
        _failure = null;
        failure?.Throw();
    }

    /// <summary>Keeps an exception of a backward pass for <see cref="ThrowIfBackwardFailed"/>.</summary>
    public static void Fail(Exception error) => _failure = ExceptionDispatchInfo.Capture(error);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (PackedCall)vars[3];
        Calls.Add(ctx, call);
        return call.Forward((Tensor)vars[0], (Tensor)vars[1]);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
#pragma warning disable CA1031 // See ThrowIfBackwardFailed.
        try
        {
            if (!Calls.TryGetValue(ctx, out var call) || !Calls.Remove(ctx))
            {
                throw new InvalidOperationException("The packed encoder was differentiated twice; its activations are freed the first time. Run the forward pass again.");
            }

            var (embedded, relative) = call.Backward(grad_output);
            return [embedded!, relative!, null!, null!];
        }
        catch (Exception error)
        {
            Fail(error);
            return [null!, null!, null!, null!];
        }
#pragma warning restore CA1031
    }
}
