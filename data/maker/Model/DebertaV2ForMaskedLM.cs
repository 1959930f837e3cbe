using NotebookLib.Batching;
using NotebookLib.Model;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace NotebookLib.SampleMaker.Model;

/// <summary>
/// DeBERTa with a head that guesses hidden pieces, for pre-training: transform, then the word embeddings themselves as output weights
/// (transformers 4.35.2 DebertaV2ForMaskedLM, whose names these are: <c>cls.predictions.*</c>).
/// </summary>
internal sealed class DebertaV2ForMaskedLM : Module<Tensor, Tensor, Tensor>
{
    private readonly DebertaV2Model deberta;
    private readonly MaskedHead cls;

    /// <summary>Makes the network, parameters uninitialised.</summary>
    public DebertaV2ForMaskedLM(ModelBuild build)
        : base(nameof(DebertaV2ForMaskedLM))
    {
        ArgumentNullException.ThrowIfNull(build);
        Config = build.Config;
        Random = build.Dropout;
        deberta = new DebertaV2Model(build);
        cls = new MaskedHead(build);
        RegisterComponents();
    }

    /// <summary>The network's settings.</summary>
    public DebertaConfig Config { get; }

    /// <summary>The one source of dropout masks.</summary>
    public DropoutRandom Random { get; }

    /// <summary>The network without its head.</summary>
    public DebertaV2Model Deberta => deberta;

    /// <summary>Scores of every piece of the vocabulary at every place.</summary>
    /// <param name="input1">input_ids, [B, L] int64.</param>
    /// <param name="input2">attention_mask, [B, L]; 0 marks padding.</param>
    /// <returns>Logits, [B, L, V]; zeros at padding.</returns>
    public override Tensor forward(Tensor input1, Tensor input2)
    {
        using var scope = NewDisposeScope();
        var layout = new BatchLayout(input1, input2, Config);
        return layout.ToPadded(Scores(deberta.Run(layout))).MoveToOuterDisposeScope();
    }

    /// <summary>Scores at chosen places only: pre-training hides 15 % of the pieces, so this saves most of the widest product.</summary>
    /// <param name="batch">N pieces.</param>
    /// <param name="places">Which of them to score, [M] int64.</param>
    /// <returns>Logits, [M, V].</returns>
    public Tensor ScoresAt(Batch batch, Tensor places)
    {
        using var scope = NewDisposeScope();
        return Scores(deberta.Run(new BatchLayout(batch, Config, withGrid: true)).index_select(0, places)).MoveToOuterDisposeScope();
    }

    /// <summary>Loads one; a checkpoint without that head gets a new one.</summary>
    /// <inheritdoc cref="ModelFolder.Load(string, LoadOptions)" path="/exception"/>
    public static Loaded<DebertaV2ForMaskedLM> Load(string folder, LoadOptions? options = null) =>
        ModelFolder.Load(folder, options ?? new(), build => new DebertaV2ForMaskedLM(build));

    /// <summary>Saves it as the Hub keeps one.</summary>
    public void Save(string folder) => ModelFolder.Save(this, Config, folder);

    private Tensor Scores(Tensor hidden_NC) => cls.Run(hidden_NC, deberta.Embeddings.WordEmbeddings.Weight);

    /// <summary><c>cls</c>.</summary>
    private sealed class MaskedHead : Module
    {
        private readonly Predictions predictions;

        public MaskedHead(ModelBuild build)
            : base(nameof(MaskedHead))
        {
            predictions = new Predictions(build);
            RegisterComponents();
        }

        public Tensor Run(Tensor hidden_NC, Tensor wordVectors_VE) => predictions.Run(hidden_NC, wordVectors_VE);
    }

    /// <summary><c>cls.predictions</c>: the output weights are tied to the word embeddings, the bias is its own.</summary>
    private sealed class Predictions : Module
    {
        private readonly Transform transform;
        private readonly Parameter bias;

        public Predictions(ModelBuild build)
            : base(nameof(Predictions))
        {
            transform = new Transform(build);
            bias = build.NewParameter(build.Config.VocabSize);
            RegisterComponents();
        }

        public Tensor Run(Tensor hidden_NC, Tensor wordVectors_VE)
        {
            using var transformed_NE = transform.call(hidden_NC);
            return functional.linear(transformed_NE, wordVectors_VE, bias);
        }
    }

    /// <summary><c>cls.predictions.transform</c>: LayerNorm(act(dense(x))).</summary>
    private sealed class Transform : Module<Tensor, Tensor>
    {
        private readonly Projection dense;
        private readonly LayerNorm LayerNorm;
        private readonly Func<Tensor, Tensor> _activation;

        public Transform(ModelBuild build)
            : base(nameof(Transform))
        {
            var width = build.Config.EmbeddingSize ?? build.Config.HiddenSize;
            dense = new Projection(build, build.Config.HiddenSize, width);
            LayerNorm = build.NewLayerNorm(width);
            _activation = Activation.ByName(build.Config.HiddenAct, "hidden_act");
            RegisterComponents();
        }

        public override Tensor forward(Tensor input)
        {
            using var scope = NewDisposeScope();
            return LayerNorm.call(_activation(dense.call(input))).MoveToOuterDisposeScope();
        }
    }
}
