using CsCheck;
using NotebookLib.Tokenization;

namespace NotebookLib.Tests.Tokenization;

public class UnigramModelTests
{
    private static readonly string[] s_candidates = ["a", "b", "ab", "ba", "aa", "abb", "bab", "aabb", "é", "aé", "éé", "éb"];

    [Fact]
    public void The_path_with_the_best_sum_wins()
    {
        // a|b costs −5, ab costs −4: one piece. aa is unknown to the vocabulary, so a|a|b or a|ab: −2 −4 beats −2 −2 −3.
        var model = Model(("a", -2), ("b", -3), ("ab", -4));

        Assert.Equal(["ab"], Split(model, "ab"));
        Assert.Equal(["a", "ab"], Split(model, "aab"));
    }

    [Fact]
    public void Of_equally_good_paths_the_first_found_wins()
    {
        // a|bc and ab|c both cost −4; the end is reached first from position 1.
        var model = Model(("a", -2), ("bc", -2), ("ab", -2), ("c", -2), ("b", -9));

        Assert.Equal(["a", "bc"], Split(model, "abc"));
    }

    [Fact]
    public void Unknown_characters_fuse_and_a_single_piece_keeps_its_neighbours_apart()
    {
        var model = Model(("a", -2), ("b", -3));

        Assert.Equal(["a", "[UNK]:xyé", "b", "[UNK]:x"], Split(model, "axyébx"));
    }

    [Fact]
    public void An_unknown_character_costs_the_lowest_score_less_ten()
    {
        // The lowest score is −9, so the unknown x costs −19: aaaa|x has −20. The other way, a|a|a|ax, has −24, then −19.5.
        Assert.Equal(["aaaa", "[UNK]:x"], Split(Model(("aaaa", -1), ("ax", -9), ("a", -5)), "aaaax"));
        Assert.Equal(["a", "a", "a", "ax"], Split(Model(("aaaa", -1), ("ax", -9), ("a", -3.5f)), "aaaax"));
    }

    [Fact]
    public void The_search_agrees_with_trying_every_path() =>
        Gen.Select(Gen.Float[-9, -1].Array[s_candidates.Length], Gen.Bool.Array[s_candidates.Length], Gen.Char["abéx"].Array[1, 9])
            .Sample((scores, isIn, characters) =>
        {
            var pieces = s_candidates.Select((text, index) => (text, scores[index])).Where((_, index) => isIn[index]).ToArray();
            var text = new string(characters);
            double lowest = pieces.Select(piece => piece.Item2).Append(0).Min();

            var best = BestSum(text, pieces.ToDictionary(piece => piece.text, piece => (double)piece.Item2), lowest - 10);

            var found = Split(Model(pieces), text).Sum(part => part.StartsWith("[UNK]:", StringComparison.Ordinal)
                ? CodePoints.Count(part.AsSpan(6)) * (lowest - 10)
                : pieces.First(piece => piece.text == part).Item2);
            Assert.Equal(best, found, 9);
        }, iter: 1500);

    [Fact]
    public void Any_vocabulary_can_be_found_again() =>
        Gen.Char["abcz▁é日"].Array[1, 6].Select(characters => new string(characters)).List[1, 400].Sample(texts =>
        {
            var distinct = texts.Distinct().Select(text => new VocabularyPiece(text, -1, PieceKind.Normal)).ToArray();

            var trie = PieceTrie.Build(distinct);

            Assert.All(distinct.Select((piece, id) => (piece, id)), pair => Assert.Equal(pair.id, trie.Find(Utf8(pair.piece.Text))));
            Assert.Equal(-1, trie.Find(Utf8("abcq")));
            Assert.Equal(-1, trie.Find([]));
        }, iter: 200);

    private static double BestSum(string text, Dictionary<string, double> scores, double unknown)
    {
        if (text.Length == 0)
        {
            return 0;
        }

        var best = scores.ContainsKey(text[..1]) ? double.NegativeInfinity : unknown + BestSum(text[1..], scores, unknown);
        foreach (var (piece, score) in scores)
        {
            if (text.StartsWith(piece, StringComparison.Ordinal))
            {
                best = Math.Max(best, score + BestSum(text[piece.Length..], scores, unknown));
            }
        }

        return best;
    }

    private static SentencePieceModel Model(params (string, float)[] pieces) => SentencePieceModel.Parse(SpmFile.With(pieces).ToBytes(), "test");

    private static List<string> Split(SentencePieceModel model, string text)
    {
        var (workspace, utf8, start) = (new ViterbiWorkspace(), Utf8(text), 0);
        var count = new UnigramModel(model.Pieces, model.UnknownId).Split(utf8, workspace);
        var parts = new List<string>();
        for (var piece = 0; piece < count; piece++)
        {
            var part = System.Text.Encoding.UTF8.GetString(utf8.AsSpan(start..workspace.Ends[piece]));
            parts.Add(workspace.Ids[piece] == model.UnknownId ? $"[UNK]:{part}" : model.Pieces[workspace.Ids[piece]].Text);
            start = workspace.Ends[piece];
        }

        return parts;
    }

    private static byte[] Utf8(string text) => System.Text.Encoding.UTF8.GetBytes(text);
}
