using System.Collections;
using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>What one reading of a file came to.</summary>
/// <param name="RowCount">Rows in the file (counted once, also when the listing is given twice).</param>
/// <param name="SentenceCount">Sentences given.</param>
/// <param name="OtherLanguageCount">Rows left out for their language.</param>
/// <param name="RepeatCount">Rows left out since the same words and tags had come before.</param>
internal sealed record ReadSummary(long RowCount, long SentenceCount, long OtherLanguageCount, long RepeatCount);

/// <summary>What was decided about a file, for people to check.</summary>
/// <param name="File">Its name.</param>
/// <param name="Sentences">How many it gave.</param>
/// <param name="Format">Kind of file.</param>
/// <param name="Encoding">Encoding and packing; null where the format has its own.</param>
/// <param name="Layout">Which fields or columns are words and tags.</param>
/// <param name="Scheme">How its tags mark entities.</param>
/// <param name="Numbering">What its numbers stand for; null where its tags have names.</param>
/// <param name="Notices">What a reader should know: conversions, slips, what was left out or never occurs.</param>
public sealed record SourceReport(string File, long Sentences, string Format, string? Encoding, string Layout, string Scheme, string? Numbering,
    IReadOnlyList<string> Notices);

/// <summary>
/// The sentences of one file. It is gone through once to see how it is laid out and how its tags are to be read, then streamed. Wrong rows are gathered, and
/// from the first one on no sentence is given: the rest of the file is only searched for further faults, then all are reported together.
/// </summary>
internal sealed class SentenceSource : IEnumerable<Sentence>
{
    // Nobody writes sentences so long: blank lines are missing.
    private const int LongestSingleSentence = 500;

    private readonly DataFormat _format;
    private readonly LabelSet _labels;
    private readonly ReaderOptions _options;

