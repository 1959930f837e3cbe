using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>One sentence as the data sets give it: words, and one tag id per word.</summary>
/// <param name="Words">The words, in reading order; a word may be empty (the tokenizer then gives it no piece).</param>
/// <param name="Tags">Label ids in the order of a <see cref="LabelSet"/>, one per word.</param>
public sealed record Sentence(IReadOnlyList<string> Words, IReadOnlyList<int> Tags)
{
    /// <summary>The sentence in a message.</summary>
    internal string Named => $"sentence '{Excerpt.Of(string.Join(' ', Words.Take(8)))}'";

    /// <summary>Refuses to be written where it makes no sense.</summary>
    /// <exception cref="ArgumentException">Lengths differ, or a tag is not of the label set; names the sentence by its first words.</exception>
    internal void ThrowIfUnfit(LabelSet labels)
    {
        if (Words.Count != Tags.Count)
        {
            throw new ArgumentException($"{Named}: {Words.Count} words but {Tags.Count} tags; expected one tag per word.");
        }

        foreach (var tag in Tags)
        {
            if (tag < 0 || tag >= labels.Count)
            {
                throw new ArgumentException(Invariant($"{Named}: tag id {tag} is out of range; expected 0 to {labels.Count - 1} ")
                    + Invariant($"({string.Join(' ', labels.Types)})."));
            }
        }
    }
}
