using NotebookLib.Alignment;
using NotebookLib.Data;
using NotebookLib.Metrics;
using NotebookLib.Tokenization;

namespace NotebookLib.Inference;

/// <summary>A split with everything that a judgement needs.</summary>
/// <param name="Sentences">Each sentence with gold and predicted word tags and its loss, in order.</param>
/// <param name="Scores">Words, seqeval's default mode.</param>
/// <param name="Strict">Words, seqeval's strict IOB2.</param>
/// <param name="Calibration">Of each word: how sure the deciding piece was, and whether the word's tag is right.</param>
/// <param name="Loss">Mean cross-entropy over all labelled pieces, nats.</param>
public sealed record JudgedSplit(IReadOnlyList<JudgedSentence> Sentences, SequenceScores Scores, SequenceScores Strict, Calibration Calibration, double Loss);

/// <summary>Predicts a split once and gathers scores, losses and confidences word by word, through the back-alignment of the original notebooks.</summary>
public sealed class SplitJudge
{
    private const int ChunkLength = 1024;

    private readonly DebertaTokenizer _tokenizer;
    private readonly IPieceScorer _scorer;
    private readonly LabelSet _labels;
    private readonly int[] _idOf;

    /// <summary>Makes a judge; the caller goes on owning tokenizer and scorer.</summary>
    /// <param name="tokenizer">Makes the pieces.</param>
    /// <param name="scorer">The model.</param>
    /// <param name="labels">Names the gold tags.</param>
    /// <exception cref="ArgumentException">Model and data do not have the same labels.</exception>
    public SplitJudge(DebertaTokenizer tokenizer, IPieceScorer scorer, LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(scorer);
        ArgumentNullException.ThrowIfNull(labels);
        if (!labels.Names.ToHashSet().SetEquals(scorer.Labels))
        {
            throw new ArgumentException(
                $"The data have the labels {string.Join(" ", labels.Names)}, the model {string.Join(" ", scorer.Labels)}; expected the same. Map the data's tags first (LabelSet.MapTo).", nameof(labels));
        }

        (_tokenizer, _scorer, _labels) = (tokenizer, scorer, labels);
        _idOf = [.. scorer.Labels.Select(name => labels.FindId(name)!.Value)];
    }

    /// <summary>Judges a split.</summary>
    /// <param name="sentences">With gold tags; may be empty, and may hold no entity.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public JudgedSplit Judge(IReadOnlyList<Sentence> sentences, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        var (judged, scorer, calibration) = (new List<JudgedSentence>(sentences.Count), new SequenceScorer(_labels), new Calibration());
        var (loss, pieces) = (0.0, 0L);
        foreach (var chunk in sentences.Chunk(ChunkLength))
        {
            Encoding[] encodings = [.. chunk.Select(sentence => _tokenizer.EncodeWords(sentence.Words))];
            var logits = _scorer.Score([.. encodings.Select(encoding => encoding.Ids)], cancellation);
            for (var i = 0; i < chunk.Length; i++)
            {
                var (sentence, pieceCount) = JudgeOne(chunk[i], encodings[i].WordIds, logits[i], calibration);
                scorer.Add([.. sentence.Gold], (ReadOnlySpan<int>)[.. sentence.Predicted]);
                (loss, pieces) = (loss + ((sentence.Loss ?? 0) * pieceCount), pieces + pieceCount);
                judged.Add(sentence);
            }
        }

        return new(judged, scorer.Scores(EntityScheme.Lenient), scorer.Scores(EntityScheme.StrictIob2), calibration, pieces == 0 ? 0 : loss / pieces);
    }

    private (JudgedSentence Sentence, int LabelledPieces) JudgeOne(Sentence sentence, int[] wordIds, float[] logits_LK, Calibration calibration)
    {
        var gold = LabelAligner.AlignLabels(wordIds, sentence.Tags);
        var (pieceTags, pieceScores) = (new int[wordIds.Length], new float[wordIds.Length]);
        var (loss, labelled) = (0.0, 0);
        for (var piece = 0; piece < wordIds.Length; piece++)
        {
            var probabilities_K = ScoredPiece.Softmax(logits_LK.AsSpan(piece * _idOf.Length, _idOf.Length));
            var (label, score) = ScoredPiece.BestOf(probabilities_K);
            (pieceTags[piece], pieceScores[piece]) = (_idOf[label], score);
            if (gold[piece] != LabelAligner.Ignored)
            {
                loss -= Math.Log(Math.Max(probabilities_K[Array.IndexOf(_idOf, gold[piece])], float.Epsilon));
                labelled++;
            }
        }

        var tags = LabelAligner.AlignTagsWithWords(pieceTags, wordIds, sentence.Words.Count);
        var confidences = EntityTagger.ScoresOfWords(pieceTags, pieceScores, wordIds, sentence.Words.Count);
        foreach (var word in wordIds.Where(word => word >= 0).Distinct())
        {
            calibration.Add(confidences[word], tags[word] == sentence.Tags[word]);
        }

        return (new(sentence.Words, sentence.Tags, tags, labelled == 0 ? null : loss / labelled), labelled);
    }
}