    internal SentenceSource(string path, DataFormat format, LabelSet labels, ReaderOptions options)
    {
        Path = path;
        _format = format;
        _labels = labels;
        _options = options;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Counts of the latest reading that came to the file's end; null before.</summary>
    public ReadSummary? Summary { get; private set; }

    /// <summary>What was decided in the latest reading that came to the file's end; null before.</summary>
    public SourceReport? Report { get; private set; }

    /// <summary>Reads the file.</summary>
    /// <exception cref="DataFormatException">The file is damaged, empty, or has wrong rows; lists them with their lines.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public IEnumerator<Sentence> GetEnumerator()
    {
        var rows = SourceRows.Of(Path, _format, _labels, _options);
        var scan = new Pass(Path, _options, rows, null);
        var tags = scan.Tags(_labels);
        var pass = new Pass(Path, _options, rows, tags);
        foreach (var sentence in pass.Sentences())
        {
            yield return sentence;
        }

        pass.ThrowIfWrong();
        var given = pass.SentenceCount;
        if (_options.Rows == RowListing.Published)
        {
            var again = new Pass(Path, _options, rows, tags);
            foreach (var sentence in again.Sentences())
            {
                yield return sentence;
            }

            again.ThrowIfWrong();
            given += again.SentenceCount;
        }

        Summary = new(pass.RowCount, given, pass.OtherLanguageCount, pass.RepeatCount);
        Report = new(System.IO.Path.GetFileName(Path), given, rows.Format, rows.Encoding, rows.Layout, tags.Scheme, tags.Numbering,
            [.. tags.Notices, .. rows.Notices(), .. pass.Notices(given)]);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>One way through the file: counts, filters, gathers faults.</summary>
    private sealed class Pass(string path, ReaderOptions options, SourceRows source, TagReading? tags)
    {
        private readonly List<DataFault> _faults = [];
        private readonly SeenSentences? _seen = options.Rows == RowListing.Distinct ? new() : null;
        private readonly SortedSet<string> _otherLanguages = new(StringComparer.Ordinal);
        private long _faultCount;
        private long _markCount;
        private long _wordCount;
        private bool _hasEntity;

        public long RowCount { get; private set; }

        public long SentenceCount { get; private set; }

        public long OtherLanguageCount { get; private set; }

        public long RepeatCount { get; private set; }

        /// <summary>Decides how the tags are read.</summary>
        public TagReading Tags(LabelSet labels)
        {
            var inventory = new TagInventory();
            foreach (var row in WantedRows())
            {
                inventory.Add(row);
            }

            var needsNames = source.LabelNames is null && inventory.Tags.Any(tag => long.TryParse(tag.Name, out _));
            var beside = needsNames ? LabelNames.FindBeside(path, source.TagField) : null;
            var reading = TagReading.Of(inventory, labels, source.LabelNames ?? beside?.Names, options);
            foreach (var (line, problem) in reading.Faults)
            {
                AddFault(line, problem);
            }

            if (reading.Faults.Count > 0)
            {
                _faults.Sort((left, right) => left.Line.CompareTo(right.Line));
                ThrowIfWrong();
            }

            return reading;
        }

        public IEnumerable<Sentence> Sentences()
        {
            foreach (var row in WantedRows())
            {
                var sentence = _faultCount == 0 ? new Sentence(row.Words, tags!.Convert(row.Tags)) : null;
                if (sentence is not null && IsNew(sentence))
                {
                    SentenceCount++;
                    _wordCount += sentence.Words.Count;
                    _hasEntity |= sentence.Tags.Any(tag => tag != 0);
                    yield return sentence;
                }
            }
        }

        public void ThrowIfWrong()
        {
            if (_faultCount > 0)
            {
                throw new DataFormatException(_faults, _faultCount);
            }

            if (SentenceCount == 0)
            {
                throw DataFormatException.ForFile(path, RowCount == 0 || OtherLanguageCount == 0
                    ? $"holds no sentence{string.Concat(source.Notices().Select(notice => $" ({notice})"))}."
                    : $"none of its {RowCount} rows is in language '{options.Language}'; found {string.Join(", ", _otherLanguages)}.");
            }
        }

        /// <summary>What was left out, and what is odd about what was not.</summary>
        public IEnumerable<string> Notices(long given)
        {
            (bool Is, string Notice)[] notices =
            [
                (!_hasEntity, "no word belongs to an entity: there is nothing to learn"),
                (given == 1 && _wordCount > LongestSingleSentence,
                    $"the whole file is one sentence of {_wordCount} words: are blank lines between sentences missing?"),
                (_markCount > 0, $"document marks left out: {_markCount}"),
                (RepeatCount > 0, $"repeated sentences left out: {RepeatCount}"),
                (OtherLanguageCount > 0, $"rows of other languages left out: {OtherLanguageCount} ({string.Join(", ", _otherLanguages)})"),
            ];
            return notices.Where(notice => notice.Is).Select(notice => notice.Notice);
        }

        /// <summary>The rows that are right and of the wanted language, without document marks.</summary>
        private IEnumerable<RawRow> WantedRows()
        {
            foreach (var row in Guarded())
            {
                RowCount++;
                if (FaultOf(row) is { } problem)
                {
                    AddFault(row.Line, problem);
                }
                else if (!IsOfLanguage(row))
                {
                    OtherLanguageCount++;
                }
                else if (!Array.Exists(row.Words, word => word == TableRow.DocumentMark))
                {
                    yield return row;
                }
                else if (WithoutMarks(row) is { Words.Length: > 0 } rest)
                {
                    yield return rest;
                }
            }
        }

        private IEnumerable<RawRow> Guarded()
        {
            using var rows = source.Rows().GetEnumerator();
            var line = 0L;
            while (true)
            {
                string? damage = null;
                try
                {
                    if (!rows.MoveNext())
                    {
                        yield break;
                    }
                }
                catch (InvalidDataException error)
                {
                    damage = RawRow.Damage(error);
                }

                if (damage is not null)
                {
                    yield return RawRow.Wrong(line, damage);
                    yield break;
                }

                line = rows.Current.Line;
                yield return rows.Current;
            }
        }

        private RawRow WithoutMarks(RawRow row)
        {
            List<int> kept = [.. Enumerable.Range(0, row.Words.Length).Where(index => row.Words[index] != TableRow.DocumentMark)];
            _markCount += row.Words.Length - kept.Count;
            return row with { Words = [.. kept.Select(index => row.Words[index])], Tags = [.. kept.Select(index => row.Tags[index])], WordLines = null };
        }

        private string? FaultOf(in RawRow row) => row.Problem
            ?? (options.Language is { } wanted && row.Language is null && source.CarriesLanguage
                ? $"missing field lang; expected one, since only '{wanted}' is wanted. Set Language to null to read every row." : null);

        private bool IsOfLanguage(in RawRow row)
        {
            if (options.Language is not { } wanted || row.Language is not { } language || language == wanted)
            {
                return true;
            }

            if (_otherLanguages.Count < 10)
            {
                _otherLanguages.Add(Excerpt.Of(language));
            }

            return false;
        }

        private bool IsNew(Sentence sentence)
        {
            if (_seen is null || _seen.Add(sentence))
            {
                return true;
            }

            RepeatCount++;
            return false;
        }

        private void AddFault(long line, string problem)
        {
            _faultCount++;
            if (_faults.Count < options.FaultLimit)
            {
                _faults.Add(new(path, line, problem));
            }
        }
    }
}
