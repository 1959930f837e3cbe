using NotebookLib.Inference;
using NotebookLib.Tests.Tokenization;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Inference;

/// <summary>Texts that are longer than the network's span.</summary>
public sealed class PieceWindowsTests
{
    private static readonly DebertaTokenizer s_tokenizer = DebertaTokenizer.Load(SpmFile.TinyPath);
    private static readonly string[] s_labels = ["O", "B-X", "I-X"];

    /// <summary>A window of 40 pieces is 38 without [CLS] and [SEP], so a piece sees at least 4 pieces before and behind it.</summary>
    [Theory]
    [InlineData(40, 4)]
    [InlineData(66, 8)]
    [InlineData(10, 1)]
    [InlineData(3, 0)]
    public void A_network_that_looks_no_farther_than_the_context_gives_what_one_long_pass_gives(int maximum, int reach)
    {
        for (var length = Math.Max(0, maximum - 4); length < (4 * maximum) + 3; length++)
        {
            Encoding encoding = new([1, .. Enumerable.Range(10, length), 2], [-1, .. Enumerable.Range(0, length), -1], new (int, int)[length + 2]);
            var whole = ScoresOf(encoding, new LocalScorer(int.MaxValue, reach));
            var windowed = ScoresOf(encoding, new LocalScorer(maximum, reach));

            Assert.Equal(whole, windowed);
        }
    }

    [Fact]
    public void No_window_is_longer_than_the_span_and_every_piece_is_given_once()
    {
        var scorer = new LocalScorer(40, 4);
        var seen = new Dictionary<(int, int), int>();
        Encoding[] encodings = [.. new[] { 0, 1, 38, 39, 76, 77, 500 }.Select(length =>
            new Encoding([1, .. Enumerable.Range(10, length), 2], [-1, .. Enumerable.Range(0, length), -1], new (int, int)[length + 2]))];
        PieceWindows.Score(scorer, encodings, (text, piece, _) => seen[(text, piece)] = seen.GetValueOrDefault((text, piece)) + 1,
            TestContext.Current.CancellationToken);

        Assert.All(scorer.Lengths, length => Assert.InRange(length, 2, 40));
        Assert.Equal(encodings.Sum(encoding => encoding.Ids.Length - 2), seen.Count);
        Assert.All(seen.Values, times => Assert.Equal(1, times));
        Assert.All(scorer.Ends, ends => Assert.Equal((1, 2), ends));
    }

    [Fact]
    public void An_entity_at_a_seam_is_neither_lost_nor_doubled()
    {
        var scorer = new LocalScorer(40, 1, entityIds: [s_tokenizer.FindId("▁goat")!.Value]);
        var tagger = new EntityTagger(s_tokenizer, scorer);
        for (var at = 0; at < 120; at++)
        {
            string[] words = [.. Enumerable.Range(0, 120).Select(i => i == at || i == at + 1 ? "goat" : "the")];
            var found = Assert.Single(tagger.Tag(words).Entities);
            Assert.Equal(at == 119 ? "goat" : "goat goat", found.Text);
            Assert.Equal(at * 4, found.Start);
            Assert.Equal(found.Start, Assert.Single(tagger.Tag(string.Join(' ', words), AggregationStrategy.First).Entities).Start);
        }
    }

    [Fact]
    public void A_scorer_that_gives_another_number_of_scores_is_found_out()
    {
        var error = Assert.Throws<InvalidOperationException>(() => new EntityTagger(s_tokenizer, new WrongScorer()).Tag("the goat"));
        Assert.Equal("The scorer gave 5 logits for 4 pieces and 3 labels; expected 12.", error.Message);
    }

    private static List<float> ScoresOf(Encoding encoding, IPieceScorer scorer)
    {
        var scores = new float[encoding.Ids.Length * s_labels.Length];
        PieceWindows.Score(scorer, [encoding], (_, piece, logits) => logits.CopyTo(scores.AsSpan(piece * s_labels.Length)),
            TestContext.Current.CancellationToken);
        return [.. scores];
    }

    /// <summary>A network whose scores depend on the pieces within reach, and on the specials at the ends where those are in reach.</summary>
    private sealed class LocalScorer(int maximum, int reach, int[]? entityIds = null) : IPieceScorer
    {
        public IReadOnlyList<string> Labels => s_labels;

        public int MaximumPieces => maximum;

        public List<int> Lengths { get; } = [];

        public List<(int, int)> Ends { get; } = [];

        public IReadOnlyList<float[]> Score(IReadOnlyList<int[]> inputIds, CancellationToken cancellation = default) => [.. inputIds.Select(ScoreOne)];

        private float[] ScoreOne(int[] ids)
        {
            Lengths.Add(ids.Length);
            Ends.Add((ids[0], ids[^1]));
            var logits = new float[ids.Length * s_labels.Length];
            for (var piece = 0; piece < ids.Length; piece++)
            {
                var sum = 0f;
                for (var other = Math.Max(0, piece - reach); other <= Math.Min(ids.Length - 1, piece + reach); other++)
                {
                    sum += ids[other] * (3 + other - piece);
                }

                logits[piece * 3] = sum;
                if (entityIds is not null)
                {
                    var isEntity = entityIds.Contains(ids[piece]);
                    var follows = isEntity && reach > 0 && piece > 0 && entityIds.Contains(ids[piece - 1]);
                    (logits[piece * 3], logits[(piece * 3) + 1], logits[(piece * 3) + 2]) = isEntity ? follows ? (0, 0, 5) : (0, 5, 0) : (5f, 0, 0);
                }
            }

            return logits;
        }
    }

    private sealed class WrongScorer : IPieceScorer
    {
        public IReadOnlyList<string> Labels => s_labels;

        public IReadOnlyList<float[]> Score(IReadOnlyList<int[]> inputIds, CancellationToken cancellation = default) => [.. inputIds.Select(_ => new float[5])];
    }
}
