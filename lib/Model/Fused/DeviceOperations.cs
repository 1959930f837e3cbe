using System.Runtime.CompilerServices;
using NotebookLib.Kernels;
using NotebookLib.Kernels.Cuda;
using NotebookLib.Platform;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Model.Fused;

/// <summary>
/// A layer's operations on a CUDA device: products by its library, the rest by the kernels of <c>layers.cu</c>. Nothing here waits for the device or reads from
/// it.
/// </summary>
/// <param name="program">The kernels.</param>
/// <param name="products">The products; null for libtorch's.</param>
/// <param name="device">Where they run.</param>
internal sealed unsafe class DeviceOperations(IDeviceProgram program, IDeviceProducts? products, Device device) : LayerOperations
{
    /// <summary>Columns that the gradient of LayerNorm can take.</summary>
    public const int MostColumns = NormThreads * 16;

    private const int AttentionThreads = 64;
    private const int NormThreads = 256;
    private const int RowThreads = 128;
    private const int RowsPerBlock = 16;
    private const int Quad = 4;

    /// <inheritdoc />
    public override Device Device => device;

    /// <inheritdoc />
    public override bool KeepsCopies => true;

    /// <inheritdoc />
    public override Tensor Multiply(Tensor x, Tensor weight, Tensor? bias)
    {
        if (products is not null)
        {
            var result = New(x.dtype, x.size(0), weight.size(0));
            if (products.TryMultiply(1, new(x, 0), new(weight, 0), bias is null ? null : new(bias, 0), new(result, 0), accumulates: false))
            {
                return result;
            }

            result.Dispose();
        }

        using var transposed = weight.t();
        return bias is null ? mm(x, transposed) : addmm(bias, x, transposed, 1, 1);
    }

    /// <inheritdoc />
    public override void AddProduct(Tensor a, Tensor b, Tensor target, bool isFirst)
    {
        using Tensor rows = a.t(), columns = b.t();
        if (products?.TryMultiply(1, new(rows, 0), new(columns, 0), null, new(target, 0), accumulates: !isFirst) != true)
        {
            base.AddProduct(a, b, target, isFirst);
        }
    }

    /// <inheritdoc />
    public override Tensor[]? MultiplyEach(Tensor x, IReadOnlyList<Tensor> weights, IReadOnlyList<Tensor?> biases)
    {
        if (products is null || Row(weights) is not { } weightRow)
        {
            return null;
        }

        Matrices? biasRow = null;
        if (biases.OfType<Tensor>().ToList() is { Count: > 0 } added)
        {
            biasRow = added.Count == weights.Count ? Row(added) : null;
            if (biasRow is null)
            {
                return null;
            }
        }

        return MultiplyEach(weights.Count, new(x, 0), weightRow, biasRow);
    }

    /// <inheritdoc />
    public override Tensor[]? MultiplyEachBack(IReadOnlyList<Tensor> gradients, IReadOnlyList<Tensor> weights)
    {
        if (products is null || Row(gradients) is not { } gradientRow || Row(weights) is not { } weightRow)
        {
            return null;
        }

        using var transposed = weightRow.First.t();
        return MultiplyEach(gradients.Count, gradientRow, weightRow with { First = transposed }, null);
    }

    private Tensor[]? MultiplyEach(int count, Matrices a, Matrices b, Matrices? bias)
    {
        long rows = a.First.size(0), columns = b.First.size(0);
        using var all = New(a.First.dtype, count, rows, columns);
        var results = all.unbind();
        if (products!.TryMultiply(count, a, b, bias, new(results[0], rows * columns), accumulates: false))
        {
            return results;
        }

        foreach (var result in results)
        {
            result.Dispose();
        }

        return null;
    }

    /// <inheritdoc />
    public override bool AddProducts(IReadOnlyList<Tensor> a, Tensor b, IReadOnlyList<Tensor> targets, bool areFirst)
    {
        if (products is null || Row(a) is not { } operands || Row(targets) is not { } sums)
        {
            return false;
        }

        using Tensor rows = operands.First.t(), columns = b.t();
        return products.TryMultiply(a.Count, operands with { First = rows }, new(columns, 0), null, sums, accumulates: !areFirst);
    }

