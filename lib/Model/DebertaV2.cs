using NotebookLib.Batching;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

// DeBERTa-v2 and v3 for token classification, from the pieces up: embeddings → layers (attention, then feed-forward) → head. Architecture alone, with the
// checkpoint's names; the attention's formula is in DisentangledSelfAttention.cs, how the layers are computed in EncoderEngine.cs.
// B batch, L length, N real pieces of all sentences, C hidden, K labels, V vocabulary, R relative rows that occur.

/// <summary>
/// Pieces to vectors: word (and, where configured, position and segment) embeddings, LayerNorm, dropout (transformers 4.35.2 DebertaV2Embeddings).
/// </summary>
internal sealed class DebertaV2Embeddings : Module
{
    private readonly EmbeddingTable word_embeddings;
    private readonly EmbeddingTable? position_embeddings;
    private readonly EmbeddingTable? token_type_embeddings;
    private readonly Projection? embed_proj;
    private readonly LayerNorm LayerNorm;
    private readonly Dropout dropout;
    private readonly DebertaConfig _config;

    /// <summary>Makes the embeddings.</summary>
    public DebertaV2Embeddings(ModelBuild build)
        : base(nameof(DebertaV2Embeddings))
    {
        _config = build.Config;
        var width = _config.EmbeddingSize ?? _config.HiddenSize;
        word_embeddings = new EmbeddingTable(build, _config.VocabSize, width);
        position_embeddings = _config.PositionBiasedInput ? new EmbeddingTable(build, _config.MaxPositionEmbeddings, width) : null;
        token_type_embeddings = _config.TypeVocabSize > 0 ? new EmbeddingTable(build, _config.TypeVocabSize, width) : null;
        embed_proj = width != _config.HiddenSize ? new Projection(build, width, _config.HiddenSize, hasBias: false) : null;
        LayerNorm = build.NewLayerNorm(_config.HiddenSize);
        dropout = new Dropout(_config.HiddenDropoutProb, build.Dropout);
        RegisterComponents();
    }

    /// <summary>Dropout masks that one pass takes.</summary>
    internal int MasksPerPass => dropout.MasksPerPass;

    /// <summary>The word vectors, [V, embedding size].</summary>
    public EmbeddingTable WordEmbeddings => word_embeddings;

    /// <summary>Embeds the real pieces of a batch.</summary>
    /// <returns>[N, C].</returns>
    /// <exception cref="ArgumentException">The batch is longer than the table of absolute positions.</exception>
    internal Tensor Run(BatchLayout layout)
    {
        using var scope = NewDisposeScope();
        using var part = Platform.StepClock.Part("embeddings");
        var vectors = Words(layout);
        if (position_embeddings is not null)
        {
            EnsureLength(layout.Length);
            vectors = vectors + position_embeddings.call(layout.Positions!);
        }

        if (token_type_embeddings is not null)
        {
            // Token classification has one segment, type 0.
            vectors = vectors + token_type_embeddings.Weight.narrow(0, 0, 1);
        }

        var projected_NC = embed_proj is null ? vectors : embed_proj.call(vectors);
        return dropout.call(LayerNorm.call(projected_NC)).MoveToOuterDisposeScope();
    }

    // nn.Embedding(padding_idx) gives the padding row no gradient, wherever it stands.
    private Tensor Words(BatchLayout layout)
    {
        var rows = word_embeddings.call(layout.PieceIds);
        return layout.HasRealPadPiece ? where(layout.PieceIds.eq(_config.PadTokenId).unsqueeze(1), rows.detach(), rows) : rows;
    }

    private void EnsureLength(int length)
    {
        if (length > _config.MaxPositionEmbeddings)
        {
            throw new ArgumentException($"The batch is {length} pieces long; this model has positions for {_config.MaxPositionEmbeddings} "
                + "(max_position_embeddings). Split the sentence.");
        }
    }
}

/// <summary>Attention, its output projection, and the residual: transformers 4.35.2 DebertaV2Attention.</summary>
internal sealed class DebertaV2Attention : Module
{
    // The checkpoint's names: attention.self and attention.output.
    private readonly DisentangledSelfAttention self;
    private readonly ResidualOutput output;

    /// <summary>Makes the attention block of one layer.</summary>
    public DebertaV2Attention(ModelBuild build)
        : base(nameof(DebertaV2Attention))
    {
        self = new DisentangledSelfAttention(build);
        output = new ResidualOutput(build, build.Config.HiddenSize, LayerStream.AttentionSum, LayerStream.AttentionOutput);
        RegisterComponents();
    }

    /// <summary>The attention proper.</summary>
    public DisentangledSelfAttention Self => self;

    /// <summary>What follows it.</summary>
    public ResidualOutput Output => output;

