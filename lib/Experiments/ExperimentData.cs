using NotebookLib.Batching;
using NotebookLib.Data;
using NotebookLib.Html;
using NotebookLib.Metrics;
using NotebookLib.Tokenization;

namespace NotebookLib.Experiments;

/// <summary>The sentences of an experiment, and the same as pieces.</summary>
public sealed class ExperimentData
{
    private ExperimentData(DataPlan plan, DebertaTokenizer tokenizer, SplitSentences splits)
    {
        var encoder = new SentenceEncoder(tokenizer);
        (Plan, Tokenizer, Train, Validation, Test, TestIsValidation) = (plan, tokenizer, splits.Train, splits.Validation, splits.Test, splits.TestIsValidation);
        TrainRows = encoder.EncodeAll(Train);
        ValidationRows = encoder.EncodeAll(Validation);
        TestRows = TestIsValidation ? ValidationRows : encoder.EncodeAll(Test);
        Known = KnownEntities.Of(Train, Labels);
        Statistics =
        [
            SplitStatistics.Of("train", Train, Labels), SplitStatistics.Of("validation", Validation, Labels, Known),
            SplitStatistics.Of(TestIsValidation ? "test (= validation)" : "test", Test, Labels, Known),
        ];
    }

    /// <summary>Where the sentences came from.</summary>
    public DataPlan Plan { get; }

    /// <summary>Makes the pieces.</summary>
    public DebertaTokenizer Tokenizer { get; }

    /// <summary>The labels that are learned.</summary>
    public LabelSet Labels => Plan.Labels;

    /// <summary>Sentences to train on; none in the <c>published</c> profile.</summary>
    public IReadOnlyList<Sentence> Train { get; }

    /// <summary>Sentences to evaluate on while training.</summary>
    public IReadOnlyList<Sentence> Validation { get; }

    /// <summary>Sentences to test on afterwards.</summary>
    public IReadOnlyList<Sentence> Test { get; }

    /// <summary>True when there was no test data of its own.</summary>
    public bool TestIsValidation { get; }

    /// <summary>What the test scores are scores of, as a title: <c>Test split</c>, or <c>Validation split</c> where there was no test data.</summary>
    public string TestTitle => TestIsValidation ? "Validation split" : "Test split";

    /// <summary><see cref="Train"/> as pieces, in the same order.</summary>
    public IReadOnlyList<EncodedSentence> TrainRows { get; }

    /// <summary><see cref="Validation"/> as pieces.</summary>
    public IReadOnlyList<EncodedSentence> ValidationRows { get; }

    /// <summary><see cref="Test"/> as pieces.</summary>
    public IReadOnlyList<EncodedSentence> TestRows { get; }

    /// <summary>The entities of the training sentences.</summary>
    public KnownEntities Known { get; }

    /// <summary>What each split holds.</summary>
    public IReadOnlyList<SplitStatistics> Statistics { get; }

    /// <summary>Length in pieces of every sentence that is trained on, or tested on when nothing is trained.</summary>
    public IReadOnlyList<int> Lengths => [.. (TrainRows.Count > 0 ? TrainRows : TestRows).Select(row => row.Length)];

    /// <summary>A few sentences with entities to look at, short enough to read: of the training split when there is one.</summary>
    /// <param name="count">How many.</param>
    public IReadOnlyList<Sentence> Examples(int count)
    {
        var sentences = Train.Count > 0 ? Train : Test;
        var readable = sentences.Where(sentence => sentence.Tags.Any(tag => tag != 0) && sentence.Words.Count is >= 8 and <= 30).Take(count).ToList();
        return readable.Count > 0 ? readable : [.. sentences.Take(count)];
    }

    /// <summary>Reads the sentences, from the Hub when the plan says so.</summary>
    /// <param name="plan">Where from.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="IOException">A file or the network fails.</exception>
    /// <exception cref="DataFormatException">Lines are wrong; all of them, up to a limit, with file and line.</exception>
    /// <exception cref="InvalidDataException">There is nothing to train or to test on.</exception>
    public static async Task<ExperimentData> LoadAsync(ExperimentPlan plan, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var tokenizer = DebertaTokenizer.Load(plan.Tokenizer ?? await ModelSource.FolderAsync(plan, plan.Model, cancellation).ConfigureAwait(false));
        var files = plan.Data.Dataset is null ? plan.Data : await DatasetSource.FilesAsync(plan, cancellation).ConfigureAwait(false);
        return new(plan.Data, tokenizer, SplitSentences.Read(files, plan.Trains));
    }

    /// <summary>Which types the data name, and what becomes of them here.</summary>
    public TableView LabelTable()
    {
        var (source, labels) = (Plan.Source, Labels);
        var map = source.MapTo(labels);
        return new(
            "Labels",
            [new("type"), new("ids in the data", true), new("ids here", true), new("")],
            [.. source.Types.Select((type, i) => LabelRow(source, type, map[(2 * i) + 1]))],
            $"{labels.Count} labels: O, and B and I of {labels.Types.Count} types.");
    }

    private static Row LabelRow(LabelSet source, string type, int begin)
    {
        var id = source.FindId("B-" + type)!.Value;
        return begin == 0
            ? new([type, $"{id}, {id + 1}", "0", new("becomes O, before alignment", Mark.Dim)])
            : new([type, $"{id}, {id + 1}", $"{begin}, {begin + 1}", new("is learned", Mark.Good)]);
    }
}