    /// <summary>Tensors as a row in memory; null where they do not lie in one.</summary>
    private static Matrices? Row(IReadOnlyList<Tensor> tensors)
    {
        var first = tensors[0];
        var (start, size) = (DeviceMemory.Address(first), first.element_size());
        var step = tensors.Count == 1 ? 0 : DeviceMemory.Address(tensors[1]) - start;
        for (var i = 1; i < tensors.Count; i++)
        {
            if (DeviceMemory.Address(tensors[i]) - start != i * step)
            {
                return null;
            }
        }

        // In whole elements, sixteen bytes at least apart as the kernels want it, and none over another.
        return step % 16 == 0 && (tensors.Count == 1 || step >= first.numel() * size) ? new(first, step / size) : null;
    }

    /// <inheritdoc />
    public override void AddColumnSums(Tensor sums, IReadOnlyList<(Tensor Target, bool IsFirst)?> targets)
    {
        using var part = StepClock.Part("column sums");
        var (from, blocks, columns) = (DeviceMemory.Address(sums), (int)sums.shape[0], (int)sums.shape[2]);
        var to = default(DeviceTotals);
        // One that stands there twice is written by a launch of its own, or the two would race.
        var again = new List<int>();
        for (var i = 0; i < targets.Count; i++)
        {
            if (targets[i] is { } target)
            {
                if (targets.Take(i).Any(earlier => earlier?.Target.Handle == target.Target.Handle))
                {
                    again.Add(i);
                    continue;
                }

                to.Set(i, DeviceMemory.Address(target.Target), !target.IsFirst);
            }
        }

        LaunchTotals(from, to, blocks, columns, (int)sums.shape[1]);
        foreach (var i in again)
        {
            var single = default(DeviceTotals);
            single.Set(i, DeviceMemory.Address(targets[i]!.Value.Target), accumulates: true);
            LaunchTotals(from, single, blocks, columns, (int)sums.shape[1]);
        }
    }

    private void LaunchTotals(nint from, DeviceTotals to, int blocks, int columns, int matrices) =>
        program.Launch("column_totals", ((columns + 31) / 32, matrices, 1), NormThreads, [At(ref from), At(ref to), At(ref blocks), At(ref columns)]);

    /// <summary>Sums of the columns of some matrices, in parts.</summary>
    /// <param name="matrices">[matrices, rows, columns].</param>
    private Tensor PartialSums(Tensor matrices)
    {
        var (from, rows, columns, perBlock) = (DeviceMemory.Address(matrices), (int)matrices.shape[1], (int)matrices.shape[2], RowsPerBlock);
        var blocks = (rows + RowsPerBlock - 1) / RowsPerBlock;
        var sums = New(ScalarType.Float32, blocks, matrices.shape[0], columns);
        var to = DeviceMemory.Address(sums);
        program.Launch(Name("column_sums", matrices.dtype), ((columns + (Quad * NormThreads) - 1) / (Quad * NormThreads), blocks, (int)matrices.shape[0]),
            NormThreads,
            [At(ref from), At(ref to), At(ref rows), At(ref columns), At(ref perBlock)]);
        return sums;
    }

    /// <inheritdoc />
    public override Tensor Drop(Tensor rows, FusedPass pass, DropoutSite site, ScalarType type)
    {
        using var part = StepClock.Part("dropout of relative rows");
        var drop = DropOf(pass, site);
        if (drop.Threshold == 0)
        {
            return type == rows.dtype ? rows.alias() : rows.to(type);
        }

        var output = New(type, rows.shape);
        DropRows(rows, output, pass, site, drop);
        return output;
    }