    /// <inheritdoc cref="DisentangledSelfAttention.Run"/>
    internal Tensor Run(Tensor hidden_NC, BatchLayout layout, RelativeEmbeddings? relative)
    {
        using var context_NC = self.Run(hidden_NC, layout, relative);
        return output.call(context_NC, hidden_NC);
    }
}

/// <summary>LayerNorm(residual + dropout(dense(x))): ends the attention and the feed-forward block (DebertaV2SelfOutput and DebertaV2Output).</summary>
internal sealed class ResidualOutput : Module<Tensor, Tensor, Tensor>
{
    private readonly Projection dense;
    private readonly LayerNorm LayerNorm;
    private readonly Dropout dropout;

    /// <summary>Makes the output of a block.</summary>
    /// <param name="build">The network's settings.</param>
    /// <param name="inputWidth">Width of the block's inner state; the output has width C.</param>
    /// <param name="sum">Where the block's dropout draws.</param>
    /// <param name="adapter">Where an adapter on the projection draws.</param>
    internal ResidualOutput(ModelBuild build, int inputWidth, LayerStream sum, LayerStream adapter)
        : base(nameof(ResidualOutput))
    {
        dense = new Projection(build, inputWidth, build.Config.HiddenSize, adapterStream: adapter);
        LayerNorm = build.NewLayerNorm(build.Config.HiddenSize);
        dropout = new Dropout(build.Config.HiddenDropoutProb, build.Dropout, sum);
        RegisterComponents();
    }

    /// <summary>The projection back to width C.</summary>
    public Projection Dense => dense;

    /// <summary>The LayerNorm that ends the block.</summary>
    public LayerNorm Norm => LayerNorm;

    /// <summary>Ends a block.</summary>
    /// <param name="input1">The block's inner state, [N, inner width].</param>
    /// <param name="input2">The residual, [N, C].</param>
    /// <returns>[N, C].</returns>
    public override Tensor forward(Tensor input1, Tensor input2)
    {
        using var scope = NewDisposeScope();
        return LayerNorm.call(dropout.AddTo(input2, dense.call(input1))).MoveToOuterDisposeScope();
    }
}

/// <summary>One encoder layer: attention, then feed-forward (transformers 4.35.2 DebertaV2Layer).</summary>
internal sealed class DebertaV2Layer : Module
{
    private readonly DebertaV2Attention attention;
    private readonly Intermediate intermediate;
    private readonly ResidualOutput output;

    /// <summary>Makes a layer.</summary>
    public DebertaV2Layer(ModelBuild build)
        : base(nameof(DebertaV2Layer))
    {
        attention = new DebertaV2Attention(build);
        intermediate = new Intermediate(build);
        output = new ResidualOutput(build, build.Config.IntermediateSize, LayerStream.OutputSum, LayerStream.Output);
        RegisterComponents();
    }

    /// <summary>The attention block.</summary>
    public DebertaV2Attention Attention => attention;

    /// <summary>The first half of the feed-forward block.</summary>
    public Intermediate Intermediate => intermediate;

    /// <summary>Its second half.</summary>
    public ResidualOutput Output => output;

    /// <summary>One layer.</summary>
    /// <param name="hidden_NC">The real pieces' hidden states.</param>
    /// <param name="layout">Where they lie in the batch.</param>
    /// <param name="relative">Relative embeddings; null without relative attention.</param>
    /// <returns>[N, C].</returns>
    internal Tensor Run(Tensor hidden_NC, BatchLayout layout, RelativeEmbeddings? relative)
    {
        using var scope = NewDisposeScope();
        var attended_NC = attention.Run(hidden_NC, layout, relative);
        return output.call(intermediate.call(attended_NC), attended_NC).MoveToOuterDisposeScope();
    }
}

/// <summary>The widening half of the feed-forward block: act(dense(x)) (DebertaV2Intermediate).</summary>
internal sealed class Intermediate : Module<Tensor, Tensor>
{
    private readonly Projection dense;
    private readonly Func<Tensor, Tensor> _activation;

    /// <summary>Makes it.</summary>
    public Intermediate(ModelBuild build)
        : base(nameof(Intermediate))
    {
        dense = new Projection(build, build.Config.HiddenSize, build.Config.IntermediateSize, adapterStream: LayerStream.Intermediate);
        _activation = Activation.ByName(build.Config.HiddenAct, "hidden_act");
        RegisterComponents();
    }

    /// <summary>The widening projection.</summary>
    public Projection Dense => dense;

    /// <summary>[N, C] → [N, intermediate size].</summary>
    public override Tensor forward(Tensor input)
    {
        using var inner = dense.call(input);
        return _activation(inner);
    }
}

