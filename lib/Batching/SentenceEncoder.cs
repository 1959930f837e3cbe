using NotebookLib.Alignment;
using NotebookLib.Data;
using NotebookLib.Tokenization;

namespace NotebookLib.Batching;

/// <summary>Turns sentences into training rows: pieces with <c>[CLS]</c> and <c>[SEP]</c>, and labels aligned to them; no truncation, no padding.</summary>
/// <param name="tokenizer">Shared by all threads.</param>
public sealed class SentenceEncoder(DebertaTokenizer tokenizer)
{
    /// <summary>Sentences that a thread takes at a time; one is too little work to hand out.</summary>
    private const int ChunkLength = 256;

    /// <summary>Encodes one sentence.</summary>
    /// <returns>The row, L pieces long.</returns>
    /// <exception cref="ArgumentException">The sentence has another number of tags than of words.</exception>
    public EncodedSentence Encode(Sentence sentence)
    {
        ArgumentNullException.ThrowIfNull(sentence);
        if (sentence.Words.Count != sentence.Tags.Count)
        {
            throw new ArgumentException($"{sentence.Words.Count} words have {sentence.Tags.Count} tags; expected one each. "
                + $"The sentence begins \"{Beginning(sentence)}\".", nameof(sentence));
        }

        var encoding = tokenizer.EncodeWords(sentence.Words);
        return new(encoding.Ids, LabelAligner.AlignLabels(encoding.WordIds, sentence.Tags), encoding.WordIds);
    }

    /// <summary>Encodes many sentences.</summary>
    /// <param name="sentences">In any order.</param>
    /// <param name="threads">How many threads work on them; null for one per processor.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <returns>The rows, in the order of the sentences, whatever the number of threads.</returns>
    /// <exception cref="ArgumentException">A sentence has another number of tags than of words; the message says which.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public EncodedSentence[] EncodeAll(IReadOnlyList<Sentence> sentences, int? threads = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        var rows = new EncodedSentence[sentences.Count];
        var chunks = (sentences.Count + ChunkLength - 1) / ChunkLength;
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads ?? Environment.ProcessorCount, CancellationToken = cancellation };
        try
        {
            Parallel.For(0, chunks, options, chunk => EncodeChunk(sentences, rows, chunk * ChunkLength));
        }
        catch (AggregateException error) when (error.InnerException is ArgumentException inner)
        {
            throw inner;
        }

        return rows;
    }

    private void EncodeChunk(IReadOnlyList<Sentence> sentences, EncodedSentence[] rows, int first)
    {
        for (var row = first; row < Math.Min(first + ChunkLength, rows.Length); row++)
        {
            try
            {
                rows[row] = Encode(sentences[row]);
            }
            catch (ArgumentException error)
            {
                throw new ArgumentException($"Sentence {row} of {rows.Length}: {error.Message}", nameof(sentences), error);
            }
        }
    }

    private static string Beginning(Sentence sentence) => string.Join(' ', sentence.Words.Take(8));
}
