using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>Embeddings and encoder, without a head: <c>deberta.*</c> in checkpoints (transformers 4.35.2 DebertaV2Model).</summary>
public sealed class DebertaV2Model : Module<Tensor, Tensor, Tensor>
{
    private readonly DebertaV2Embeddings embeddings;
    private readonly DebertaV2Encoder encoder;
    private readonly DebertaConfig _config;

    /// <summary>Makes the network, parameters uninitialised.</summary>
    public DebertaV2Model(ModelBuild build)
        : base(nameof(DebertaV2Model))
    {
        ArgumentNullException.ThrowIfNull(build);
        _config = build.Config.Validate();
        embeddings = new DebertaV2Embeddings(build);
        encoder = new DebertaV2Encoder(build);
        RegisterComponents();
    }

    /// <summary>Pieces to vectors.</summary>
    public DebertaV2Embeddings Embeddings => embeddings;

    /// <summary>The layers.</summary>
    public DebertaV2Encoder Encoder => encoder;

    /// <summary>The last hidden states.</summary>
    /// <param name="input1">input_ids, [B, L] int64.</param>
    /// <param name="input2">attention_mask, [B, L]; 0 marks padding.</param>
    /// <returns>[B, L, C]; zeros at padding.</returns>
    public override Tensor forward(Tensor input1, Tensor input2)
    {
        using var scope = NewDisposeScope();
        var layout = new PaddedLayout(input1, input2, _config);
        return layout.ToPadded(Run(layout)).MoveToOuterDisposeScope();
    }

    /// <summary>Every hidden state: the embeddings, then each layer's output.</summary>
    /// <param name="inputIds">[B, L] int64.</param>
    /// <param name="attentionMask">[B, L]; 0 marks padding.</param>
    /// <returns>Number of layers + 1 tensors, [B, L, C] each, zeros at padding; the caller owns them.</returns>
    public IReadOnlyList<Tensor> HiddenStates(Tensor inputIds, Tensor attentionMask)
    {
        using var scope = NewDisposeScope();
        var layout = new PaddedLayout(inputIds, attentionMask, _config);
        List<Tensor> states = [];
        Run(layout, state_NC =>
        {
            // The layers' own scopes end before this one: a state goes straight to this one.
            var state_BLC = layout.ToPadded(state_NC.alias()).DetachFromDisposeScope();
            scope.Attach(state_BLC);
            states.Add(state_BLC);
        });
        return [.. states.Select(state_BLC => state_BLC.MoveToOuterDisposeScope())];
    }

    /// <summary>The real pieces' last hidden states, [N, C].</summary>
    internal Tensor Run(PaddedLayout layout, Action<Tensor>? observe = null)
    {
        using var scope = NewDisposeScope();
        var embedded_NC = embeddings.Run(layout);
        observe?.Invoke(embedded_NC);
        return encoder.Run(embedded_NC, layout, observe).MoveToOuterDisposeScope();
    }
}
