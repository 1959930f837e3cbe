using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Batching;

public class SentenceEncoderTests
{
    private static readonly SentenceEncoder s_encoder = new(DebertaTokenizer.Load(SpmFile.TinyPath));

    [Fact]
    public void A_row_has_ids_labels_and_word_ids_of_one_length()
    {
        var row = s_encoder.Encode(new(["the", "bees", "", "goat"], [0, 5, 7, 1]));

        Assert.Equal(6, row.Length);
        Assert.Equal([-100, 0, 5, 6, 1, -100], row.Labels);
        Assert.Equal([-1, 0, 1, 1, 3, -1], row.WordIds);
    }

    [Fact]
    public void Many_sentences_come_back_in_order_whatever_the_number_of_threads()
    {
        var words = File.ReadAllText(Repository.PathOf("tests", "goldens", "tokenizer", "training-text.txt")).Split([' ', '\n']);
        var sentences = Enumerable.Range(0, 3000)
            .Select(row => new Sentence(words[(row % 700)..((row % 700) + (row % 9))], [.. Enumerable.Repeat(row % 31, row % 9)])).ToList();

        var single = s_encoder.EncodeAll(sentences, threads: 1, TestContext.Current.CancellationToken);
        var many = s_encoder.EncodeAll(sentences, threads: 4, TestContext.Current.CancellationToken);

        Assert.Equal(sentences.Count, many.Length);
        Assert.All(Enumerable.Range(0, many.Length), row =>
        {
            Assert.Equal(s_encoder.Encode(sentences[row]).InputIds, many[row].InputIds);
            Assert.Equal(single[row].Labels, many[row].Labels);
        });
    }

    [Fact]
    public void A_sentence_with_a_tag_too_few_is_named()
    {
        Sentence[] sentences = [.. Enumerable.Range(0, 700).Select(row => new Sentence(["the", "goat"], row == 600 ? [0] : [0, 0]))];

        var error = Assert.Throws<ArgumentException>(() => s_encoder.EncodeAll(sentences, cancellation: TestContext.Current.CancellationToken));

        Assert.Contains("Sentence 600 of 700: 2 words have 1 tags", error.Message);
        Assert.Contains("the goat", error.Message);
    }

    [Fact]
    public void A_fault_shows_a_sentences_beginning_and_not_all_of_it()
    {
        var error = Assert.Throws<ArgumentException>(() => s_encoder.Encode(new("a b c d e f g h i".Split(' '), [0])));

        Assert.Contains("9 words have 1 tags", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"a b c d e f g h\"", error.Message, StringComparison.Ordinal);
        Assert.Equal("sentence", Assert.Throws<ArgumentNullException>(() => s_encoder.Encode(null!)).ParamName);
        Assert.Equal("sentences", Assert.Throws<ArgumentNullException>(
            () => s_encoder.EncodeAll(null!, cancellation: TestContext.Current.CancellationToken)).ParamName);
    }

    [Fact]
    public void It_can_be_stopped()
    {
        using var source = new CancellationTokenSource();
        source.Cancel();

        Assert.ThrowsAny<OperationCanceledException>(() => s_encoder.EncodeAll([new(["the"], [0])], cancellation: source.Token));
    }
}
