namespace NotebookLib.Data;

/// <summary>One sentence as the data sets give it: words, and one tag id per word.</summary>
/// <param name="Words">The words, in reading order; a word may be empty (the tokenizer then gives it no piece).</param>
/// <param name="Tags">Label ids in the order of a <see cref="LabelSet"/>, one per word.</param>
public sealed record Sentence(IReadOnlyList<string> Words, IReadOnlyList<int> Tags);
