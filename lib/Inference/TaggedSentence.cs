using NotebookLib.Data;
using NotebookLib.Metrics;

namespace NotebookLib.Inference;

/// <summary>A sentence with predicted tags.</summary>
/// <param name="Sentence">Its words and tags.</param>
/// <param name="Labels">Names the tags.</param>
/// <param name="Entities">What the tags say, in reading order.</param>
public sealed record TaggedSentence(Sentence Sentence, LabelSet Labels, IReadOnlyList<TaggedEntity> Entities);

/// <summary>An entity found in a sentence.</summary>
/// <param name="Entity">Its type and words.</param>
/// <param name="Text">Its words, with spaces between.</param>
/// <param name="Score">Mean over its words of the probability of the label that decided the word, 0 to 1.</param>
public sealed record TaggedEntity(Entity Entity, string Text, float Score);
