using System.Runtime.CompilerServices;
using NotebookLib.Model.Packed;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>
/// Rows of a table whose gradient is added to the table's own, row by row. Autograd would make a gradient of the whole table (393 MB for base) for the few hundred rows
/// of a batch and add it whole: a fifth of a bf16 step.
/// </summary>
internal sealed class RowLookup : autograd.SingleTensorFunction<RowLookup>
{
    // TorchSharp's context keeps tensors only, and is the same object in both halves.
    private static readonly ConditionalWeakTable<autograd.AutogradContext, Tensor> Tables = [];

    public override string Name => nameof(RowLookup);

    /// <summary>Looks up rows.</summary>
    /// <param name="table">A leaf, [V, C].</param>
    /// <param name="rows">Row numbers, [N] int64.</param>
    /// <returns>[N, C].</returns>
    public static Tensor Run(Tensor table, Tensor rows)
    {
        if (!table.requires_grad || !is_grad_enabled())
        {
            return table.index_select(0, rows);
        }

        // The table itself is no input: its gradient is none of autograd's business.
        using var anchor = zeros(1, requires_grad: true, device: table.device);
        return apply(anchor, rows, new Table(table));
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (rows, table) = ((Tensor)vars[1], ((Table)vars[2]).Values);
        Tables.Add(ctx, table);
        ctx.save_for_backward([rows]);
        using var quiet = no_grad();
        return table.index_select(0, rows);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
#pragma warning disable CA1031 // An exception cannot cross libtorch: it would end the process.
        try
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            var table = Tables.TryGetValue(ctx, out var found) ? found : throw new InvalidOperationException("The table of a row lookup is lost.");
            table.grad ??= zeros_like(table);
            table.grad!.index_add_(0, ctx.get_saved_variables()[0], grad_output.to(table.dtype), 1);
        }
        catch (Exception error)
        {
            PackedEncoderFunction.Fail(error);
        }
#pragma warning restore CA1031

        return [null!, null!, null!];
    }

    // As a plain tensor the table would become an input.
    private sealed record Table(Tensor Values);
}