    private void DropRows(Tensor input, Tensor output, FusedPass pass, DropoutSite site, DeviceDrop drop)
    {
        var tables = TablesOf(pass);
        var (own, from, to) = (tables.Pass, DeviceMemory.Address(input), DeviceMemory.Address(output));
        var (rows, columns, areRelative) = ((int)input.shape[0], (int)input.shape[1], site.IsRelative ? 1 : 0);
        program.Launch(Name(input.dtype == output.dtype ? "drop_rows" : "drop_wide_rows", output.dtype), (rows, 1, 1), NormThreads,
            [At(ref own), At(ref from), At(ref to), At(ref rows), At(ref columns), At(ref areRelative), At(ref drop)]);
    }

    /// <inheritdoc />
    public override void AddDropped(Tensor sum, IReadOnlyList<Tensor> summands, FusedPass pass, DropoutSite site)
    {
        using var part = StepClock.Part("dropout of relative rows");
        var (own, drop) = (TablesOf(pass).Pass, DropOf(pass, site));
        var (first, second, to) = (DeviceMemory.Address(summands[0]), summands.Count > 1 ? DeviceMemory.Address(summands[1]) : 0, DeviceMemory.Address(sum));
        var (rows, columns) = ((int)sum.size(0), (int)sum.size(1));
        program.Launch(Name("add_dropped", summands[0].dtype), (rows, 1, 1), NormThreads,
            [At(ref own), At(ref first), At(ref second), At(ref to), At(ref columns), At(ref drop)]);
    }

    /// <inheritdoc />
    public override Tensor Attend(AttentionTensors tensors, FusedPass pass, FusedLayerSettings settings, DropoutSite site)
    {
        using var part = StepClock.Part("attention, forward");
        var tables = TablesOf(pass);
        var context = New(tensors.Query.dtype, tensors.Query.shape);
        var arguments = Arguments(tensors, pass, settings, site);
        arguments.Context = DeviceMemory.Address(context);
        Launch("attend", (tables.TileCount, settings.Heads, 1), tables.Pass, arguments, context.dtype);
        return context;
    }

    /// <inheritdoc />
    public override AttentionGradients AttendBackward(AttentionTensors tensors, Tensor contextGradient, FusedPass pass, FusedLayerSettings settings,
        DropoutSite site)
    {
        using var part = StepClock.Part("attention, gradient");
        var tables = TablesOf(pass);
        var (type, shape) = (tensors.Query.dtype, tensors.Query.shape);
        // In the order of the weights in memory, so that one call multiplies them all.
        using var all = New(type, 3, shape[0], shape[1]);
        Tensor key = all.select(0, 0), query = all.select(0, 1), value = all.select(0, 2);
        using var positions = (tensors.PositionKey ?? tensors.PositionQuery) is { } any ? New(type, 2, any.shape[0], any.shape[1]) : null;
        var positionKey = tensors.PositionKey is null ? null : positions!.select(0, 0);
        var positionQuery = tensors.PositionQuery is null ? null : positions!.select(0, 1);
        using var scoreGradients = New(ScalarType.Float32, tensors.Probabilities.shape);
        var arguments = Arguments(tensors, pass, settings, site);
        arguments.ContextGradient = DeviceMemory.Address(contextGradient);
        arguments.ScoreGradients = DeviceMemory.Address(scoreGradients);
        (arguments.QueryGradient, arguments.KeyGradient, arguments.ValueGradient) =
            (DeviceMemory.Address(query), DeviceMemory.Address(key), DeviceMemory.Address(value));
        (arguments.PositionKeyGradient, arguments.PositionQueryGradient) = (AddressOrNull(positionKey), AddressOrNull(positionQuery));
        Launch("attend_backward_queries", (tables.TileCount, settings.Heads, 1), tables.Pass, arguments, type);
        Launch("attend_backward_keys", (tables.TileCount, settings.Heads, 1), tables.Pass, arguments, type);
        if (positionKey is not null || positionQuery is not null)
        {
            var blocks = (tables.MostRelatives + PassTables.Tile - 1) / PassTables.Tile;
            Launch("attend_backward_positions", (blocks, settings.Heads, 2 * pass.Groups.Count), tables.Pass, arguments, type);
        }

        return new(query, key, value, PartialSums(all), positionKey, positionQuery, positions is null ? null : PartialSums(positions));
    }

