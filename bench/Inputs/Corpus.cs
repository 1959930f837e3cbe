using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Tokenization;

namespace NotebookLib.Bench.Inputs;

/// <summary>
/// Real sentences, tokenised: WikiNEuRal's English validation split with the real vocabulary when ../shared is there, the committed sample otherwise.
/// </summary>
/// <param name="Source">Where they come from, for the report.</param>
/// <param name="Sentences">Words and tags.</param>
/// <param name="Tokenizer">The vocabulary's tokenizer.</param>
/// <param name="Rows">The sentences as pieces.</param>
internal sealed record Corpus(string Source, IReadOnlyList<Sentence> Sentences, DebertaTokenizer Tokenizer, EncodedSentence[] Rows)
{
    /// <summary>Longest sentence that the networks take.</summary>
    private const int LongestRow = 512;

    /// <summary>Reads and tokenises the sentences.</summary>
    public static Corpus Load()
    {
        var (path, vocabulary) = (Folders.Shared("reference", "ner", "wikineural-en-val.conllu.gz"), Folders.Shared("reference", "tokenizer", "spm.model"));
        if (path is null || vocabulary is null)
        {
            (path, vocabulary) = (Folders.PathOf("data", "sample", "train.parquet"), Folders.PathOf("data", "tiny-deberta-v3"));
        }

        var options = new ReaderOptions { UnknownTypes = UnknownTypes.Outside, Rows = RowListing.AsListed };
        Sentence[] sentences = [.. SentenceReader.Open(path, LabelSet.SystemA, options)];
        var tokenizer = DebertaTokenizer.Load(vocabulary);
        var rows = new SentenceEncoder(tokenizer).EncodeAll(sentences);
        return new(Path.GetFileName(path), sentences, tokenizer, [.. rows.Where(row => row.Length <= LongestRow)]);
    }

    /// <summary>The batches that a training run would take first, in the reference's random order.</summary>
    /// <param name="batchSize">Sentences in each.</param>
    /// <param name="count">How many.</param>
    public IReadOnlyList<EncodedSentence[]> TrainingBatches(int batchSize, int count) =>
        [.. BatchOrder.Reference(Rows.Length, seed: 42, epoch: 0).Batches(batchSize).Take(count).Select(batch => batch.Select(row => Rows[row]).ToArray())];

    /// <summary>Evaluation batches spread evenly over the first sentences.</summary>
    /// <param name="sentences">How many sentences stand for the split.</param>
    /// <param name="batchSize">Sentences in each batch.</param>
    /// <param name="isSorted">Longest first, or as the file has them.</param>
    /// <param name="count">How many of the batches to take, evenly from first to last.</param>
    public IReadOnlyList<EncodedSentence[]> EvaluationBatches(int sentences, int batchSize, bool isSorted, int count)
    {
        var rows = Rows.Take(sentences).ToArray();
        var order = isSorted ? BatchOrder.SortedByLength(rows) : BatchOrder.Sequential(rows.Length);
        var batches = order.Batches(batchSize).Where(batch => batch.Length == batchSize).ToArray();
        count = Math.Min(count, batches.Length);
        return [.. Enumerable.Range(0, count).Select(i => batches[((2 * i) + 1) * batches.Length / (2 * count)].Select(row => rows[row]).ToArray())];
    }
}
