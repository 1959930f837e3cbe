using NotebookLib.Data;
using NotebookLib.SampleMaker.Grammar;

namespace NotebookLib.SampleMaker.Sample;

/// <summary>Sentences of one split with the shapes that they were made from, row by row.</summary>
public sealed record Split(string Name, IReadOnlyList<Sentence> Sentences, IReadOnlyList<IReadOnlyList<Shape>> Shapes);

/// <summary>The sample: three splits without a sentence in common, and as much unlabelled text as asked for.</summary>
public sealed class SampleSplits
{
    /// <summary>Seed of the committed sample.</summary>
    public const ulong Seed = 20231207;

    /// <summary>Sentences per committed split: train, validation, test.</summary>
    public static (int Train, int Validation, int Test) Sizes { get; } = (8000, 1000, 1000);

    private const int TriesPerSentence = 50;
    private readonly GrammarFiles _grammar;
    private readonly ulong _seed;
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    /// <summary>Makes the three splits.</summary>
    /// <param name="grammar">Lists, rules and shapes.</param>
    /// <param name="sizes">Sentences per split.</param>
    /// <param name="seed">Each split has its own sequence from it, so that the size of one does not change another's first sentences.</param>
    public SampleSplits(GrammarFiles grammar, (int Train, int Validation, int Test) sizes, ulong seed = Seed)
    {
        _grammar = grammar;
        _seed = seed;
        Test = Make("test", Recipe.Test, sizes.Test);
        Validation = Make("validation", Recipe.Validation, sizes.Validation);
        Train = Make("train", Recipe.Train, sizes.Train);
    }

    /// <summary>Training sentences.</summary>
    public Split Train { get; }

    /// <summary>Validation sentences: half of the names and two fifths of the shapes are validation's own.</summary>
    public Split Validation { get; }

    /// <summary>Test sentences, with names and shapes of their own likewise.</summary>
    public Split Test { get; }

    /// <summary>All three, train first.</summary>
    public IReadOnlyList<Split> All => [Train, Validation, Test];

    /// <summary>Further sentences without labels, none of them a sentence of validation or test.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Unlabelled(int count) =>
        [.. Make("unlabelled", Recipe.Unlabelled, count).Sentences.Select(sentence => sentence.Words)];

    private Split Make(string name, Recipe recipe, int count)
    {
        var maker = new SentenceMaker(_grammar, new SplitMix(_seed ^ (ulong)name.Length << 32 ^ name[0]), recipe);
        var sentences = new List<Sentence>(count);
        var shapes = new List<IReadOnlyList<Shape>>(count);
        for (var tries = 0; sentences.Count < count; tries++)
        {
            if (tries > count * TriesPerSentence)
            {
                throw new InvalidOperationException($"{name}: only {sentences.Count} different sentences after {tries} tries, {count} asked for; "
                    + "the grammar is too small.");
            }

            var (sentence, from) = maker.Next();
            if (_taken.Add(string.Join(' ', sentence.Words)))
            {
                sentences.Add(sentence);
                shapes.Add(from);
            }
        }

        return new(name, sentences, shapes);
    }
}
