namespace NotebookLib.Inference;

/// <summary>One result of <see cref="TokenClassificationPipeline"/>.</summary>
/// <param name="Label">For <see cref="AggregationStrategy.None"/> the label as the model names it (<c>entity</c> in Python), else its type without prefix
/// (<c>entity_group</c>).</param>
/// <param name="Score">Probability, 0 to 1; the mean over the parts of a group.</param>
/// <param name="Word">The pieces as text. As in the reference, words of a group stand without spaces when a strategy for words put them together.</param>
/// <param name="Start">Where it begins in the text, in code points (see <see cref="Tokenization.CodePoints.ToUtf16"/>); the space before its first word
/// included.</param>
/// <param name="End">Where it ends, exclusive, in code points.</param>
/// <param name="Index">For <see cref="AggregationStrategy.None"/> the number of the piece, <c>[CLS]</c> being 0; else null.</param>
public sealed record TokenEntity(string Label, float Score, string Word, int Start, int End, int? Index = null);
