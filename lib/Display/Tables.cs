using System.Globalization;
using NotebookLib.Alignment;
using NotebookLib.Data;
using NotebookLib.Html;
using NotebookLib.Metrics;
using NotebookLib.Results;
using NotebookLib.Tokenization;

namespace NotebookLib.Display;

/// <summary>Tables for the notebooks' cells.</summary>
public static class Tables
{
    /// <summary>One sentence as the model meets it: words, their pieces, the label of each piece.</summary>
    /// <param name="sentence">The sentence.</param>
    /// <param name="tokenizer">Makes the pieces.</param>
    /// <param name="labels">Names the tags.</param>
    public static TableView Alignment(Sentence sentence, DebertaTokenizer tokenizer, LabelSet labels)
    {
        ArgumentNullException.ThrowIfNull(sentence);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(labels);
        var encoding = tokenizer.EncodeWords(sentence.Words);
        var pieceLabels = LabelAligner.AlignLabels(encoding.WordIds, sentence.Tags);
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
                pieces.Count == 0 ? new("no piece", Mark.Dim) : new(string.Join("  ", pieces.Select(piece => tokenizer.PieceOf(encoding.Ids[piece]))), IsCode: true),
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
            "The first piece keeps the word's tag, the others continue it (B-x becomes I-x); −100 is left out of loss and scores." + (tokenizer.Remark is { } remark ? $" {remark}" : ""));
    }

    /// <summary>The scores of each type and their averages, beside the published F1 where there is one.</summary>
    /// <param name="title">What was scored, for instance <c>Test split, words</c>.</param>
    /// <param name="scores">Scores as seqeval counts by default.</param>
    /// <param name="strict">The same under strict IOB2, or null.</param>
    /// <param name="publishedSystem">One of <see cref="Published.Systems"/>, or null.</param>
    public static TableView Report(string title, SequenceScores scores, SequenceScores? strict = null, string? publishedSystem = null)
    {
        ArgumentNullException.ThrowIfNull(scores);
        List<Column> columns = [new("type"), new("precision", true), new("recall", true), new("F1", true), new("support", true), new("predicted", true)];
        columns.AddRange(strict is null ? [] : [new Column("strict F1", true)]);
        columns.AddRange(publishedSystem is null ? [] : [new Column("published F1", true), new Column("difference", true)]);
        var rows = scores.Types.OrderByDescending(row => row.Support).ThenBy(row => row.Name, StringComparer.Ordinal).Select(row => ReportRow(row, strict, publishedSystem, Mark.None))
            .Concat(((ScoreRow[])[scores.Micro, scores.Macro, scores.Weighted]).Select(row => ReportRow(row, strict, publishedSystem, Mark.Total)));
        return new(
            title,
            columns,
            [.. rows],
            Invariant($"{scores.SentenceCount:N0} sentences, {scores.TokenCount:N0} tags, accuracy {scores.Accuracy:0.0000}. Entities count when words and type agree; types by support."),
            (strict is null ? "" : "Strict: an I without its B begins no entity. ") + (publishedSystem is null ? "" : $"Published: {publishedSystem}, words, on MultiNERD's English test split."));
    }

    /// <summary>The counts of each split, type by type.</summary>
    public static TableView Splits(IReadOnlyList<SplitStatistics> splits)
    {
        ArgumentNullException.ThrowIfNull(splits);
        string Number(long count) => count.ToString("N0", CultureInfo.InvariantCulture);
        Row Line(string name, Func<SplitStatistics, string> value, Mark mark = Mark.None) => new([name, .. splits.Select(split => (Cell)value(split))], mark);
        var types = splits.SelectMany(split => split.Entities.Keys).Distinct(StringComparer.Ordinal);
        List<Row> rows =
        [
            Line("sentences", split => Number(split.Sentences)), Line("words", split => Number(split.Words)),
            Line("words outside entities", split => (split.OutsideWords / (double)Math.Max(1, split.Words)).ToString("0.0 %", CultureInfo.InvariantCulture)),
            Line("entities", split => Number(split.EntityCount), Mark.Total), .. types.Select(type => Line("\u2003" + type, split => Number(split.Entities.GetValueOrDefault(type)))),
        ];
        if (splits.Any(split => split.UnseenEntities is not null))
        {
            rows.Add(Line("never seen in training", split => split.UnseenEntities is { } unseen ? $"{Number(unseen)} ({(unseen / (double)Math.Max(1, split.EntityCount)).ToString("0 %", CultureInfo.InvariantCulture)})" : "", Mark.Total));
        }

        return new("What the splits hold", [new(""), .. splits.Select(split => new Column(split.Name, true))], rows);
    }

    private static Row SpecialRow(string piece, int id) =>
        new([new("", Mark.Dim), "", new(piece, Mark.Dim, IsCode: true), new(id.ToString(CultureInfo.InvariantCulture), Mark.Dim, IsCode: true), new("−100", Mark.Dim, IsCode: true)]);

    private static Row ReportRow(ScoreRow row, SequenceScores? strict, string? publishedSystem, Mark mark)
    {
        List<Cell> cells =
        [
            row.Name, Share(row.Precision), Share(row.Recall), new(Share(row.F1), Bar: row.F1), row.Support.ToString("N0", CultureInfo.InvariantCulture), row.Predicted.ToString("N0", CultureInfo.InvariantCulture),
        ];
        if (strict is not null)
        {
            cells.Add(Share(strict.Types.Append(strict.Micro).Append(strict.Macro).Append(strict.Weighted).FirstOrDefault(other => other.Name == row.Name)?.F1));
        }

        if (publishedSystem is not null)
        {
            var published = Published.Find(publishedSystem, row.Name)?.F1;
            cells.AddRange([Share(published), ResultTables.Difference(row.F1, published)]);
        }

        return new(cells, mark);
    }

    private static string Share(double? value) => value?.ToString("0.000", CultureInfo.InvariantCulture) ?? "";
}
