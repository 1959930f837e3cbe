using NotebookLib.Alignment;
using NotebookLib.Data;
using NotebookLib.Hub;
using NotebookLib.Metrics;
using NotebookLib.Model;
using NotebookLib.Tokenization;
using NotebookLib.Training;

namespace NotebookLib.Inference;

/// <summary>
/// Finds entities in texts of any length. As the original notebooks do it, pieces are predicted, <see cref="LabelAligner.AlignTagsWithWords"/> brings the
/// labels back to the words, and the tags of words are read as entities; or, by an <see cref="AggregationStrategy"/>, as transformers' pipeline does it. A text
/// longer than the network was made for goes through it in overlapping windows. One thread at a time.
/// </summary>
/// <example><code>using var tagger = EntityTagger.Load("results/runs/MY-RUN"); tagger.Tag("Marie Curie was born in Warsaw.").Entities</code></example>
public sealed class EntityTagger : IDisposable
{
    /// <summary>Texts that a thread prepares at a time; one is too little work to hand out.</summary>
    private const int ChunkLength = 64;

    private readonly LabelIds? _ids;
    private readonly string? _foreignLabel;
    private readonly IDisposable? _owned;

    /// <summary>Makes a tagger of a tokenizer and a model; the caller goes on owning them.</summary>
    public EntityTagger(DebertaTokenizer tokenizer, IPieceScorer scorer)
        : this(tokenizer, scorer, owned: null)
    {
    }

