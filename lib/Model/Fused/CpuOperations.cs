using System.Runtime.Intrinsics;
using NotebookLib.Kernels;
using NotebookLib.Platform;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>A layer's operations on the CPU: products through oneDNN or on panels, the rest by the C# kernels, group after group.</summary>
internal sealed unsafe partial class CpuOperations : LayerOperations
{
    private CpuOperations()
    {
    }

    /// <summary>It has no state.</summary>
    public static CpuOperations Instance { get; } = new();

    /// <inheritdoc />
    public override Device Device => CPU;

    /// <inheritdoc />
    public override bool PacksWeights(ScalarType type) => type != ScalarType.BFloat16 || DispatcherOperators.TakesBFloat16;

    /// <inheritdoc />
    public override bool KeepsCopies => true;

    /// <inheritdoc />
    public override Tensor New(ScalarType type, params ReadOnlySpan<long> shape) => ActivationMemory.New(type, shape);

    /// <inheritdoc />
    public override IDisposable KeepMemory() => ActivationMemory.Keep();

    /// <inheritdoc />
    public override Tensor Drop(Tensor rows, FusedPass pass, DropoutSite site, ScalarType type)
    {
        if (!pass.Stream(0, site).IsActive)
        {
            return type == rows.dtype ? rows.alias() : rows.to(type);
        }

        using var part = StepClock.Part("dropout of relative rows");
        var dropped = rows.clone();
        var values = CpuMemory.Floats(dropped);
        foreach (var segment in Segments(pass, site, (int)rows.shape[0]))
        {
            var columns = rows.shape[1];
            var own = values + (segment.First * columns);
            for (long i = 0; i < segment.Count * columns; i += 16)
            {
                Vector512.Store(Vector512.Load(own + i) * segment.Stream.Factors(i), own + i);
            }
        }

        if (type == ScalarType.Float32)
        {
            return dropped;
        }

        using (dropped)
        {
            return dropped.to(type);
        }
    }

    /// <inheritdoc />
    public override Tensor Attend(AttentionTensors tensors, FusedPass pass, FusedLayerSettings settings, DropoutSite site)
    {
        using var part = StepClock.Part("attention, forward");
        var context = New(tensors.Query.dtype, tensors.Query.shape);
        var isHalf = tensors.Query.dtype == ScalarType.BFloat16;
        for (var g = 0; g < pass.Groups.Count; g++)
        {
            var inputs = Pointers(tensors, context, pass, g, settings, site);
            var shape = pass.Groups[g].Shape;
            ThreadTeam.Run(settings.Heads, head =>
            {
                if (isHalf)
                {
                    AttentionKernel.Forward<Kernels.BFloat16>(inputs, shape, head);
                }
                else
                {
                    AttentionKernel.Forward<Kernels.Float32>(inputs, shape, head);
                }
            });
        }

        return context;
    }

    /// <inheritdoc />
    public override AttentionGradients AttendBackward(AttentionTensors tensors, Tensor contextGradient, FusedPass pass, FusedLayerSettings settings,
        DropoutSite site)
    {
        using var part = StepClock.Part("attention, gradient");
        var (type, shape) = (tensors.Query.dtype, tensors.Query.shape);
        Tensor query = New(type, shape), key = New(type, shape), value = New(type, shape);
        using var columnSums = zeros(3, shape[1], float32);
        using var positionKey = tensors.PositionKey is null ? null : zeros(pass.RelativeRows.shape, float32);
        using var positionQuery = tensors.PositionQuery is null ? null : zeros(pass.RelativeRows.shape, float32);
        for (var g = 0; g < pass.Groups.Count; g++)
        {
            var group = pass.Groups[g];
            var inputs = Pointers(tensors, null, pass, g, settings, site);
            var relative = (long)group.FirstRelativeRow * shape[1];
            var gradients = new AttentionKernel.Gradients
            {
                Context = At(contextGradient, group.FirstRow),
                Query = At(query, group.FirstRow),
                Key = At(key, group.FirstRow),
                Value = At(value, group.FirstRow),
                PositionKey = positionKey is null ? null : CpuMemory.Floats(positionKey) + relative,
                PositionQuery = positionQuery is null ? null : CpuMemory.Floats(positionQuery) + relative,
                ColumnSums = CpuMemory.Floats(columnSums),
            };
            ThreadTeam.Run(settings.Heads, head =>
            {
                if (type == ScalarType.BFloat16)
                {
                    AttentionKernel.Backward<Kernels.BFloat16>(inputs, gradients, group.Shape, head);
                }
                else
                {
                    AttentionKernel.Backward<Kernels.Float32>(inputs, gradients, group.Shape, head);
                }
            });
        }

        return new(query, key, value, columnSums.unsqueeze(0), positionKey?.to(type, copy: true), positionQuery?.to(type, copy: true),
            PositionSums(positionKey, positionQuery));
    }

