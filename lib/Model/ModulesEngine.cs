using System.Runtime.CompilerServices;
using NotebookLib.Platform;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>The layers as modules, differentiated by autograd: any configuration, any device, any adapter.</summary>
/// <param name="encoder">The layers.</param>
/// <param name="settings">Whether activations are recomputed.</param>
/// <param name="random">Where dropout masks come from.</param>
/// <param name="observe">Sees each layer's output, [N, C]; null for nobody.</param>
internal sealed class ModulesEngine(DebertaV2Encoder encoder, EncoderEngine settings, DropoutRandom random, Action<Tensor>? observe) : IEncoderEngine
{
    /// <inheritdoc />
    public Tensor Run(Tensor embedded_NC, BatchLayout layout, ulong firstStream)
    {
        using var scope = NewDisposeScope();
        var positions = settings.PositionsFor(layout.Length, embedded_NC.device);
        var relative = encoder.RelativeRows(positions.Rows) is { } rows_RC ? new RelativeEmbeddings(rows_RC, positions) : null;
        var hidden_NC = embedded_NC.alias();
        foreach (var (index, layer) in encoder.Layers.Index())
        {
            var output_NC = RunLayer(layer, hidden_NC, layout, relative, firstStream + (ulong)(index * LayerStreams.Count));
            if (index == 0 && encoder.Convolution is { } convolution)
            {
                output_NC = convolution.Run(embedded_NC, output_NC, layout);
            }

            // Freed here, not at the end: autograd keeps what it needs, evaluation needs nothing.
            hidden_NC.Dispose();
            hidden_NC = output_NC;
            observe?.Invoke(hidden_NC);
        }

        return hidden_NC.MoveToOuterDisposeScope();
    }

    private Tensor RunLayer(DebertaV2Layer layer, Tensor hidden_NC, BatchLayout layout, RelativeEmbeddings? relative, ulong firstStream)
    {
        random.LayerStart = firstStream;
        return settings.RecomputesActivations && is_grad_enabled()
            && (hidden_NC.requires_grad || relative is { Rows_RC.requires_grad: true } || layer.parameters().Any(parameter => parameter.requires_grad))
            ? LayerRecomputation.Run(layer, hidden_NC, layout, relative, random)
            : layer.Run(hidden_NC, layout, relative);
    }
}

/// <summary>
/// Runs a layer without keeping its activations and runs it again when its gradient is asked for (activation checkpointing, Chen et al. 2016,
/// "Training Deep Nets with Sublinear Memory Cost"; torch.utils.checkpoint). What the C# kernels do not cover, CUDA above all, gets its memory back this way.
/// </summary>
/// <remarks>The second run sees the same dropout masks, since they depend on the layer's first stream alone, and the same autocast.</remarks>
internal sealed class LayerRecomputation : autograd.SingleTensorFunction<LayerRecomputation>
{
    // TorchSharp's context keeps tensors only, and is the same object in both halves.
    private static readonly ConditionalWeakTable<autograd.AutogradContext, Call> Calls = [];

    public override string Name => nameof(LayerRecomputation);

    /// <summary>Runs a layer.</summary>
    /// <inheritdoc cref="DebertaV2Layer.Run" path="/returns"/>
    public static Tensor Run(DebertaV2Layer layer, Tensor hidden_NC, BatchLayout layout, RelativeEmbeddings? relative, DropoutRandom random)
    {
        var device = hidden_NC.device_type;
        var call = new Call(layer, layout, relative?.Positions, random, random.LayerStart, device,
            Autocast.IsEnabled(device) ? Autocast.ProductType(device) : null);
        // The anchor lets gradients reach the layer's parameters even when nothing below it is trained: without one, PEFT 0.7.0 trained no adapter at all.
        using var anchor = zeros(1, requires_grad: true, device: hidden_NC.device);
        return relative is null ? apply(hidden_NC, anchor, call) : apply(hidden_NC, anchor, call, relative.Rows_RC);
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (hidden_NC, call) = ((Tensor)vars[0], (Call)vars[2]);
        var rows_RC = vars.Length > 3 ? (Tensor)vars[3] : null;
        Calls.Add(ctx, call);
        call.Layout.Retain();
        ctx.save_for_backward(rows_RC is null ? [hidden_NC] : [hidden_NC, rows_RC]);
        using var quiet = no_grad();
        return call.Run(hidden_NC, rows_RC);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
#pragma warning disable CA1031 // An exception cannot cross libtorch: it would end the process.
        try
        {
            return Calls.TryGetValue(ctx, out var call) && Calls.Remove(ctx)
                ? Differentiate(call, ctx.get_saved_variables(), grad_output)
                : throw new InvalidOperationException("A recomputed layer was differentiated twice; run the forward pass again.");
        }
        catch (Exception error)
        {
            BackwardPass.Fail(error);
            return [.. Enumerable.Repeat<Tensor>(null!, ctx.get_saved_variables().Count + 2)];
        }
#pragma warning restore CA1031
    }

    private static List<Tensor> Differentiate(Call call, List<Tensor> saved, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        using var recording = enable_grad();
        var inputs = saved.Select(tensor => tensor.detach().requires_grad_()).ToList();
        call.Random.LayerStart = call.FirstStream;
        using (call.ProductType is { } type ? Autocast.Enter(type, call.Device) : null)
        {
            var output = call.Run(inputs[0], inputs.Count > 1 ? inputs[1] : null);
            autograd.backward([output], [gradient.to(output.dtype)]);
        }

        call.Layout.Release();
        var gradients = inputs.Select(input => (input.grad ?? zeros_like(input)).MoveToOuterDisposeScope()).ToList();
        // One for each argument of apply: hidden states, anchor, call, relative rows.
        return gradients.Count > 1 ? [gradients[0], null!, null!, gradients[1]] : [gradients[0], null!, null!];
    }

    private sealed record Call(
        DebertaV2Layer Layer, BatchLayout Layout, RelativePositions? Positions, DropoutRandom Random, ulong FirstStream, DeviceType Device,
        ScalarType? ProductType)
    {
        public Tensor Run(Tensor hidden_NC, Tensor? rows_RC) =>
            Layer.Run(hidden_NC, Layout, rows_RC is null ? null : new RelativeEmbeddings(rows_RC, Positions!));
    }
}
