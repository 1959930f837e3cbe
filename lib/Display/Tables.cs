using System.Globalization;
using NotebookLib.Alignment;
using NotebookLib.Data;
using NotebookLib.Html;
using NotebookLib.Inference;
using NotebookLib.Metrics;
using NotebookLib.Results;
using NotebookLib.Tokenization;
using static NotebookLib.Platform.NumberText;

namespace NotebookLib.Display;

/// <summary>Tables for the notebooks' cells.</summary>
public static class Tables
{
    // Two orders of additions of float32 sums of a few hundred products.
    private const double MergeTolerance = 1e-4;

    /// <summary>A label set: each entity type with the ids of its two labels.</summary>
    /// <param name="labels">The labels.</param>
    public static TableView Labels(LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        return new(
            "Labels",
            [new("type"), new("begins", true), new("continues", true)],
            [new(["O: no entity", "0", ""]), .. labels.Types.Select((type, i) => new Row([type, Number((2 * i) + 1), Number((2 * i) + 2)]))],
            $"{labels.Count} labels: O, and B and I of {labels.Types.Count} types.");
    }

    /// <summary>What becomes of a label set's types under a mapping to another one.</summary>
    /// <param name="source">Names the tags in the data.</param>
    /// <param name="map">For each id of the source the id that is learned (<see cref="LabelSet.MapTo"/>).</param>
    /// <param name="labels">The labels that are learned.</param>
    public static TableView Mapping(LabelSet source, IReadOnlyList<int> map, LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(map);
        ArgumentNullException.ThrowIfNull(labels);
        Row Line(string type, int begin) => map[begin] == 0
            ? new([type, $"{begin}, {begin + 1}", "0", new("becomes O, before alignment", Mark.Dim)])
            : new([type, $"{begin}, {begin + 1}", $"{map[begin]}, {map[begin + 1]}", new("is learned", Mark.Good)]);
        return new(
            "Labels",
            [new("type"), new("ids in the data", true), new("ids here", true), new("")],
            [.. source.Types.Select((type, i) => Line(type, (2 * i) + 1))],
            $"{labels.Count} labels: O, and B and I of {labels.Types.Count} types.");
    }

    /// <summary>Several taggers on one split, the last of them the run itself.</summary>
    /// <param name="split">What they are tested on.</param>
    /// <param name="labels">Names the tags.</param>
    /// <param name="known">The entities that training saw; null to score the others not apart.</param>
    /// <param name="taggers">What each is, the split with its predictions (one that has none is left out), and the seconds that its training took.</param>
    public static TableView Taggers(
        string split, LabelSet labels, KnownEntities? known,
        params IReadOnlyList<(string Name, IReadOnlyList<JudgedSentence>? Judged, double? Seconds)> taggers)
    {
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(taggers);
        Row Line((string Name, IReadOnlyList<JudgedSentence>? Judged, double? Seconds) tagger, Mark mark)
        {
            var scorer = new SequenceScorer(labels);
            foreach (var sentence in tagger.Judged!)
            {
                scorer.Add([.. sentence.Gold], (ReadOnlySpan<int>)[.. sentence.Predicted]);
            }

            var (scores, unseen) = (scorer.Scores(EntityScheme.Lenient), ErrorAnalysis.Of(tagger.Judged, labels, known, worstCount: 0).Unseen?.F1);
            return new(
                [
                    tagger.Name, new(Share(scores.Micro.F1), Bar: scores.Micro.F1), Share(scores.Micro.Precision), Share(scores.Micro.Recall),
                    Share(scores.Macro.F1),
                    Share(unseen), tagger.Seconds is { } seconds ? Invariant($"{seconds:0} s") : "",
                ],
                mark);
        }

        var tested = taggers.Where(tagger => tagger.Judged is not null).ToList();
        return new(
            "What training is worth",
            [new("tagger"), new("F1", true), new("precision", true), new("recall", true), new("F1, mean of types", true), new("F1, entities never seen", true),
                new("training", true)],
            [.. tested.Select((tagger, i) => Line(tagger, i == tested.Count - 1 ? Mark.Best : Mark.None))],
            $"{split}, by words, 0 to 1.",
            "Entities never seen: those whose very words training never had as an entity. Time with evaluations.");
    }

    /// <summary>What the token-classification pipeline found in a text.</summary>
    /// <param name="entities">In reading order.</param>
    /// <param name="strategy">How pieces became entities.</param>
    public static TableView Pipeline(IReadOnlyList<TokenEntity> entities, AggregationStrategy strategy)
    {
        ArgumentNullException.ThrowIfNull(entities);
        return new(
            "The same through the token-classification pipeline",
            [new("entity group"), new("score", true), new("word"), new("start", true), new("end", true)],
            [.. entities.Select(entity => new Row([entity.Label, Share(entity.Score), entity.Word, Number(entity.Start), Number(entity.End)]))],
            Invariant($"aggregation strategy {strategy.ToString().ToLowerInvariant()}; start and end count characters and take in the blank before, ")
                + "and words run together, as in transformers.",
            entities.Count == 0 ? "No entity was found." : "");
    }