    private static Tensor? PositionSums(Tensor? key, Tensor? query)
    {
        if ((key ?? query) is not { } any)
        {
            return null;
        }

        using Tensor first = (key ?? any).sum(dim: 0), second = (query ?? any).sum(dim: 0), both = stack([first, second]);
        return both.unsqueeze(0);
    }

    private static AttentionKernel.Inputs Pointers(AttentionTensors t, Tensor? context, FusedPass pass, int g, FusedLayerSettings settings, DropoutSite site)
    {
        var group = pass.Groups[g];
        return new()
        {
            Query = At(t.Query, group.FirstRow),
            Key = At(t.Key, group.FirstRow),
            Value = At(t.Value, group.FirstRow),
            PositionKey = t.PositionKey is null ? null : At(t.PositionKey, group.FirstRelativeRow),
            PositionQuery = t.PositionQuery is null ? null : At(t.PositionQuery, group.FirstRelativeRow),
            RelativeRows = (int*)CpuMemory.Address(group.Distances.PackedRows),
            Probabilities = CpuMemory.Floats(t.Probabilities) + (settings.Heads * group.FirstScore),
            Context = context is null ? null : At(context, group.FirstRow),
            C = settings.Heads * settings.HeadSize,
            D = settings.HeadSize,
            InverseScale = settings.InverseScale,
            Dropout = pass.Stream(g, site),
        };
    }

    /// <inheritdoc />
    public override (Rows Rows, NormState? State) AddAndNormalise(Tensor hidden, Tensor residual, FusedNorm norm, float epsilon, FusedPass pass,
        DropoutSite site, bool keeps)
    {
        using var part = StepClock.Part("dropout + residual + LayerNorm, forward");
        var isHalf = hidden.dtype == ScalarType.BFloat16;
        var output = New(float32, residual.shape);
        var copy = isHalf ? New(hidden.dtype, residual.shape) : output;
        // What nobody keeps lies where the output will.
        var state = new NormState(keeps ? New(float32, residual.shape) : output, New(float32, residual.shape[0], 2));
        foreach (var segment in Segments(pass, site, (int)residual.shape[0]))
        {
            var rows = Pointers(state, norm, segment);
            rows.Hidden = At(hidden, segment.First);
            rows.Residual = (float*)At(residual, segment.First);
            rows.Output = (float*)At(output, segment.First);
            rows.OutputCopy = isHalf ? At(copy, segment.First) : null;
            rows.Epsilon = epsilon;
            ThreadTeam.RunRanges(segment.Count, 8, (_, start, end) =>
            {
                if (isHalf)
                {
                    NormKernel.Forward<Kernels.BFloat16>(rows, start, end);
                }
                else
                {
                    NormKernel.Forward<Kernels.Float32>(rows, start, end);
                }
            });
        }

        if (keeps)
        {
            return (new(output, copy), state);
        }

        state.Statistics.Dispose();
        return (new(output, copy), null);
    }

    /// <inheritdoc />
    public override (Tensor Hidden, Tensor ColumnSums) Denormalise(NormState state, FusedNorm norm, OutputGradient upper, FusedPass pass, DropoutSite site,
        ScalarType type)
    {
        using var part = StepClock.Part("dropout + residual + LayerNorm, gradient");
        int rowCount = (int)state.Sum.shape[0], columns = (int)state.Sum.shape[1], parts = ThreadTeam.RangeCount(rowCount, 8);
        var hidden = New(type, state.Sum.shape);
        var sums = zeros(parts, 3, columns, float32);
        var partial = CpuMemory.Floats(sums);
        foreach (var segment in Segments(pass, site, rowCount))
        {
            var rows = Pointers(state, norm, segment);
            void* Product(int i) => i < upper.Products.Count ? At(upper.Products[i], segment.First) : null;
            var gradients = new NormKernel.Gradients
            {
                FromResidual = (float*)At(upper.Residual, segment.First),
                FromProduct0 = Product(0),
                FromProduct1 = Product(1),
                FromProduct2 = Product(2),
                ToResidual = (float*)At(upper.Residual, segment.First),
                ToHidden = At(hidden, segment.First),
            };
            ThreadTeam.RunRanges(segment.Count, 8, (range, start, end) =>
            {
                var own = partial + ((long)range * 3 * columns);
                if (type == ScalarType.BFloat16)
                {
                    NormKernel.Backward<Kernels.BFloat16>(rows, gradients, own, start, end);
                }
                else
                {
                    NormKernel.Backward<Kernels.Float32>(rows, gradients, own, start, end);
                }
            });
        }

        return (hidden, sums);
    }

