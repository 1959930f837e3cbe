using NotebookLib.SampleMaker.Grammar;
using NotebookLib.SampleMaker.Sample;

namespace NotebookLib.SampleMaker.Model;

/// <summary>
/// The text that tokenizer and model learn from: the training sentences without their labels, and further sentences from the same grammar that nobody labels.
/// Those use training's shapes only. They mention most of the names that validation and test keep for themselves, as a real pre-trained model has read most
/// names; <see cref="Holdout.UnmentionedShare"/> of them appear nowhere.
/// </summary>
public static class PretrainingText
{
    /// <summary>Sentences that nobody labels.</summary>
    public const int UnlabelledCount = 100_000;

    /// <summary>Share of the sentences that appear as people write them, with punctuation attached to the words, as running text has it.</summary>
    private const double WrittenShare = 0.2;

    /// <summary>All sentences as lists of words (split at blanks).</summary>
    public static IReadOnlyList<IReadOnlyList<string>> Words(SampleSplits splits, int unlabelledCount = UnlabelledCount)
    {
        ArgumentNullException.ThrowIfNull(splits);
        var random = new SplitMix(5);
        return [.. splits.Train.Sentences.Select(sentence => sentence.Words).Concat(splits.Unlabelled(unlabelledCount))
            .Select(words => random.Chance(WrittenShare) ? WrittenText.Of(words).Split(' ') : words)];
    }
}
