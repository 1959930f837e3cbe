using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Display;
using NotebookLib.Hub;
using NotebookLib.Metrics;

namespace NotebookLib.Experiments;

/// <summary>The sentences of an experiment: to train on, to evaluate on meanwhile, to test on afterwards.</summary>
public sealed class Splits
{
    // The order in which sentences are drawn or split off, whatever the run's seed: runs of several seeds must be tested on the same ones.
    private const long DrawSeed = 0;

    private Splits(LabelSet labels,
        List<Sentence> train, List<Sentence> validation, List<Sentence> test, bool testIsValidation, IReadOnlyList<SourceReport> sources)
    {
        (Train, Validation, Test, TestIsValidation, Sources) = (train, validation, test, testIsValidation, sources);
        Known = train.Count > 0 ? KnownEntities.Of(train, labels) : null;
        Statistics =
        [
            .. train.Count > 0
                ? [SplitStatistics.Of("train", train, labels), SplitStatistics.Of("validation", validation, labels, Known)] : Array.Empty<SplitStatistics>(),
            SplitStatistics.Of(testIsValidation ? "test (= validation)" : "test", test, labels, Known),
        ];
    }

    /// <summary>Sentences to train on; none where nothing is trained.</summary>
    public IReadOnlyList<Sentence> Train { get; }

    /// <summary>Sentences to evaluate on while training.</summary>
    public IReadOnlyList<Sentence> Validation { get; }

    /// <summary>Sentences to test on afterwards.</summary>
    public IReadOnlyList<Sentence> Test { get; }

    /// <summary>True when there was no test data of its own.</summary>
    public bool TestIsValidation { get; }

    /// <summary>What the test scores are scores of, as a title: <c>Test split</c>, or <c>Validation split</c> where there was no test data.</summary>
    public string TestTitle => TestIsValidation ? "Validation split" : "Test split";

    /// <summary>What was decided about each file, and what to know of the sentences.</summary>
    public IReadOnlyList<SourceReport> Sources { get; }

    /// <summary>What to know of the splits together: sentences that stand in two of them, training sentences without an entity.</summary>
    public IReadOnlyList<string> Notices
    {
        get
        {
            var seen = new SeenSentences();
            var train = Train.Select(seen.HashOf).ToHashSet();
            int Repeated(IReadOnlyList<Sentence> split) => split.Count(sentence => train.Contains(seen.HashOf(sentence)));
            var (validation, test) = (Repeated(Validation), TestIsValidation ? 0 : Repeated(Test));
            return
            [
                .. Train.Count > 0 && Train.All(sentence => sentence.Tags.All(tag => tag == 0))
                    ? ["no training sentence has an entity: there is nothing to learn"] : Array.Empty<string>(),
                .. validation > 0 ? [Invariant($"{validation} of {Validation.Count} validation sentences are training sentences too, words and tags")]
                    : Array.Empty<string>(),
                .. test > 0 ? [Invariant($"{test} of {Test.Count} test sentences are training sentences too, words and tags: their scores are too good")]
                    : Array.Empty<string>(),
            ];
        }
    }

    /// <summary>The entities of the training sentences; null where nothing is trained.</summary>
    public KnownEntities? Known { get; }

    /// <summary>What each split holds.</summary>
    public IReadOnlyList<SplitStatistics> Statistics { get; }

    /// <summary>A few sentences with entities to look at, short enough to read: of the training split when there is one.</summary>
    /// <param name="count">How many.</param>
    public IReadOnlyList<Sentence> Examples(int count)
    {
        var sentences = Train.Count > 0 ? Train : Test;
        var readable = sentences.Where(sentence => sentence.Tags.Any(tag => tag != 0) && sentence.Words.Count is >= 8 and <= 30).Take(count).ToList();
        return readable.Count > 0 ? readable : [.. sentences.Take(count)];
    }