    private static NormKernel.Rows Pointers(NormState state, FusedNorm norm, Segment segment) => new()
    {
        Sum = (float*)At(state.Sum, segment.First),
        Statistics = (float*)At(state.Statistics, segment.First),
        Weight = CpuMemory.Floats(norm.Weight),
        Bias = CpuMemory.Floats(norm.Bias),
        C = (int)state.Sum.shape[1],
        Dropout = segment.Stream,
    };

    /// <inheritdoc />
    public override void Gelu(Tensor inner, Tensor output)
    {
        using var part = StepClock.Part("GELU, forward");
        var isHalf = inner.dtype == ScalarType.BFloat16;
        void* from = CpuMemory.Address(inner), to = CpuMemory.Address(output);
        var columns = inner.shape[1];
        ThreadTeam.RunRanges((int)inner.shape[0], 4, (_, start, end) =>
        {
            if (isHalf)
            {
                GeluKernel.Forward<Kernels.BFloat16>(from, to, start * columns, end * columns);
            }
            else
            {
                GeluKernel.Forward<Kernels.Float32>(from, to, start * columns, end * columns);
            }
        });
    }

    /// <inheritdoc />
    public override Tensor GeluBackward(Tensor inner, Tensor gradient)
    {
        using var part = StepClock.Part("GELU, gradient");
        int rowCount = (int)inner.shape[0], columns = (int)inner.shape[1], parts = ThreadTeam.RangeCount(rowCount, 8);
        var sums = zeros(parts, 1, columns, float32);
        var isHalf = inner.dtype == ScalarType.BFloat16;
        void* x = CpuMemory.Address(inner), g = CpuMemory.Address(gradient);
        var partial = CpuMemory.Floats(sums);
        ThreadTeam.RunRanges(rowCount, 8, (range, start, end) =>
        {
            var own = partial + ((long)range * columns);
            if (isHalf)
            {
                GeluKernel.Backward<Kernels.BFloat16>(x, g, columns, own, start, end);
            }
            else
            {
                GeluKernel.Backward<Kernels.Float32>(x, g, columns, own, start, end);
            }
        });
        return sums;
    }

    /// <inheritdoc />
    /// <remarks>A and B take part in float32, whatever the type of x.</remarks>
    public override void AddAdapter(ILowRankAdapter adapter, Tensor x, FusedPass pass, DropoutSite site, Tensor output)
    {
        using var part = StepClock.Part("adapters, forward");
        using Tensor down = Down(adapter), up = UpTransposed(adapter);
        var weights = Weights(adapter, down, up);
        var isHalf = x.dtype == ScalarType.BFloat16;
        foreach (var segment in Segments(pass, site, (int)x.shape[0]))
        {
            void* from = At(x, segment.First), to = At(output, segment.First);
            RunParts(segment.Count, (_, start, end) =>
            {
                if (isHalf)
                {
                    AdapterKernel.Forward<Kernels.BFloat16>(weights, from, to, segment.Stream, start, end);
                }
                else
                {
                    AdapterKernel.Forward<Kernels.Float32>(weights, from, to, segment.Stream, start, end);
                }
            });
        }
    }

