using NotebookLib.Data;
using NotebookLib.SampleMaker.Grammar;

namespace NotebookLib.SampleMaker.Sample;

/// <summary>Turns an expanded shape into words and tags: articles agree, the sentence begins with a capital.</summary>
public static class Surface
{
    /// <summary>Reads marked text, see <see cref="Expander"/>.</summary>
    /// <param name="marked">Words and punctuation separated by blanks, entities between marks.</param>
    /// <param name="labels">The label set that tags are numbered by.</param>
    /// <returns>The sentence, with B- on an entity's first word and I- on the others.</returns>
    /// <exception cref="FormatException">An entity's type is not in the label set.</exception>
    public static Sentence Realize(string marked, LabelSet labels)
    {
        var words = new List<string>();
        var tags = new List<int>();
        foreach (var (text, type) in Pieces(marked))
        {
            var begin = type is null ? 0
                : labels.FindId("B-" + type) ?? throw new FormatException($"\"{type}\" is no entity type; expected one of {string.Join(' ', labels.Types)}.");
            var entityWords = text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            for (var i = 0; i < entityWords.Length; i++)
            {
                words.Add(entityWords[i]);
                tags.Add(type is null || i == 0 ? begin : begin + 1);
            }
        }

        AgreeArticles(words, tags);
        Capitalize(words);
        return new(words, tags);
    }

    private static IEnumerable<(string Text, string? Type)> Pieces(string marked)
    {
        var at = 0;
        while (at < marked.Length)
        {
            var start = marked.IndexOf(Expander.EntityStart, at);
            yield return (marked[at..(start < 0 ? marked.Length : start)], null);
            if (start < 0)
            {
                yield break;
            }

            var text = marked.IndexOf(Expander.EntityText, start);
            var end = marked.IndexOf(Expander.EntityEnd, text);
            yield return (marked[(text + 1)..end], marked[(start + 1)..text]);
            at = end + 1;
        }
    }

    /// <summary>"a" becomes "an" where the next word asks for it; the first word of "A Doll's House" stays what it is.</summary>
    private static void AgreeArticles(List<string> words, List<int> tags)
    {
        for (var i = 0; i + 1 < words.Count; i++)
        {
            if (words[i] is "a" && tags[i] == 0)
            {
                words[i] = English.ArticleBefore(words[i + 1] is "\"" && i + 2 < words.Count ? words[i + 2] : words[i + 1]);
            }
        }
    }

    /// <summary>The first word begins with a capital, unless it has one elsewhere (iPhone).</summary>
    private static void Capitalize(List<string> words)
    {
        var first = words.FindIndex(word => char.IsLetterOrDigit(word[0]));
        if (first >= 0 && !words[first].Any(char.IsUpper))
        {
            words[first] = char.ToUpperInvariant(words[first][0]) + words[first][1..];
        }
    }
}