    /// <summary>Reads the sentences, MultiNERD's from the Hub, showing the transfers.</summary>
    /// <param name="inputs">Where from, and how many.</param>
    /// <param name="labels">The labels that are learned.</param>
    /// <param name="source">Names the tags in the data, when these are others: types that <paramref name="labels"/> lacks become O
    /// (<see cref="LabelSet.MapTo"/>). Null for <paramref name="labels"/>.</param>
    /// <param name="trains">False reads sentences to test on alone.</param>
    /// <param name="cancellation">Stops a download; what has arrived is kept.</param>
    /// <exception cref="IOException">A file or the network fails.</exception>
    /// <exception cref="DataFormatException">Lines are wrong; all of them, up to a limit, with file and line.</exception>
    /// <exception cref="InvalidDataException">There is nothing to train or to test on.</exception>
    public static async Task<Splits> ReadAsync(InputSettings inputs, LabelSet labels, LabelSet? source = null, bool trains = true,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(inputs);
        ArgumentNullException.ThrowIfNull(labels);
        var files = inputs.TrainData is { } name && RepositoryFiles.Find(name) is null && HubDatasets.IsName(name)
            ? await FetchOwnAsync(inputs, name, cancellation).ConfigureAwait(false)
            : inputs.TrainData is not null || inputs.TestData is not null
            ? new Files(Find(inputs.TrainData), Find(inputs.ValidationData), Find(inputs.TestData))
            : inputs.Dataset == InputSettings.MultiNerd ? await FetchMultiNerdAsync(inputs, trains, cancellation).ConfigureAwait(false)
            : InFolder(RepositoryFiles.Find(inputs.Dataset) ?? inputs.Dataset, trains);
        return new Reading(inputs, files, labels, source ?? labels, trains).Read();
    }

    private static string[] Find(string? path) => path is null ? [] : [RepositoryFiles.Find(path) ?? path];

    // Files that are named win over the data set's own splits.
    private static async Task<Files> FetchOwnAsync(InputSettings inputs, string name, CancellationToken cancellation)
    {
        var fetched = await NoNetwork.ExplainAsync(inputs, () => HubDatasets.FetchAsync(name, new DownloadPanel(), cancel: cancellation)).ConfigureAwait(false);
        return new(fetched.Train, inputs.ValidationData is null ? fetched.Validation : Find(inputs.ValidationData),
            inputs.TestData is null ? fetched.Test : Find(inputs.TestData));
    }

    private static async Task<Files> FetchMultiNerdAsync(InputSettings inputs, bool trains, CancellationToken cancellation)
    {
        var options = new MultiNerdOptions { Repository = inputs.Dataset };
        var asked = trains ? options : options with { Splits = ["test"] };
        var fetched = await NoNetwork.ExplainAsync(inputs, () => MultiNerd.FetchAsync(new DownloadPanel(), asked, cancel: cancellation)).ConfigureAwait(false);
        return trains ? new([fetched.PathOf("train")], [fetched.PathOf("validation")], [fetched.PathOf("test")], IsDistinct: true)
            : new([], [], [fetched.PathOf("test")], IsDistinct: true);
    }

    private static Files InFolder(string folder, bool trains)
    {
        string[] Of(string split) => [.. Directory.EnumerateFiles(folder, split + ".*").Order(StringComparer.Ordinal).Take(1)];
        return Of("train") is [] && trains
            ? throw new InvalidDataException($"{folder}: no file train.*; expected the data set's files train.*, validation.*, test.*.")
            : new(Of("train"), Of("validation"), Of("test"));
    }

    // IsDistinct: the files hold the distinct listing already; sentences that the source itself has twice belong to it.
    private sealed record Files(IReadOnlyList<string> Train, IReadOnlyList<string> Validation, IReadOnlyList<string> Test, bool IsDistinct = false);

    private sealed class Reading(InputSettings inputs, Files files, LabelSet labels, LabelSet source, bool trains)
    {
        private readonly List<SourceReport> _sources = [];