    private static DeviceAttention Arguments(AttentionTensors t, FusedPass pass, FusedLayerSettings settings, DropoutSite site) => new()
    {
        Query = DeviceMemory.Address(t.Query),
        Key = DeviceMemory.Address(t.Key),
        Value = DeviceMemory.Address(t.Value),
        PositionKey = AddressOrNull(t.PositionKey),
        PositionQuery = AddressOrNull(t.PositionQuery),
        Probabilities = DeviceMemory.Address(t.Probabilities),
        Heads = settings.Heads,
        Size = settings.HeadSize,
        InverseScale = settings.InverseScale,
        Drop = DropOf(pass, site),
    };

    private void Launch(string kernel, (int, int, int) grid, DevicePass pass, DeviceAttention arguments, ScalarType type) =>
        program.Launch(Name(kernel, type), grid, AttentionThreads, [At(ref pass), At(ref arguments)]);

    /// <inheritdoc />
    public override (Rows Rows, NormState? State) AddAndNormalise(Tensor hidden, Tensor residual, FusedNorm norm, float epsilon, FusedPass pass,
        DropoutSite site, bool keeps)
    {
        using var part = StepClock.Part("dropout + residual + LayerNorm, forward");
        var isNarrow = hidden.dtype != ScalarType.Float32;
        var output = New(ScalarType.Float32, residual.shape);
        var copy = isNarrow ? New(hidden.dtype, residual.shape) : output;
        // What nobody keeps lies where the output will.
        var state = new NormState(keeps ? New(ScalarType.Float32, residual.shape) : output, New(ScalarType.Float32, residual.shape[0], 2));
        var arguments = Arguments(state, norm, pass, site);
        arguments.Hidden = DeviceMemory.Address(hidden);
        arguments.Residual = DeviceMemory.Address(residual);
        arguments.Output = DeviceMemory.Address(output);
        arguments.Copy = isNarrow ? DeviceMemory.Address(copy) : 0;
        arguments.Epsilon = epsilon;
        var own = TablesOf(pass).Pass;
        var warps = RowThreads / 32;
        program.Launch(Name("norm", hidden.dtype), ((arguments.Rows + warps - 1) / warps, 1, 1), RowThreads, [At(ref own), At(ref arguments)]);
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
        var hidden = New(type, state.Sum.shape);
        var arguments = Arguments(state, norm, pass, site);
        arguments.RowsPerBlock = RowsPerBlock;
        var blocks = (arguments.Rows + RowsPerBlock - 1) / RowsPerBlock;
        var sums = New(ScalarType.Float32, blocks, 3, arguments.Columns);
        nint Product(int i) => i < upper.Products.Count ? DeviceMemory.Address(upper.Products[i]) : 0;
        (arguments.Product0, arguments.Product1, arguments.Product2) = (Product(0), Product(1), Product(2));
        arguments.Upper = arguments.Lower = DeviceMemory.Address(upper.Residual);
        arguments.HiddenGradient = DeviceMemory.Address(hidden);
        arguments.ColumnSums = DeviceMemory.Address(sums);
        var own = TablesOf(pass).Pass;
        program.Launch(Name("norm_backward", type), (blocks, 1, 1), NormThreads, [At(ref own), At(ref arguments)]);
        return (hidden, sums);
    }

    private static DeviceNorm Arguments(NormState state, FusedNorm norm, FusedPass pass, DropoutSite site) => new()
    {
        Sum = DeviceMemory.Address(state.Sum),
        Statistics = DeviceMemory.Address(state.Statistics),
        Weight = DeviceMemory.Address(norm.Weight),
        Bias = DeviceMemory.Address(norm.Bias),
        Rows = (int)state.Sum.shape[0],
        Columns = (int)state.Sum.shape[1],
        Drop = DropOf(pass, site),
    };

