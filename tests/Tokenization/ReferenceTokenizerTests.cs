extern alias runner;

using NotebookLib.Tokenization;
using runner::NotebookRunner.Verification;

namespace NotebookLib.Tests.Tokenization;

public class ReferenceTokenizerTests
{
    [Fact]
    public void The_tiny_model_gives_the_ids_of_SentencePieces_own_program()
    {
        // tests/goldens/tokenizer/make.sh: ids from spm_encode, where it and the fast tokenizer agree (no unknown characters).
        var rows = TokenizerChecks.Golden.Run(Repository.PathOf("tests", "goldens", "tokenizer", "tiny"), new()).ToList();

        var row = Assert.Single(rows);
        Assert.True(row.IsOk, row.ToString());
        Assert.Equal("57 cases", row.Note);
    }

    [Fact]
    public void Plain_words_get_the_pieces_of_Microsofts_tokenizer()
    {
        using var model = File.OpenRead(SpmFile.TinyPath);
        var oracle = Microsoft.ML.Tokenizers.SentencePieceTokenizer.Create(model, addBeginningOfSentence: false, addEndOfSentence: false);
        var tokenizer = DebertaTokenizer.Load(SpmFile.TinyPath);
        var words = File.ReadAllText(Repository.PathOf("tests", "goldens", "tokenizer", "training-text.txt"))
            .Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

        Assert.All(words.Where(word => System.Text.Ascii.IsValid(word)), word =>
            Assert.Equal(oracle.EncodeToTokens(word, out _).Select(token => token.Value), tokenizer.EncodeWords([word]).Ids[1..^1].Select(tokenizer.PieceOf)));
    }

    [Fact]
    public void The_real_model_gives_ids_word_ids_and_offsets_of_the_fast_tokenizer()
    {
        var rows = TokenizerChecks.Golden.Run(Repository.Shared("reference", "tokenizer"), new()).ToList();

        Assert.Equal(
            [
                ("tokenizer/raw.jsonl.gz", "ids", "1,255 cases"),
                ("tokenizer/raw.jsonl.gz", "word ids", "1,255 cases"),
                ("tokenizer/raw.jsonl.gz", "offsets", "1,255 cases"),
                ("tokenizer/wikineural_val_fast_pretokenized.jsonl.gz", "ids", "11,590 cases"),
                ("tokenizer/wikineural_val_fast_pretokenized.jsonl.gz", "word ids", "11,590 cases"),
                ("tokenizer/words.jsonl.gz", "ids", "2,155 cases"),
                ("tokenizer/words.jsonl.gz", "word ids", "2,155 cases"),
                ("tokenizer/corpus_fast_ids.txt.gz", "ids", "42,901 cases"),
            ],
            rows.Select(row => (row.Folder, row.Quantity, row.Note)));
        Assert.All(rows, row => Assert.Equal(0, row.LargestDifference));
    }

    [Fact]
    public void The_real_model_has_DeBERTas_ids()
    {
        var tokenizer = DebertaTokenizer.Load(Repository.Shared("reference", "tokenizer"));

        Assert.Equal(new SpecialTokens(Pad: 0, Cls: 1, Sep: 2, Unk: 3, Mask: 128_000), tokenizer.Special);
        Assert.Equal(128_001, tokenizer.VocabularySize);
    }

    [Fact]
    public void The_real_model_gives_its_ids_without_a_cache_too()
    {
        var folder = Repository.Shared("reference", "tokenizer");
        var (cached, uncached) = (DebertaTokenizer.Load(folder), DebertaTokenizer.Load(folder, cachedWords: 0));

        foreach (var words in GoldenLines.Read(Path.Combine(folder, "corpus.txt.gz")).Take(4000).Select(line => line.Split(' ')))
        {
            Assert.Equal(cached.EncodeWords(words).Ids, uncached.EncodeWords(words).Ids);
        }
    }
}