/// <summary>The stack of layers and the relative table that they share (transformers 4.35.2 DebertaV2Encoder).</summary>
internal sealed class DebertaV2Encoder : Module
{
    private readonly ModuleList<DebertaV2Layer> layer;
    private readonly EmbeddingTable? rel_embeddings;
    private readonly LayerNorm? LayerNorm;
    private readonly ConvolutionLayer? conv;

    /// <summary>Makes the encoder.</summary>
    public DebertaV2Encoder(ModelBuild build)
        : base(nameof(DebertaV2Encoder))
    {
        var config = build.Config;
        layer = new ModuleList<DebertaV2Layer>([.. Enumerable.Range(0, config.NumHiddenLayers).Select(_ => new DebertaV2Layer(build))]);
        rel_embeddings = config.RelativeAttention ? new EmbeddingTable(build, 2L * config.RelativeSpan, config.HiddenSize) : null;
        LayerNorm = config.NormalizesRelativeEmbeddings ? build.NewLayerNorm(config.HiddenSize) : null;
        conv = config.ConvKernelSize > 0 ? new ConvolutionLayer(build) : null;
        RegisterComponents();
        Engine = new EncoderEngine(this, config, build.Dropout);
    }

    /// <summary>The layers, first to last.</summary>
    public IReadOnlyList<DebertaV2Layer> Layers => [.. layer];

    /// <summary>The convolution beside the first layer; null in DeBERTa-v3.</summary>
    internal ConvolutionLayer? Convolution => conv;

    /// <summary>How the layers are computed.</summary>
    public EncoderEngine Engine { get; }

    /// <summary>Rows of the relative table, normalised where the configuration says so; null without relative attention.</summary>
    /// <param name="rows_R">Their numbers, [R] int64.</param>
    /// <returns>[R, C].</returns>
    internal Tensor? RelativeRows(Tensor rows_R)
    {
        if (rel_embeddings is null)
        {
            return null;
        }

        var rows_RC = rel_embeddings.call(rows_R);
        return LayerNorm is null ? rows_RC : LayerNorm.call(rows_RC);
    }
}

/// <summary>Embeddings and encoder, without a head: <c>deberta.*</c> in checkpoints (transformers 4.35.2 DebertaV2Model).</summary>
internal sealed class DebertaV2Model : Module<Tensor, Tensor, Tensor>
{
    private readonly DebertaV2Embeddings embeddings;
    private readonly DebertaV2Encoder encoder;
    private readonly DebertaConfig _config;

    /// <summary>Makes the network, parameters uninitialised.</summary>
    public DebertaV2Model(ModelBuild build)
        : base(nameof(DebertaV2Model))
    {
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
        var layout = new BatchLayout(input1, input2, _config);
        return layout.ToPadded(Run(layout)).MoveToOuterDisposeScope();
    }

    /// <summary>Every hidden state: the embeddings, then each layer's output.</summary>
    /// <param name="inputIds">[B, L] int64.</param>
    /// <param name="attentionMask">[B, L]; 0 marks padding.</param>
    /// <returns>Number of layers + 1 tensors, [B, L, C] each, zeros at padding; the caller owns them.</returns>
    public IReadOnlyList<Tensor> HiddenStates(Tensor inputIds, Tensor attentionMask)
    {
        using var scope = NewDisposeScope();
        var layout = new BatchLayout(inputIds, attentionMask, _config);
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
    internal Tensor Run(BatchLayout layout, Action<Tensor>? observe = null)
    {
        using var scope = NewDisposeScope();
        var embedded_NC = embeddings.Run(layout);
        observe?.Invoke(embedded_NC);
        return encoder.Engine.Run(embedded_NC, layout, observe).MoveToOuterDisposeScope();
    }
}

/// <summary>DeBERTa with a linear head that gives each piece a score per label (transformers 4.35.2 DebertaV2ForTokenClassification).</summary>
public sealed class DebertaV2ForTokenClassification : Module<Tensor, Tensor, Tensor>
{
    private readonly DebertaV2Model deberta;
    private readonly Projection classifier;
    private readonly Dropout dropout;

    /// <summary>Makes the network; parameters are uninitialised until <see cref="ModelFolder"/> or <see cref="WeightInitializer"/> fills them.</summary>
    /// <exception cref="InvalidDataException">The configuration contradicts itself.</exception>
    /// <exception cref="NotSupportedException">The configuration asks for what this port lacks.</exception>
    internal DebertaV2ForTokenClassification(ModelBuild build)
        : base(nameof(DebertaV2ForTokenClassification))
    {
        Config = build.Config;
        Random = build.Dropout;
        deberta = new DebertaV2Model(build);
        classifier = new Projection(build, Config.HiddenSize, Config.Labels.Count);
        dropout = new Dropout(Config.HiddenDropoutProb, build.Dropout);
        RegisterComponents();
    }

