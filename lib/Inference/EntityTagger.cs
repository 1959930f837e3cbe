using NotebookLib.Alignment;
using NotebookLib.Data;
using NotebookLib.Metrics;
using NotebookLib.Tokenization;

namespace NotebookLib.Inference;

/// <summary>
/// Tags words and finds entities as the original notebooks do: pieces are predicted, then <see cref="LabelAligner.AlignTagsWithWords"/> brings the labels back to
/// the words.
/// </summary>
public sealed class EntityTagger
{
    private readonly DebertaTokenizer _tokenizer;
    private readonly IPieceScorer _scorer;
    private readonly LabelIds _ids;

    /// <summary>Makes a tagger of a tokenizer and a model; the caller goes on owning them.</summary>
    /// <exception cref="NotSupportedException">The model's labels are not O, B-type, I-type.</exception>
    public EntityTagger(DebertaTokenizer tokenizer, IPieceScorer scorer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(scorer);
        (_tokenizer, _scorer, _ids) = (tokenizer, scorer, LabelIds.Of(scorer.Labels));
    }

    /// <summary>The labels of the tags that come out.</summary>
    public LabelSet Labels => _ids.Labels;

    /// <summary>Tags a sentence, split on white space.</summary>
    /// <param name="text">Punctuation that stands apart is a word of its own, as in the data sets; what is written together stays together.</param>
    public TaggedSentence Tag(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Tag(text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Tags a sentence given as words.</summary>
    public TaggedSentence Tag(IReadOnlyList<string> words) => TagAll([words])[0];

    /// <summary>Tags many sentences, in batches.</summary>
    /// <param name="sentences">Each as words.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>The sentences with their tags, in order.</returns>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public IReadOnlyList<TaggedSentence> TagAll(IReadOnlyList<IReadOnlyList<string>> sentences, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        Encoding[] encodings = [.. sentences.Select(_tokenizer.EncodeWords)];
        var logits = _scorer.Score([.. encodings.Select(encoding => encoding.Ids)], cancellation);
        return [.. sentences.Select((words, index) => Tagged(words, encodings[index].WordIds, logits[index]))];
    }

    private TaggedSentence Tagged(IReadOnlyList<string> words, int[] wordIds, float[] logits_LK)
    {
        var (pieceTags, pieceScores) = (new int[wordIds.Length], new float[wordIds.Length]);
        for (var piece = 0; piece < wordIds.Length; piece++)
        {
            var (label, score) = ScoredPiece.BestOf(ScoredPiece.Softmax(logits_LK.AsSpan(piece * _ids.IdOf.Length, _ids.IdOf.Length)));
            (pieceTags[piece], pieceScores[piece]) = (_ids.IdOf[label], score);
        }

        var tags = LabelAligner.AlignTagsWithWords(pieceTags, wordIds, words.Count);
        var scores = ScoresOfWords(pieceTags, pieceScores, wordIds, words.Count);
        var entities = EntitySpans.Find(tags, Labels, EntityScheme.Lenient)
            .Select(entity => new TaggedEntity(entity, string.Join(' ', words.Skip(entity.Start).Take(entity.Length)), scores.AsSpan(entity.Start, entity.Length).ToArray().Average()));
        return new(new Sentence(words, tags), Labels, [.. entities]);
    }

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
}
