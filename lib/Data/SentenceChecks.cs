using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>What must hold of a sentence before it is written.</summary>
internal static class SentenceChecks
{
    /// <exception cref="ArgumentException">Lengths differ, or a tag is not of the label set; names the sentence by its first words.</exception>
    public static void ThrowIfUnfit(Sentence sentence, LabelSet labels)
    {
        if (sentence.Words.Count != sentence.Tags.Count)
        {
            throw new ArgumentException($"{Named(sentence)}: {sentence.Words.Count} words but {sentence.Tags.Count} tags; expected one tag per word.");
        }

        foreach (var tag in sentence.Tags)
        {
            if (tag < 0 || tag >= labels.Count)
            {
                throw new ArgumentException(Invariant($"{Named(sentence)}: tag id {tag} is out of range; expected 0 to {labels.Count - 1} ")
                    + Invariant($"({string.Join(' ', labels.Types)})."));
            }
        }
    }

    /// <summary>A sentence in a message.</summary>
    public static string Named(Sentence sentence) => $"sentence '{Excerpt.Of(string.Join(' ', sentence.Words.Take(8)))}'";
}
