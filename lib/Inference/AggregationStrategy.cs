namespace NotebookLib.Inference;

/// <summary>How predictions for pieces become entities; names and meaning as in transformers' token-classification pipeline.</summary>
public enum AggregationStrategy
{
    /// <summary>Not at all: one result per piece.</summary>
    None,

    /// <summary>Neighbouring pieces of one type become one entity; B begins the next. A word may be torn between two.</summary>
    Simple,

    /// <summary>As Simple, on words: a word has the label of its first piece.</summary>
    First,

    /// <summary>As Simple, on words: a word has the best label of its pieces' mean probabilities.</summary>
    Average,

    /// <summary>As Simple, on words: a word has the label of its surest piece.</summary>
    Max,
}