    internal EntityTagger(DebertaTokenizer tokenizer, IPieceScorer scorer, IDisposable? owned)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(scorer);
        (Tokenizer, Scorer, _owned) = (tokenizer, scorer, owned);
        _foreignLabel = LabelIds.FindForeign(scorer.Labels);
        _ids = _foreignLabel is null ? LabelIds.Of(scorer.Labels) : null;
        Labels = _ids?.Labels ?? new LabelSet(scorer.Labels.Where(label => label != "O").Select(LabelIds.TypeOf).Distinct());
        Pipeline = new(tokenizer, scorer);
    }

    /// <summary>The labels of the tags that come out.</summary>
    public LabelSet Labels { get; }

    /// <summary>The model's tokenizer.</summary>
    public DebertaTokenizer Tokenizer { get; }

    /// <summary>The network.</summary>
    public IPieceScorer Scorer { get; }

    /// <summary>The same model behind transformers' interface.</summary>
    public TokenClassificationPipeline Pipeline { get; }

    /// <summary>What the model is called: the last name of where it was loaded from.</summary>
    public string Name { get; init; } = "model";

    /// <summary>What a reader should know about the files that it was loaded from.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>Loads a trained model and its tokenizer; what is not here is fetched from the Hub.</summary>
    /// <param name="source">The folder of a run, of a saved model or of saved adapters, or a name on the Hub (<c>org/name</c>,
    /// <c>org/name@revision</c>).</param>
    /// <param name="options">Device and labels; null takes a CUDA device where there is one, and the labels that the folder names.</param>
    /// <param name="baseModel">The model that adapters belong to, a folder or a name on the Hub; null takes the one that they name.</param>
    /// <param name="observer">Follows transfers from the Hub.</param>
    /// <param name="precision">In which type products run; on a CPU with VNNI int8 is the fastest.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged or hostile, the parts do not belong together, or the model has not been trained to
    /// tag.</exception>
    /// <exception cref="NotSupportedException">The model is of a kind that is not computed here.</exception>
    /// <exception cref="ArgumentException">Something has to be said that no file says: the base of adapters, or the names of their labels; or the source is no
    /// name.</exception>
    /// <exception cref="HubException">It cannot be had from the Hub.</exception>
    /// <exception cref="PlatformNotSupportedException">The precision cannot be had here.</exception>
    public static Task<EntityTagger> LoadAsync(
        string source, LoadOptions? options = null, string? baseModel = null, IHubObserver? observer = null,
        TrainingPrecision precision = TrainingPrecision.Float32, CancellationToken cancellation = default) =>
        new TaggerFolder(source, options ?? new LoadOptions { Device = LoadOptions.BestDevice }, precision, observer, cancellation).LoadAsync(baseModel);

    /// <inheritdoc cref="LoadAsync"/>
    public static EntityTagger Load(
        string source, LoadOptions? options = null, string? baseModel = null, TrainingPrecision precision = TrainingPrecision.Float32) =>
        Task.Run(() => LoadAsync(source, options, baseModel, precision: precision)).GetAwaiter().GetResult();

    /// <summary>Tags a text.</summary>
    /// <param name="text">Running text of any length. Words are told by white space, punctuation at their edges is a word of its own, as the training data has
    /// it.</param>
    /// <param name="strategy">Null tags words; else how pieces become entities.</param>
    /// <param name="threshold">Entities with a lower score are left out.</param>
    public TaggedText Tag(string text, AggregationStrategy? strategy = null, double threshold = 0)
    {
        ArgumentNullException.ThrowIfNull(text);
        return TagAll([SplitText.Of(text)], strategy, threshold, CancellationToken.None)[0];
    }

    /// <summary>Tags a sentence given as words, which stay as they are.</summary>
    /// <param name="words">The words.</param>
    /// <param name="strategy">Null tags words; else how pieces become entities.</param>
    /// <param name="threshold">Entities with a lower score are left out.</param>
    public TaggedText Tag(IReadOnlyList<string> words, AggregationStrategy? strategy = null, double threshold = 0)
    {
        ArgumentNullException.ThrowIfNull(words);
        return TagAll([SplitText.Of(words)], strategy, threshold, CancellationToken.None)[0];
    }

    /// <summary>Tags many texts, in batches of like length.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="strategy">Null tags words; else how pieces become entities.</param>
    /// <param name="threshold">Entities with a lower score are left out.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>One result a text, in order.</returns>
    /// <exception cref="NotSupportedException">Words are to be tagged, and the model's labels are not O, B-type, I-type.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public IReadOnlyList<TaggedText> TagAll(
        IReadOnlyList<string> texts, AggregationStrategy? strategy = null, double threshold = 0, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return TagAll(OnAllThreads(texts.Count, index => SplitText.Of(texts[index])), strategy, threshold, cancellation);
    }

    /// <summary>Tags many sentences given as words, in batches of like length.</summary>
    /// <param name="sentences">Each as words.</param>
    /// <param name="strategy">Null tags words; else how pieces become entities.</param>
    /// <param name="threshold">Entities with a lower score are left out.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>One result a sentence, in order.</returns>
    /// <inheritdoc cref="TagAll(IReadOnlyList{string}, AggregationStrategy?, double, CancellationToken)" path="/exception"/>
    public IReadOnlyList<TaggedText> TagAll(
        IReadOnlyList<IReadOnlyList<string>> sentences, AggregationStrategy? strategy = null, double threshold = 0, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        return TagAll(OnAllThreads(sentences.Count, index => SplitText.Of(sentences[index])), strategy, threshold, cancellation);
    }

    /// <summary>Tokenises texts, whose words are to be tagged, for a caller who runs the network; any number of threads may do so at a time.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="threshold">Entities with a lower score are left out.</param>
    /// <exception cref="NotSupportedException">The model's labels are not O, B-type, I-type.</exception>
    internal PreparedTexts<TaggedText> Prepare(IReadOnlyList<string> texts, double threshold = 0)
    {
        EnsureTagsWords();
        SplitText[] split = [.. texts.Select(SplitText.Of)];
        var encodings = EncodeWords(split);
        return new(Scorer, encodings, () => Begin(split, encodings, threshold));
    }

    /// <summary>Frees the network where <see cref="Load"/> made it.</summary>
    public void Dispose() => _owned?.Dispose();

    /// <summary>The files that it was loaded from, so that another run can see whether they are the same.</summary>
    internal string Fingerprint { get; init; } = "";

    /// <summary>Pieces that the network has scored so far.</summary>
    internal long TokensScored => (Scorer as ModelPieceScorer)?.PiecesScored ?? 0;

    /// <summary>Tags texts whose words are known.</summary>
    internal IReadOnlyList<TaggedText> TagAll(IReadOnlyList<SplitText> texts, AggregationStrategy? strategy, double threshold,
        CancellationToken cancellation) =>
        strategy is { } chosen ? BySpans(texts, chosen, threshold, cancellation) : ByWords(texts, threshold, cancellation);

    /// <summary>The score of the piece whose label the aligner took: the first that is not O, else the first.</summary>
    internal static float[] ScoresOfWords(int[] pieceTags, float[] pieceScores, int[] wordIds, int wordCount)
    {
        var scores = new float[wordCount];
        var isDecided = new bool[wordCount];
        var previous = -1;
        for (var piece = 0; piece < wordIds.Length; piece++)
        {
            var word = wordIds[piece];
            if (word >= 0 && !isDecided[word] && (word != previous || pieceTags[piece] != 0))
            {
                (scores[word], isDecided[word]) = (pieceScores[piece], pieceTags[piece] != 0);
            }

            previous = word;
        }

        return scores;
    }

    private IReadOnlyList<TaggedText> ByWords(IReadOnlyList<SplitText> texts, double threshold, CancellationToken cancellation)
    {
        EnsureTagsWords();
        var encodings = EncodeWords(texts);
        var (score, end) = Begin(texts, encodings, threshold);
        PieceWindows.Score(Scorer, encodings, score, cancellation);
        return end();
    }

    private void EnsureTagsWords()
    {
        if (_ids is null)
        {
            throw new NotSupportedException(
                $"The model has a label {_foreignLabel}; words can be tagged only with labels O, B-type and I-type. Name an aggregation strategy, "
                    + "which takes any labels.");
        }
    }

    private Encoding[] EncodeWords(IReadOnlyList<SplitText> texts) => OnAllThreads(texts.Count, index => Tokenizer.EncodeWords(texts[index].Words));

    private (PieceWindows.Reader Score, Func<IReadOnlyList<TaggedText>> End) Begin(IReadOnlyList<SplitText> texts, Encoding[] encodings, double threshold)
    {
        var tags = Array.ConvertAll(encodings, encoding => new int[encoding.Ids.Length]);
        var scores = Array.ConvertAll(encodings, encoding => new float[encoding.Ids.Length]);
        return (Read, () => OnAllThreads(texts.Count, index => Tagged(texts[index], encodings[index].WordIds, tags[index], scores[index], threshold)));

        void Read(int text, int piece, ReadOnlySpan<float> logits_K)
        {
            var (label, score) = ScoredPiece.BestOfLogits(logits_K);
            (tags[text][piece], scores[text][piece]) = (_ids!.IdOf[label], score);
        }
    }

    private TaggedText Tagged(SplitText text, int[] wordIds, int[] pieceTags, float[] pieceScores, double threshold)
    {
        var tags = LabelAligner.AlignTagsWithWords(pieceTags, wordIds, text.Words.Length);
        var scores = ScoresOfWords(pieceTags, pieceScores, wordIds, text.Words.Length);
        var entities = new List<TaggedEntity>();
        foreach (var entity in EntitySpans.Find(tags, Labels, EntityScheme.Lenient))
        {
            var sum = 0.0;
            for (var word = entity.Start; word < entity.End; word++)
            {
                sum += scores[word];
            }

            var score = (float)(sum / entity.Length);
            if (score >= threshold)
            {
                var (start, end) = (text.Places[entity.Start].Start, text.Places[entity.End - 1].End);
                entities.Add(new(entity.Type, start, end, text.Text[start..end], score));
            }
            else
            {
                tags.AsSpan(entity.Start, entity.Length).Clear();
            }
        }

        return new(text, tags, Labels, entities);
    }

    private TaggedText[] BySpans(IReadOnlyList<SplitText> texts, AggregationStrategy strategy, double threshold, CancellationToken cancellation)
    {
        var found = Pipeline.Classify([.. texts.Select(text => text.Text)], strategy, cancellation: cancellation);
        return OnAllThreads(texts.Count, index => Tagged(texts[index], found[index], threshold));
    }

    /// <summary>Entities without the white space that a piece brings along, and the tags of the words that they touch.</summary>
    private TaggedText Tagged(SplitText split, IReadOnlyList<TokenEntity> found, double threshold)
    {
        var places = CodePoints.ToUtf16(split.Text, [.. found.Select(entity => (entity.Start, entity.End))]);
        var (entities, tags, next) = (new List<TaggedEntity>(found.Count), new int[split.Words.Length], 0);
        for (var i = 0; i < places.Length; i++)
        {
            var (start, end) = places[i];
            while (start < end && char.IsWhiteSpace(split.Text[start]))
            {
                start++;
            }

            while (end > start && char.IsWhiteSpace(split.Text[end - 1]))
            {
                end--;
            }

            if (start == end || found[i].Score < threshold)
            {
                continue;
            }

            entities.Add(new(found[i].Label, start, end, split.Text[start..end], found[i].Score));
            while (next < tags.Length && split.Places[next].End <= start)
            {
                next++;
            }

            var begin = Labels.FindId("B-" + LabelIds.TypeOf(found[i].Label)) ?? 0;
            var continues = begin == 0 || found[i].Label.StartsWith("I-", StringComparison.Ordinal);
            for (var word = next; word < tags.Length && split.Places[word].Start < end; word++)
            {
                // A word that two entities share has the tag of the first.
                tags[word] = tags[word] != 0 || begin == 0
                    ? tags[word] : word > next || (continues && word > 0 && tags[word - 1] >= begin && tags[word - 1] <= begin + 1) ? begin + 1 : begin;
            }
        }

        return new(split, tags, Labels, entities);
    }

    internal static T[] OnAllThreads<T>(int count, Func<int, T> make)
    {
        var results = new T[count];
        if (count <= ChunkLength)
        {
            MakeFrom(0);
            return results;
        }

        Parallel.For(0, (count + ChunkLength - 1) / ChunkLength, chunk => MakeFrom(chunk * ChunkLength));
        return results;

        void MakeFrom(int first)
        {
            for (var index = first; index < Math.Min(first + ChunkLength, count); index++)
            {
                results[index] = make(index);
            }
        }
    }
}
