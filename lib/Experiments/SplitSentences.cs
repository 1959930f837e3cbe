using NotebookLib.Batching;
using NotebookLib.Data;

namespace NotebookLib.Experiments;

/// <summary>Three lists of sentences.</summary>
internal sealed record SplitSentences(IReadOnlyList<Sentence> Train, IReadOnlyList<Sentence> Validation, IReadOnlyList<Sentence> Test, bool TestIsValidation)
{
    // The order in which the last sentences of a file become the validation split, whatever the run's seed: runs of several seeds must be tested on the same ones.
    private const long SplitSeed = 0;

    /// <summary>Reads the files of a plan.</summary>
    /// <exception cref="InvalidDataException">There is nothing to train or to test on.</exception>
    public static SplitSentences Read(DataPlan files, bool trains)
    {
        List<Sentence> train = trains ? Read(files, files.Train, files.Most?.Train) : [];
        List<Sentence> validation = trains ? Read(files, files.Validation, files.Most?.Validation) : [];
        if (trains && files.Validation is null)
        {
            // A tenth; at least one sentence, as long as one is left to train on.
            (train, validation) = SplitOff(train, files.ValidationRows ?? Math.Max(train.Count / 10, Math.Min(1, train.Count - 1)));
        }

        var isValidation = files.Test is null;
        var test = isValidation ? validation : Read(files, files.Test, files.Most?.Test);
        if (trains && train.Count == 0)
        {
            throw new InvalidDataException($"{files.Train}: no sentence is left to train on; expected at least one (language, listing and validationRows leave some out).");
        }

        return test.Count > 0 ? new(train, validation, test, isValidation) : throw new InvalidDataException(NothingToTest(files, trains, train.Count));
    }

    // Where nothing is trained, the test file is the only one that is read.
    private static string NothingToTest(DataPlan files, bool trains, int trained) => !trains && files.Test is null
        ? $"{files.Train}: nothing is trained in this profile, and testData is null; set testData to the file to test on."
        : (files.Test ?? files.Validation) is { } file
        ? $"{file}: no sentence to test on; expected at least one (language and listing leave some out)."
        : $"{files.Train}: {trained} {(trained == 1 ? "sentence" : "sentences")} to train on{(files.ValidationRows == 0 ? ", validationRows is 0" : "")}, and none is left to test on; "
            + "expected at least one. Set testData or validationData to a file, or bring at least 2 sentences and leave validationRows null.";

    private static List<Sentence> Read(DataPlan files, string? path, int? most)
    {
        if (path is null)
        {
            return [];
        }

        var options = new ReaderOptions
        {
            Language = files.Dataset is null ? null : "en",
            Target = ReferenceEquals(files.Source, files.Labels) ? null : files.Labels,
            UnknownTypes = files.UnknownTypes,
            Rows = files.Listing,
        };
        List<Sentence> sentences = [.. SentenceReader.Open(path, files.Source, options)];
        return most is { } count && count < sentences.Count ? Draw(sentences, count) : sentences;
    }

    /// <summary>A part that is drawn, not the beginning: data sets are often sorted by source. The sentences keep their order.</summary>
    private static List<Sentence> Draw(List<Sentence> sentences, int count) =>
        [.. BatchOrder.RandomPermutation(sentences.Count, SplitSeed).Rows.Take(count).Order().Select(row => sentences[row])];

    private static (List<Sentence> First, List<Sentence> Last) SplitOff(List<Sentence> sentences, int count)
    {
        if (count >= sentences.Count && count > 0)
        {
            throw new InvalidDataException($"validationRows is {count}, but there are only {sentences.Count} sentences; expected fewer, so that some are left to train on.");
        }

        List<Sentence> drawn = [.. BatchOrder.RandomPermutation(sentences.Count, SplitSeed).Rows.Select(row => sentences[row])];
        return (drawn[..^count], drawn[^count..]);
    }
}