    /// <summary>Scores of one text before its adapters were merged into the weights, while they were, and after they were taken out again.</summary>
    /// <param name="before">[L · K].</param>
    /// <param name="merged">[L · K].</param>
    /// <param name="after">[L · K].</param>
    public static TableView Merging(IReadOnlyList<float> before, IReadOnlyList<float> merged, IReadOnlyList<float> after)
    {
        Row Line(string what, IReadOnlyList<float> other, double allowed)
        {
            var difference = before.Zip(other, (a, b) => (double)Math.Abs(a - b)).Max();
            return new(
            [
                what, difference.ToString("0.0e+0", CultureInfo.InvariantCulture), allowed.ToString("0.0e+0", CultureInfo.InvariantCulture),
                new(difference <= allowed ? "holds" : "does not hold", difference <= allowed ? Mark.Good : Mark.Bad),
            ]);
        }

        return new(
            "Merged is unmerged",
            [new("compared"), new("largest difference of a score", true), new("allowed", true), new("")],
            [Line("adapters beside the weights, and merged into them", merged, MergeTolerance), Line("before merging, and after unmerging", after, 0)],
            "W + scale · B A gives the scores of W and the adapter beside it, so a merged model costs nothing extra.");
    }

    /// <summary>One sentence as the model meets it: words, their pieces, the label of each piece.</summary>
    /// <param name="sentence">The sentence.</param>
    /// <param name="encoding">Its pieces (<see cref="DebertaTokenizer.EncodeWords"/>).</param>
    /// <param name="pieceLabels">The label of each piece (<see cref="LabelAligner.AlignLabels"/>).</param>
    /// <param name="tokenizer">Names the pieces.</param>
    /// <param name="labels">Names the tags.</param>
    public static TableView Alignment(Sentence sentence, Encoding encoding, IReadOnlyList<int> pieceLabels, DebertaTokenizer tokenizer, LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(sentence);
        ArgumentNullException.ThrowIfNull(encoding);
        ArgumentNullException.ThrowIfNull(pieceLabels);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(labels);
        string LabelOf(int piece) => pieceLabels[piece] == LabelAligner.Ignored ? "−100" : labels.Names[pieceLabels[piece]];
        List<Row> Specials(IEnumerable<int> ids) => [.. ids.Select(id => SpecialRow(tokenizer.PieceOf(id), id))];
        var before = encoding.WordIds.TakeWhile(word => word < 0).Count();
        var rows = Specials(encoding.Ids[..before]);
        for (var word = 0; word < sentence.Words.Count; word++)
        {
            var pieces = Enumerable.Range(0, encoding.Ids.Length).Where(piece => encoding.WordIds[piece] == word).ToList();
            rows.Add(new(
            [
                sentence.Words[word], labels.Names[sentence.Tags[word]],
                pieces.Count == 0
                    ? new("no piece", Mark.Dim) : new(string.Join("  ", pieces.Select(piece => tokenizer.PieceOf(encoding.Ids[piece]))), IsCode: true),
                new(string.Join("  ", pieces.Select(piece => encoding.Ids[piece].ToString(CultureInfo.InvariantCulture))), Mark.Dim, IsCode: true),
                new(string.Join("  ", pieces.Select(LabelOf)), IsCode: true),
            ]));
        }

        rows.AddRange(Specials(encoding.Ids.Where((_, piece) => piece >= before && encoding.WordIds[piece] < 0)));
        return new(
            "From words to pieces, from tags to labels",
            [new("word"), new("tag"), new("pieces"), new("piece ids"), new("label of each piece")],
            rows,
            Invariant($"{sentence.Words.Count} words, {encoding.Ids.Length} pieces with the special ones; ▁ marks the beginning of a word."),
            "The first piece keeps the word's tag, the others continue it (B-x becomes I-x); −100 is left out of loss and scores."
                + (tokenizer.Remark is { } remark ? $" {remark}" : ""));
    }