    /// <summary>The network's settings, with its labels.</summary>
    public DebertaConfig Config { get; }

    /// <summary>The one source of dropout masks; a checkpoint keeps its seed and counter.</summary>
    internal DropoutRandom Random { get; }

    /// <summary>The network without its head.</summary>
    internal DebertaV2Model Deberta => deberta;

    /// <summary>How the layers are computed, and what that may cost in memory.</summary>
    public EncoderEngine Engine => deberta.Encoder.Engine;

    /// <summary>The head, C → K.</summary>
    internal Projection Classifier => classifier;

    /// <summary>True when no file had a head for these labels: it began as it was initialised.</summary>
    internal bool HasNewHead { get; set; }

    /// <summary>Puts the head's rows where their labels' names are.</summary>
    /// <param name="stored">The labels in the order of the rows; the same names as the model's.</param>
    internal void ReorderHead(IReadOnlyList<string> stored)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var places = stored.Select((label, row) => (label, row)).ToDictionary(pair => pair.label, pair => (long)pair.row, StringComparer.Ordinal);
        var rows = tensor(Config.Labels.Select(label => places[label]).ToArray(), ScalarType.Int64).to(classifier.Weight.device);
        classifier.Weight.copy_(classifier.Weight.index_select(0, rows));
        classifier.Bias!.copy_(classifier.Bias!.index_select(0, rows));
    }

    /// <summary>Scores of every label.</summary>
    /// <param name="input1">input_ids, [B, L] int64.</param>
    /// <param name="input2">attention_mask, [B, L]; 0 marks padding.</param>
    /// <returns>Logits, [B, L, K]; zeros at padding.</returns>
    /// <exception cref="ArgumentException">The shapes differ, or an id is outside the vocabulary.</exception>
    public override Tensor forward(Tensor input1, Tensor input2)
    {
        using var scope = NewDisposeScope();
        var layout = new BatchLayout(input1, input2, Config);
        var logits_NK = classifier.call(dropout.call(deberta.Run(layout)));
        return layout.ToPadded(logits_NK).MoveToOuterDisposeScope();
    }

    /// <summary>Scores of every label for the real pieces of ragged sentences, without padding on the way.</summary>
    /// <param name="batch">On the network's device. Several micro-batches go through together only where <see cref="TakesGroups"/> says so.</param>
    /// <returns>Logits, [N, K].</returns>
    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    /// <exception cref="NotSupportedException">There are several micro-batches, and the network runs as modules, which draw one mask for all.</exception>
    internal Tensor Score(Batch batch)
    {
        using var scope = NewDisposeScope();
        var takesGroups = TakesGroups;
        if (batch.Groups.Length > 1 && !takesGroups)
        {
            throw new NotSupportedException($"{batch.Groups.Length} micro-batches in one pass need the layers' kernels; this network runs as modules here. "
                + "Score them one by one.");
        }

        var layout = new BatchLayout(batch, Config, withGrid: !takesGroups);
        using var groups = batch.Groups.Length > 1 ? Random.InGroups([.. batch.Groups.Select(group => group.Sum())], MasksPerMicroBatch) : null;
        return classifier.call(dropout.call(deberta.Run(layout))).MoveToOuterDisposeScope();
    }

    /// <summary>Masks that a micro-batch takes from <see cref="Random"/>.</summary>
    internal int MasksPerMicroBatch => deberta.Embeddings.MasksPerPass + Engine.StreamsPerPass + dropout.MasksPerPass;

    /// <summary>Whether <see cref="Score"/> takes several micro-batches at once, in the precision that is on in this thread.</summary>
    public bool TakesGroups => Engine.TakesGroups(classifier.Weight.dtype, Platform.Autocast.ProductType(classifier.Weight.device_type));

    /// <summary>Mean cross-entropy over the labelled pieces, computed in at least float32.</summary>
    /// <param name="logits">[B, L, K].</param>
    /// <param name="labels">[B, L] int64; −100 where nothing is to be predicted.</param>
    /// <returns>A scalar; NaN when nothing is labelled, as in PyTorch.</returns>
    public static Tensor Loss(Tensor logits, Tensor labels)
    {
        ArgumentNullException.ThrowIfNull(logits);
        ArgumentNullException.ThrowIfNull(labels);
        using var scope = NewDisposeScope();
        var wide = logits.dtype is ScalarType.BFloat16 or ScalarType.Float16 ? logits.to(ScalarType.Float32) : logits;
        return functional.cross_entropy(wide.view(-1, logits.shape[^1]), labels.view(-1), ignore_index: -100).MoveToOuterDisposeScope();
    }
}
