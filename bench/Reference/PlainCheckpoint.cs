using System.Runtime.CompilerServices;
using NotebookLib.Platform;
using NotebookLib.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Bench.Reference;

/// <summary>
/// torch/utils/checkpoint.py, CheckpointFunction (use_reentrant, preserve_rng_state): forward without a graph, in backward once more with one, under the same
/// random numbers and the same autocast.
/// </summary>
internal sealed class PlainCheckpoint : autograd.SingleTensorFunction<PlainCheckpoint>
{
    private static readonly ConditionalWeakTable<autograd.AutogradContext, Call> Calls = [];

    public override string Name => nameof(PlainCheckpoint);

    /// <summary>Runs a layer.</summary>
    /// <param name="hidden">[B, L, C].</param>
    /// <param name="relative">The relative rows, or null.</param>
    /// <param name="layer">(hidden, relative) → the layer's output.</param>
    public static Tensor Run(Tensor hidden, Tensor? relative, Func<Tensor, Tensor?, Tensor> layer)
    {
        // enable_input_require_grads: without an input that requires a gradient the graph would end here.
        using var anchor = zeros(1, requires_grad: true);
        var call = new Call(layer, RandomState.OfLibtorch(), Autocast.IsEnabled(DeviceType.CPU));
        return relative is null ? apply(hidden, anchor, call) : apply(hidden, anchor, call, relative);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (hidden, call) = ((Tensor)vars[0], (Call)vars[2]);
        var relative = vars.Length > 3 ? (Tensor)vars[3] : null;
        Calls.Add(ctx, call);
        ctx.save_for_backward(relative is null ? [hidden] : [hidden, relative]);
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        return call.Layer(hidden, relative).MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        using var recording = enable_grad();
        Calls.TryGetValue(ctx, out var call);
        var inputs = ctx.get_saved_variables().Select(tensor => tensor.detach().requires_grad_()).ToList();
        var now = RandomState.OfLibtorch();
        RandomState.SetLibtorch(call!.Random);
        using (call.IsAutocast ? Autocast.Enter(ScalarType.BFloat16) : null)
        {
            var output = call.Layer(inputs[0], inputs.Count > 1 ? inputs[1] : null);
            autograd.backward([output], [grad_output.to(output.dtype)]);
        }

        RandomState.SetLibtorch(now);
        var gradients = inputs.Select(input => (input.grad ?? zeros_like(input)).MoveToOuterDisposeScope()).ToList();
        return gradients.Count > 1 ? [gradients[0], null!, null!, gradients[1]] : [gradients[0], null!, null!];
    }

    private sealed record Call(Func<Tensor, Tensor?, Tensor> Layer, byte[] Random, bool IsAutocast);
}
