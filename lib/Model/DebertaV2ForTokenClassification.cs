using NotebookLib.Batching;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.Model;

/// <summary>DeBERTa with a linear head that gives each piece a score per label (transformers 4.35.2 DebertaV2ForTokenClassification).</summary>
public sealed class DebertaV2ForTokenClassification : Module<Tensor, Tensor, Tensor>
{
    private readonly DebertaV2Model deberta;
    private readonly Projection classifier;
    private readonly Dropout dropout;

    /// <summary>Makes the network; parameters are uninitialised until <see cref="ModelFolder"/> or <see cref="WeightInitializer"/> fills them.</summary>
    /// <exception cref="InvalidDataException">The configuration contradicts itself.</exception>
    /// <exception cref="NotSupportedException">The configuration asks for what this port lacks.</exception>
    public DebertaV2ForTokenClassification(ModelBuild build)
        : base(nameof(DebertaV2ForTokenClassification))
    {
        ArgumentNullException.ThrowIfNull(build);
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
    public DropoutRandom Random { get; }

    /// <summary>The network without its head.</summary>
    public DebertaV2Model Deberta => deberta;

    /// <summary>The head, C → K.</summary>
    public Projection Classifier => classifier;

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
        var layout = new PaddedLayout(input1, input2, Config);
        var logits_NK = classifier.call(dropout.call(deberta.Run(layout)));
        return layout.ToPadded(logits_NK).MoveToOuterDisposeScope();
    }

    /// <summary>Scores of every label for the real pieces of ragged sentences, without padding on the way.</summary>
    /// <param name="batch">On the network's device. Several micro-batches go through together only where <see cref="TakesGroups"/> says so.</param>
    /// <returns>Logits, [N, K].</returns>
    /// <exception cref="ArgumentException">An id is outside the vocabulary.</exception>
    /// <exception cref="NotSupportedException">There are several micro-batches, and the network runs as modules, which draw one mask for all.</exception>
    public Tensor Score(RaggedBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        using var scope = NewDisposeScope();
        var takesGroups = TakesGroups;
        if (batch.Groups.Length > 1 && !takesGroups)
        {
            throw new NotSupportedException($"{batch.Groups.Length} micro-batches in one pass need the layers' kernels; this network runs as modules here. "
                + "Score them one by one.");
        }

        var layout = new PaddedLayout(batch, Config, withGrid: !takesGroups);
        var masks = deberta.Embeddings.MasksPerPass + deberta.Encoder.StreamsPerPass + dropout.MasksPerPass;
        using var groups = batch.Groups.Length > 1 ? Random.InGroups([.. batch.Groups.Select(group => group.Sum())], masks) : null;
        return classifier.call(dropout.call(deberta.Run(layout))).MoveToOuterDisposeScope();
    }

    /// <summary>Whether <see cref="Score"/> takes several micro-batches at once, in the precision that is on in this thread.</summary>
    public bool TakesGroups =>
        deberta.Encoder.RunsPacked(classifier.Weight.device, classifier.Weight.dtype, Platform.Autocast.ProductType(classifier.Weight.device_type));

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
