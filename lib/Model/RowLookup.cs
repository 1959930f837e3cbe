using System.Runtime.CompilerServices;
using TorchSharp;
using static TorchSharp.torch;

namespace NotebookLib.Model;

/// <summary>
/// Rows of a table whose gradient is added to the table's own, row by row. Autograd would make a gradient of the whole table (393 MB for base) for the few
/// hundred rows of a batch and add it whole: a fifth of a bf16 step.
/// </summary>
internal sealed class RowLookup : autograd.SingleTensorFunction<RowLookup>
{
    // TorchSharp's context keeps tensors only, and is the same object in both halves.
    private static readonly ConditionalWeakTable<autograd.AutogradContext, Table> Tables = [];

    public override string Name => nameof(RowLookup);

    /// <summary>Looks up rows.</summary>
    /// <param name="table">A leaf, [V, C].</param>
    /// <param name="rows">Row numbers, [N] int64.</param>
    /// <param name="trained">Takes the gradient in the table's place; null adds it to the table's own.</param>
    /// <returns>[N, C].</returns>
    public static Tensor Run(Tensor table, Tensor rows, TrainedRows? trained = null)
    {
        if (!table.requires_grad || !is_grad_enabled())
        {
            return table.index_select(0, rows);
        }

        // The table itself is no input: its gradient is none of autograd's business.
        using var anchor = zeros(1, requires_grad: true, device: table.device);
        return apply(anchor, rows, new Table(table, trained));
    }

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var (rows, table) = ((Tensor)vars[1], (Table)vars[2]);
        Tables.Add(ctx, table);
        ctx.save_for_backward([rows]);
        using var quiet = no_grad();
        return table.Values.index_select(0, rows);
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
#pragma warning disable CA1031 // An exception cannot cross libtorch: it would end the process.
        try
        {
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            using var part = Platform.StepClock.Part("gradient of the embeddings");
            var table = Tables.TryGetValue(ctx, out var found) ? found : throw new InvalidOperationException("The table of a row lookup is lost.");
            Add(table, ctx.get_saved_variables()[0], grad_output);
        }
        catch (Exception error)
        {
            BackwardPass.Fail(error);
        }
#pragma warning restore CA1031

        return [null!, null!, null!];
    }

    private static void Add(Table table, Tensor rows, Tensor gradient)
    {
        var exact = gradient.to(table.Values.dtype);
        if (table.Trained is { } trained)
        {
            trained.AddGradient(rows, exact);
            return;
        }

        table.Values.grad ??= zeros_like(table.Values);
        // The factor is held here: made by the call itself, it may be finalised before native code reads it.
        using var one = 1.ToScalar();
        table.Values.grad!.index_add_(0, rows, exact, one);
        GC.KeepAlive(one);
    }

    // As a plain tensor the table would become an input.
    private sealed record Table(Tensor Values, TrainedRows? Trained);
}
