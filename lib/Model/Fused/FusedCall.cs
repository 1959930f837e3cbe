using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>How far a gradient has to go.</summary>
/// <param name="LowestLayer">The first layer with anything that is trained; those below it leave nothing behind.</param>
/// <param name="TrainsInputs">Whether embedding rows or relative rows want a gradient.</param>
/// <param name="TrainsRelative">Whether relative rows do.</param>
internal readonly record struct FusedReach(int LowestLayer, bool TrainsInputs, bool TrainsRelative);

/// <summary>One pass through the encoder: what the forward half leaves for the backward half.</summary>
internal sealed class FusedCall(FusedEngine engine, FusedPass pass, ScalarType type, FusedReach reach)
{
    private readonly Stack<FusedLayer.Saved> _saved = new();
    private readonly Stack<Rows> _inputs = new();
    private FusedPass _pass = pass;
    private long[] _relativeShape = [];
    private Rows _last;

    /// <summary>The rows of the last layer, nothing kept.</summary>
    public Tensor Infer(Tensor embedded, Tensor relative)
    {
        using var scope = NewDisposeScope();
        _pass = _pass with { RelativeRows = relative.contiguous() };
        return PassThrough(FirstRows(embedded), engine.Layers.Count).Exact.MoveToOuterDisposeScope();
    }

    /// <summary>The rows of the last layer with products in int8, nothing kept.</summary>
    public Tensor InferInt8(Tensor embedded, Tensor relative)
    {
        using var scope = NewDisposeScope();
        var exact = embedded.contiguous();
        Int8Rows rows = Int8Operations.Quantise(exact), relativeRows = Int8Operations.Quantise(relative.contiguous());
        foreach (var layer in engine.Layers)
        {
            var next = layer.InferInt8(exact, rows, relativeRows, _pass);
            exact.Dispose();
            rows.Dispose();
            (exact, rows) = next;
        }

        return exact.MoveToOuterDisposeScope();
    }

    /// <summary>The rows of the last layer; keeps what the gradient needs, beyond any dispose scope.</summary>
    public Tensor Forward(Tensor embedded, Tensor relative)
    {
        using var scope = NewDisposeScope();
        _relativeShape = relative.shape;
        _pass = _pass with { RelativeRows = relative.contiguous() };
        var rows = PassThrough(FirstRows(embedded), reach.LowestLayer);
        var layersKept = engine.Layers.Count;
        for (var i = reach.LowestLayer; i < engine.Layers.Count; i++)
        {
            var input = rows;
            rows = engine.Layers[i].Forward(input, _pass, out var saved);
            if (i == reach.LowestLayer && engine.ActivationBudget is { } bytes)
            {
                layersKept = (int)Math.Min(layersKept, bytes / saved.Bytes);
            }

            // The last layers' activations live shortest: what fits is theirs.
            if (i >= engine.Layers.Count - layersKept)
            {
                input.DisposeExact();
                _saved.Push(saved);
            }
            else
            {
                saved.Dispose();
            }

            _inputs.Push(input);
        }

        // Everything still alive is needed later: the backward half frees it.
        _last = rows;
        scope.Detach(scope.DisposablesView.ToArray());
        return rows.Exact;
    }

    /// <summary>∂L/∂(embedding rows) and ∂L/∂(relative rows), float32, where they are wanted; the parameters' gradients are added to their own.</summary>
    /// <param name="gradient">∂L/∂(last rows), [N, C], float32.</param>
    public (Tensor? Embedded, Tensor? Relative) Backward(Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var relative = reach.TrainsRelative ? zeros(_pass.RelativeRows.shape, float32, _pass.RelativeRows.device) : null;
        // The kernels write into the residual gradient: it has to be ours.
        var upper = new OutputGradient(gradient.to(float32).contiguous().clone(), []);
        for (var i = engine.Layers.Count - 1; i >= reach.LowestLayer; i--)
        {
            var input = _inputs.Pop();
            var layer = engine.Layers[i];
            var saved = _saved.TryPop(out var kept) ? kept : Recompute(layer, input);
            upper = layer.Backward(saved, upper, _pass, relative, wantsInput: i > reach.LowestLayer || reach.TrainsInputs);
            saved.Dispose();
            input.Dispose();
            engine.LayerDone?.Invoke(i);
        }

        foreach (var product in upper.Products)
        {
            upper.Residual.add_(product);
        }

        upper.DisposeProducts();
        _pass.RelativeRows.Dispose();
        _pass.Tables?.Dispose();
        // The caller's output is a handle of its own.
        _last.Dispose();
        return (reach.TrainsInputs ? upper.Residual.MoveToOuterDisposeScope() : null, relative?.MoveToOuterDisposeScope());
    }

    /// <summary>What <see cref="Backward"/> would have given, as zeros: nodes below would not survive a gradient that is not there.</summary>
    public (Tensor? Embedded, Tensor? Relative) NoGradient(Tensor gradient) =>
        (reach.TrainsInputs ? zeros_like(gradient, float32) : null, reach.TrainsRelative ? zeros(_relativeShape, float32, gradient.device) : null);

    /// <summary>Runs the first layers and keeps nothing of them.</summary>
    private Rows PassThrough(Rows rows, int count)
    {
        foreach (var layer in engine.Layers.Take(count))
        {
            var next = layer.Infer(rows, _pass);
            rows.Dispose();
            rows = next;
        }

        return rows;
    }

    private FusedLayer.Saved Recompute(FusedLayer layer, Rows input)
    {
        layer.Forward(input, _pass, out var saved).Dispose();
        return saved;
    }

    private Rows FirstRows(Tensor embedded)
    {
        var exact = embedded.contiguous();
        return new(exact, type == ScalarType.Float32 ? exact : exact.to(type));
    }
}

/// <summary>
/// Joins the fused layers to autograd: (embedding rows, relative rows, anchor, call) → last rows. Differentiable once: the activations are freed on the way
/// back.
/// </summary>
internal sealed class FusedFunction : autograd.SingleTensorFunction<FusedFunction>
{
    // TorchSharp's context keeps tensors only, and is the same object in both halves.
    private static readonly ConditionalWeakTable<autograd.AutogradContext, FusedCall> Calls = [];

    public override string Name => nameof(FusedFunction);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var call = (FusedCall)vars[3];
        Calls.Add(ctx, call);
        return call.Forward((Tensor)vars[0], (Tensor)vars[1]);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        FusedCall? call = null;
#pragma warning disable CA1031 // See BackwardPass.
        try
        {
            if (!Calls.TryGetValue(ctx, out call) || !Calls.Remove(ctx))
            {
                throw new InvalidOperationException("the fused layers was differentiated twice; its activations are freed the first time. "
                    + "Run the forward pass again.");
            }

            var (embedded, relative) = call.Backward(grad_output);
            return [embedded!, relative!, null!, null!];
        }
        catch (Exception error)
        {
            BackwardPass.Fail(error);
            var (embedded, relative) = call?.NoGradient(grad_output) ?? default;
            return [embedded!, relative!, null!, null!];
        }
#pragma warning restore CA1031
    }
}