    /// <inheritdoc />
    public override void Gelu(Tensor inner, Tensor output)
    {
        using var part = StepClock.Part("GELU, forward");
        var (from, to, count) = (DeviceMemory.Address(inner), DeviceMemory.Address(output), inner.numel());
        program.Launch(Name("gelu", inner.dtype), ((int)Math.Min((count + (Quad * NormThreads) - 1) / (Quad * NormThreads), 65_536), 1, 1), NormThreads,
            [At(ref from), At(ref to), At(ref count)]);
    }

    /// <inheritdoc />
    public override Tensor GeluBackward(Tensor inner, Tensor gradient)
    {
        using var part = StepClock.Part("GELU, gradient");
        var (x, g, rows, columns, perBlock) =
            (DeviceMemory.Address(inner), DeviceMemory.Address(gradient), (int)inner.shape[0], (int)inner.shape[1], RowsPerBlock);
        var blocks = (rows + RowsPerBlock - 1) / RowsPerBlock;
        var sums = New(ScalarType.Float32, blocks, 1, columns);
        var to = DeviceMemory.Address(sums);
        program.Launch(Name("gelu_backward", inner.dtype), ((columns + (Quad * NormThreads) - 1) / (Quad * NormThreads), blocks, 1), NormThreads,
            [At(ref x), At(ref g), At(ref to), At(ref rows), At(ref columns), At(ref perBlock)]);
        return sums;
    }

    /// <inheritdoc />
    /// <remarks>Products in the type of x, as autocast has them in PEFT.</remarks>
    public override void AddAdapter(ILowRankAdapter adapter, Tensor x, FusedPass pass, DropoutSite site, Tensor output)
    {
        using var part = StepClock.Part("adapters, forward");
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var inner = mm(Drop(x, pass, site, x.dtype), adapter.Down.to(x.dtype).t());
        output.addmm_(inner, adapter.Up.to(x.dtype).t(), 1, (float)adapter.Scale);
    }

    /// <inheritdoc />
    public override (Tensor Down, Tensor Up) AdapterBackward(ILowRankAdapter adapter, Tensor gradient, Tensor x, FusedPass pass, DropoutSite site,
        Tensor? inputGradient)
    {
        using var part = StepClock.Part("adapters, gradient");
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor down = adapter.Down.to(x.dtype), up = adapter.Up.to(x.dtype), dropped = Drop(x, pass, site, x.dtype);
        var inner = mm(dropped, down.t());
        // Held here: made by the calls themselves, a factor may be finalised before native code reads it.
        using var scale = adapter.Scale.ToScalar();
        var innerGradient = mm(gradient, up).mul_(scale);
        if (inputGradient is not null)
        {
            inputGradient.add_(Drop(mm(innerGradient, down), pass, site, x.dtype));
        }

        return (mm(innerGradient.t(), dropped).MoveToOuterDisposeScope(), mm(gradient.t(), inner).mul_(scale).MoveToOuterDisposeScope());
    }

    private PassTables TablesOf(FusedPass pass) => pass.Tables ??= PassTables.Of(pass, device);

    private static DeviceDrop DropOf(FusedPass pass, DropoutSite site)
    {
        var probability = pass.IsTraining ? site.Probability : 0;
        return new() { Stream = (ulong)site.Stream, Threshold = DropoutStream.ThresholdOf(probability), Scale = DropoutStream.ScaleOf(probability) };
    }

    private static nint AddressOrNull(Tensor? tensor) => tensor is null ? 0 : DeviceMemory.Address(tensor);

    // Locals do not move, and the launch copies what it reads.
    private static nint At<T>(ref T value)
        where T : unmanaged => (nint)Unsafe.AsPointer(ref value);

    private static string Name(string kernel, ScalarType type) => type switch
    {
        ScalarType.BFloat16 => kernel + "_bfloat16",
        ScalarType.Float16 => kernel + "_float16",
        _ => kernel + "_float32",
    };
}