    /// <inheritdoc />
    public override (Tensor Down, Tensor Up) AdapterBackward(ILowRankAdapter adapter, Tensor gradient, Tensor x, FusedPass pass, DropoutSite site,
        Tensor? inputGradient)
    {
        using var part = StepClock.Part("adapters, gradient");
        using var scope = NewDisposeScope();
        Tensor down = Down(adapter), up = UpTransposed(adapter);
        var weights = Weights(adapter, down, up);
        long downLength = down.numel(), upLength = up.numel();
        var segments = Segments(pass, site, (int)x.shape[0]).ToList();
        // Each part writes its own sums; they are added in one order, whoever computed them.
        var partial = empty([segments.Sum(segment => PartCount(segment.Count)), downLength + upLength], float32);
        var isHalf = x.dtype == ScalarType.BFloat16;
        var sums = CpuMemory.Floats(partial);
        foreach (var segment in segments)
        {
            void* upper = At(gradient, segment.First), input = At(x, segment.First), lower = inputGradient is null ? null : At(inputGradient, segment.First);
            var first = sums;
            RunParts(segment.Count, (index, start, end) =>
            {
                var own = first + (index * (downLength + upLength));
                if (isHalf)
                {
                    AdapterKernel.Backward<Kernels.BFloat16>(weights, upper, input, lower, segment.Stream, own, own + downLength, start, end);
                }
                else
                {
                    AdapterKernel.Backward<Kernels.Float32>(weights, upper, input, lower, segment.Stream, own, own + downLength, start, end);
                }
            });
            sums += PartCount(segment.Count) * (downLength + upLength);
        }

        var totals = partial.sum(dim: 0);
        return (totals.narrow(0, 0, downLength).view(down.shape).MoveToOuterDisposeScope(),
            totals.narrow(0, downLength, upLength).view(up.shape).t().MoveToOuterDisposeScope());
    }

    private static int PartCount(int rows) => (rows + AdapterKernel.RowsPerPart - 1) / AdapterKernel.RowsPerPart;

    private static void RunParts(int rows, Action<int, int, int> body) => ThreadTeam.Run(
        PartCount(rows), part => body(part, part * AdapterKernel.RowsPerPart, Math.Min(rows, (part + 1) * AdapterKernel.RowsPerPart)));

    private static Tensor Down(ILowRankAdapter adapter)
    {
        using var single = adapter.Down.to(float32);
        return single.contiguous();
    }

    private static Tensor UpTransposed(ILowRankAdapter adapter)
    {
        using Tensor single = adapter.Up.to(float32), transposed = single.t();
        return transposed.contiguous();
    }

    private static AdapterKernel.Weights Weights(ILowRankAdapter adapter, Tensor down, Tensor up) => new()
    {
        Down = CpuMemory.Floats(down),
        UpTransposed = CpuMemory.Floats(up),
        Rank = (int)down.shape[0],
        In = (int)down.shape[1],
        Out = (int)up.shape[1],
        Scale = (float)adapter.Scale,
    };

    /// <inheritdoc />
    public override void AddInPlace(Tensor sum, Tensor values)
    {
        var isHalf = values.dtype == ScalarType.BFloat16;
        if (sum.dtype != ScalarType.Float32 || !(isHalf || values.dtype == ScalarType.Float32) || !sum.is_contiguous() || !values.is_contiguous())
        {
            base.AddInPlace(sum, values);
            return;
        }

        var to = CpuMemory.Floats(sum);
        var from = CpuMemory.Address(values);
        ThreadTeam.RunRanges(checked((int)sum.numel()), 1 << 14, (_, start, end) =>
        {
            if (isHalf)
            {
                SumKernel.Add<Kernels.BFloat16>(to, from, start, end);
            }
            else
            {
                SumKernel.Add<Kernels.Float32>(to, from, start, end);
            }
        });
    }

    /// <summary>Rows that draw one stream: a group's, or all rows where nothing is dropped.</summary>
    private static IEnumerable<Segment> Segments(FusedPass pass, DropoutSite site, int rows)
    {
        if (!pass.Stream(0, site).IsActive)
        {
            yield return new(0, rows, pass.Stream(0, site));
            yield break;
        }

        for (var g = 0; g < pass.Groups.Count; g++)
        {
            var group = pass.Groups[g];
            yield return site.IsRelative
                ? new(group.FirstRelativeRow, group.Distances.Count, pass.Stream(g, site))
                : new(group.FirstRow, group.Shape.Rows, pass.Stream(g, site));
        }
    }

    private static void* At(Tensor tensor, int row) =>
        (byte*)CpuMemory.Address(tensor) + (row * (tensor.numel() / Math.Max(1, tensor.shape[0])) * tensor.element_size());

    private readonly record struct Segment(int First, int Count, DropoutStream Stream);
}
