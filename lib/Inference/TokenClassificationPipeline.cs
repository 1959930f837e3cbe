using NotebookLib.Tokenization;

namespace NotebookLib.Inference;

/// <summary>
/// Text in, labelled stretches out: what <c>pipeline("token-classification")</c> of transformers 4.35.2 returns for the same model, for each of its strategies.
/// For word-level tags as the notebooks score them, use <see cref="EntityTagger"/>.
/// </summary>
/// <param name="tokenizer">The model's tokenizer.</param>
/// <param name="scorer">The model.</param>
public sealed class TokenClassificationPipeline(DebertaTokenizer tokenizer, IPieceScorer scorer)
{
    private static readonly IReadOnlyCollection<string> s_outside = ["O"];

    private readonly EntityAggregation _aggregation = new((scorer ?? throw new ArgumentNullException(nameof(scorer))).Labels, tokenizer.Join);

    /// <summary>Labels one text.</summary>
    /// <param name="text">Of any length.</param>
    /// <param name="strategy">How pieces become entities.</param>
    /// <param name="ignoredLabels">Results with these labels are left out; null for O alone.</param>
    /// <returns>Results in reading order.</returns>
    public IReadOnlyList<TokenEntity> Classify(
        string text, AggregationStrategy strategy = AggregationStrategy.None, IReadOnlyCollection<string>? ignoredLabels = null) =>
        Classify([text], strategy, ignoredLabels)[0];

    /// <summary>Labels texts, in batches.</summary>
    /// <param name="texts">Of any length; a text without pieces has no results.</param>
    /// <param name="strategy">How pieces become entities.</param>
    /// <param name="ignoredLabels">Results with these labels are left out; null for O alone.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>For each text, in order, its results in reading order.</returns>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public IReadOnlyList<IReadOnlyList<TokenEntity>> Classify(
        IReadOnlyList<string> texts, AggregationStrategy strategy = AggregationStrategy.None, IReadOnlyCollection<string>? ignoredLabels = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        Encoding[] encodings = [.. texts.Select(tokenizer.Encode)];
        var (score, end) = Begin(texts, encodings, strategy, ignoredLabels);
        PieceWindows.Score(scorer, encodings, score, cancellation);
        return end();
    }

    /// <summary>Tokenises texts for a caller who runs the network; any number of threads may do so at a time.</summary>
    /// <param name="texts">Of any length; a text without pieces has no results.</param>
    /// <param name="strategy">How pieces become entities.</param>
    /// <param name="ignoredLabels">Results with these labels are left out; null for O alone.</param>
    /// <returns>What gives for each text its results in reading order.</returns>
    internal PreparedTexts<IReadOnlyList<TokenEntity>> Prepare(
        IReadOnlyList<string> texts, AggregationStrategy strategy = AggregationStrategy.None, IReadOnlyCollection<string>? ignoredLabels = null)
    {
        Encoding[] encodings = [.. texts.Select(tokenizer.Encode)];
        return new(scorer, encodings, () => Begin(texts, encodings, strategy, ignoredLabels));
    }

    private (PieceWindows.Reader Score, Func<IReadOnlyList<IReadOnlyList<TokenEntity>>> End) Begin(
        IReadOnlyList<string> texts, Encoding[] encodings, AggregationStrategy strategy, IReadOnlyCollection<string>? ignoredLabels)
    {
        var probabilities = Array.ConvertAll(encodings, encoding => new float[encoding.Ids.Length][]);
        return ((text, piece, logits_K) => probabilities[text][piece] = ScoredPiece.Softmax(logits_K), End);

        IReadOnlyList<IReadOnlyList<TokenEntity>> End()
        {
            var results = new IReadOnlyList<TokenEntity>[texts.Count];
            for (var text = 0; text < results.Length; text++)
            {
                var entities = _aggregation.Aggregate(PiecesOf(texts[text], encodings[text], probabilities[text]), strategy);
                results[text] = [.. entities.Where(entity => !(ignoredLabels ?? s_outside).Contains(entity.Label))];
            }

            return results;
        }
    }

    /// <summary>All pieces but those that the tokenizer puts around every text.</summary>
    private List<ScoredPiece> PiecesOf(string text, Encoding encoding, float[][] probabilities)
    {
        var places = CodePoints.ToUtf16(text, encoding.Offsets);
        var pieces = new List<ScoredPiece>(encoding.Ids.Length);
        for (var piece = 0; piece < encoding.Ids.Length; piece++)
        {
            if (encoding.WordIds[piece] < 0)
            {
                continue;
            }

            var isUnknown = encoding.Ids[piece] == tokenizer.Special.Unk;
            var (start, end) = encoding.Offsets[piece];
            pieces.Add(new(
                isUnknown ? text[places[piece].Start..places[piece].End] : tokenizer.PieceOf(encoding.Ids[piece]),
                probabilities[piece],
                start,
                end,
                piece,
                !isUnknown && ContinuesWord(text, places[piece].Start)));
        }

        return pieces;
    }

    /// <summary>The reference's test for "inside a word": neither the character before nor the first one is a space.</summary>
    private static bool ContinuesWord(string text, int start) => start > 0 && text[start - 1] != ' ' && (start == text.Length || text[start] != ' ');
}

/// <summary>One result of <see cref="TokenClassificationPipeline"/>.</summary>
/// <param name="Label">For <see cref="AggregationStrategy.None"/> the label as the model names it (<c>entity</c> in Python), else its type without prefix
/// (<c>entity_group</c>).</param>
/// <param name="Score">Probability, 0 to 1; the mean over the parts of a group.</param>
/// <param name="Word">The pieces as text. As in the reference, words of a group stand without spaces when a strategy for words put them together.</param>
/// <param name="Start">Where it begins in the text, in code points (see <see cref="Tokenization.CodePoints.ToUtf16"/>); the space before its first word
/// included.</param>
/// <param name="End">Where it ends, exclusive, in code points.</param>
/// <param name="Index">For <see cref="AggregationStrategy.None"/> the number of the piece, <c>[CLS]</c> being 0; else null.</param>
public sealed record TokenEntity(string Label, float Score, string Word, int Start, int End, int? Index = null);

/// <summary>How predictions for pieces become entities; names and meaning as in transformers' token-classification pipeline.</summary>
public enum AggregationStrategy
{
    /// <summary>Not at all: one result per piece.</summary>
    None,

    /// <summary>Neighbouring pieces of one type become one entity; B begins the next. A word may be torn between two.</summary>
    Simple,

    /// <summary>As Simple, on words: a word has the label of its first piece.</summary>
    First,

    /// <summary>As Simple, on words: a word has the best label of its pieces' mean probabilities.</summary>
    Average,

    /// <summary>As Simple, on words: a word has the label of its surest piece.</summary>
    Max,
}