    /// <summary>The scores of each type and their averages, beside the published F1 where there is one.</summary>
    /// <param name="title">What was scored, for instance <c>Test split, words</c>.</param>
    /// <param name="scores">Scores as seqeval counts by default.</param>
    /// <param name="strict">The same under strict IOB2, or null.</param>
    /// <param name="publishedSystem"><c>base-A</c>, <c>base-B</c>, <c>large-LoRA-A</c>, or null.</param>
    public static TableView Report(string title, SequenceScores scores, SequenceScores? strict = null, string? publishedSystem = null)
    {
        ArgumentNullException.ThrowIfNull(scores);
        List<Column> columns = [new("type"), new("precision", true), new("recall", true), new("F1", true), new("support", true), new("predicted", true)];
        columns.AddRange(strict is null ? [] : [new Column("strict F1", true)]);
        columns.AddRange(publishedSystem is null ? [] : [new Column("published F1", true), new Column("difference", true)]);
        var rows = scores.Types.OrderByDescending(row => row.Support).ThenBy(row => row.Name, StringComparer.Ordinal)
            .Select(row => ReportRow(row, strict, publishedSystem, Mark.None))
            .Concat(((ScoreRow[])[scores.Micro, scores.Macro, scores.Weighted]).Select(row => ReportRow(row, strict, publishedSystem, Mark.Total)));
        return new(
            title,
            columns,
            [.. rows],
            Invariant($"{scores.SentenceCount:N0} sentences, {scores.TokenCount:N0} tags, accuracy {scores.Accuracy:0.0000}. ")
                + "Entities count when words and type agree; types by support.",
            (strict is null ? "" : "Strict: an I without its B begins no entity. ")
                + (publishedSystem is null ? "" : $"Published: {publishedSystem}, words, on MultiNERD's English test split."));
    }

    /// <summary>What was decided about each file: format, encoding, columns, scheme, numbers; below it what else to know.</summary>
    /// <param name="sources">The files.</param>
    /// <param name="notices">What to know of them together.</param>
    public static TableView Sources(IReadOnlyList<SourceReport> sources, IReadOnlyList<string> notices)
    {
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentNullException.ThrowIfNull(notices);
        var hasNumbers = sources.Any(source => source.Numbering is not null);
        List<Column> columns = [new("file"), new("sentences", true), new("format"), new("encoding"), new("words and tags"), new("scheme"),
            .. hasNumbers ? [new("numbers")] : Array.Empty<Column>()];
        // What is said of every file is said once.
        var said = sources.SelectMany(source => source.Notices.Select(notice => (notice, source.File))).GroupBy(pair => pair.notice, pair => pair.File)
            .Select(files => files.Count() == sources.Count ? files.Key : $"{string.Join(", ", files)}: {files.Key}");
        return new(
            "What was read",
            columns,
            [.. sources.Select(source =>
                new Row([source.File, Count(source.Sentences), source.Format, source.Encoding ?? "", source.Layout,
                    source.Scheme, .. hasNumbers ? [(Cell)(source.Numbering ?? "")] : Array.Empty<Cell>()]))],
            note: string.Join(" · ", said.Concat(notices)));
    }

    /// <summary>The counts of each split, type by type.</summary>
    public static TableView Splits(IReadOnlyList<SplitStatistics> splits)
    {
        ArgumentNullException.ThrowIfNull(splits);
        Row Line(string name, Func<SplitStatistics, string> value, Mark mark = Mark.None) => new([name, .. splits.Select(split => (Cell)value(split))], mark);
        var types = splits.SelectMany(split => split.Entities.Keys).Distinct(StringComparer.Ordinal);
        List<Row> rows =
        [
            Line("sentences", split => Count(split.Sentences)), Line("words", split => Count(split.Words)),
            Line("words outside entities", split => (split.OutsideWords / (double)Math.Max(1, split.Words)).ToString("0.0 %", CultureInfo.InvariantCulture)),
            Line("entities", split => Count(split.EntityCount), Mark.Total),
            .. types.Select(type => Line("\u2003" + type, split => Count(split.Entities.GetValueOrDefault(type)))),
        ];
        if (splits.Any(split => split.UnseenEntities is not null))
        {
            rows.Add(Line("never seen in training",
                split => split.UnseenEntities is { } unseen
                ? $"{Count(unseen)} ({(unseen / (double)Math.Max(1, split.EntityCount)).ToString("0 %", CultureInfo.InvariantCulture)})" : "", Mark.Total));
        }

        return new("What the splits hold", [new(""), .. splits.Select(split => new Column(split.Name, true))], rows);
    }

    private static Row SpecialRow(string piece, int id) =>
        new([new("", Mark.Dim), "", new(piece, Mark.Dim, IsCode: true), new(id.ToString(CultureInfo.InvariantCulture), Mark.Dim, IsCode: true),
            new("−100", Mark.Dim, IsCode: true)]);

    private static Row ReportRow(ScoreRow row, SequenceScores? strict, string? publishedSystem, Mark mark)
    {
        List<Cell> cells =
        [
            row.Name, Share(row.Precision), Share(row.Recall), new(Share(row.F1), Bar: row.F1), Count(row.Support),
            Count(row.Predicted),
        ];
        if (strict is not null)
        {
            cells.Add(Share(strict.Types.Append(strict.Micro).Append(strict.Macro).Append(strict.Weighted)
                .FirstOrDefault(other => other.Name == row.Name)?.F1));
        }

        if (publishedSystem is not null)
        {
            var published = Published.Find(publishedSystem, row.Name)?.F1;
            cells.AddRange([Share(published), ResultTables.Difference(row.F1, published)]);
        }

        return new(cells, mark);
    }

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