        public Splits Read()
        {
            List<Sentence> train = trains ? Read(files.Train, inputs.TrainRows) : [];
            List<Sentence> validation = trains && inputs.ValidationRows != 0 ? Read(files.Validation, inputs.ValidationRows) : [];
            if (trains && files.Validation.Count == 0)
            {
                // A tenth; at least one sentence, as long as one is left to train on.
                (train, validation) = SplitOff(train, inputs.ValidationRows ?? Math.Max(train.Count / 10, Math.Min(1, train.Count - 1)));
            }

            var test = files.Test.Count == 0 ? validation : Read(files.Test, inputs.TestRows);
            if (trains && train.Count == 0)
            {
                throw new InvalidDataException($"{files.Train[0]}: no sentence is left to train on; expected at least one (language, "
                    + "listing and ValidationRows leave some out).");
            }

            return test.Count > 0
                ? new(labels, train, validation, test, files.Test.Count == 0, _sources) : throw new InvalidDataException(NothingToTest(train.Count));
        }

        // Where nothing is trained, the test file is the only one that is read.
        private string NothingToTest(int trained) => !trains && files.Test.Count == 0
            ? $"{inputs.TrainData}: nothing is trained in this profile, and TestData is null; set TestData to the file to test on."
            : files.Test.Concat(files.Validation).FirstOrDefault() is { } file
            ? $"{file}: no sentence to test on; expected at least one (language, listing and ValidationRows leave some out)."
            : $"{files.Train[0]}: {trained} {(trained == 1 ? "sentence" : "sentences")} to train "
                + $"on{(inputs.ValidationRows == 0 ? ", ValidationRows is 0" : "")}, and none is left to test on; "
                + "expected at least one. Set TestData or ValidationData to a file, or bring at least 2 sentences and leave ValidationRows null.";

        private List<Sentence> Read(IReadOnlyList<string> paths, int? most)
        {
            var isOwn = inputs.IsOwn;
            var options = new ReaderOptions
            {
                Language = files.IsDistinct ? "en" : null,
                Target = ReferenceEquals(source, labels) ? null : labels,
                UnknownTypes = inputs.OtherTypes,
                Rows = files.IsDistinct && inputs.Listing is RowListing.Distinct ? RowListing.AsListed : inputs.Listing,
                // Of somebody's numbers we know nothing, unless they are named.
                NumbersAreLabels = !isOwn || inputs.Types.Count > 0,
                Scheme = isOwn ? inputs.Scheme : TagScheme.Iob2,
                WordColumn = inputs.WordColumn,
                TagColumn = inputs.TagColumn,
                Fields = inputs.Fields,
            };
            var sentences = new List<Sentence>();
            foreach (var path in paths)
            {
                var file = SentenceReader.Open(path, source, options);
                sentences.AddRange(file);
                _sources.Add(file.Report!);
            }

            return most is > 0 and var count && count < sentences.Count ? Draw(sentences, count) : sentences;
        }

        /// <summary>A part that is drawn, not the beginning: data sets are often sorted by source. The sentences keep their order.</summary>
        private static List<Sentence> Draw(List<Sentence> sentences, int count) =>
            [.. BatchOrder.RandomPermutation(sentences.Count, DrawSeed).Rows.Take(count).Order().Select(row => sentences[row])];

        private static (List<Sentence> First, List<Sentence> Last) SplitOff(List<Sentence> sentences, int count)
        {
            if (count >= sentences.Count && count > 0)
            {
                throw new InvalidDataException($"ValidationRows is {count}, but there are only {sentences.Count} sentences; expected fewer, "
                    + "so that some are left to train on.");
            }

            List<Sentence> drawn = [.. BatchOrder.RandomPermutation(sentences.Count, DrawSeed).Rows.Select(row => sentences[row])];
            return (drawn[..^count], drawn[^count..]);
        }
    }
}
