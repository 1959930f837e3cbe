using System.Collections;

namespace NotebookLib.Data;

/// <summary>What one reading of a file came to.</summary>
/// <param name="RowCount">Rows in the file (counted once, also when the listing is given twice).</param>
/// <param name="SentenceCount">Sentences given.</param>
/// <param name="OtherLanguageCount">Rows left out for their language.</param>
/// <param name="RepeatCount">Rows left out since the same words and tags had come before.</param>
public sealed record ReadSummary(long RowCount, long SentenceCount, long OtherLanguageCount, long RepeatCount);

/// <summary>
/// The sentences of one file. Streams; wrong rows are gathered, and from the first one on no sentence is given: the rest of the file is only searched for
/// further faults, then all are reported together.
/// </summary>
public sealed class SentenceSource : IEnumerable<Sentence>
{
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

    /// <summary>Reads the file.</summary>
    /// <exception cref="DataFormatException">The file is damaged, empty, or has wrong rows; lists them with their lines.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public IEnumerator<Sentence> GetEnumerator()
    {
        var pass = new Pass(Path, _options, carriesLanguage: _format is DataFormat.JsonLines or DataFormat.Parquet);
        foreach (var sentence in pass.Filter(Rows()))
        {
            yield return sentence;
        }

        pass.ThrowIfWrong();
        var given = pass.SentenceCount;
        if (_options.Rows == RowListing.Published)
        {
            var again = new Pass(Path, _options, carriesLanguage: _format is DataFormat.JsonLines or DataFormat.Parquet);
            foreach (var sentence in again.Filter(Rows()))
            {
                yield return sentence;
            }

            again.ThrowIfWrong();
            given += again.SentenceCount;
        }

        Summary = new(pass.RowCount, given, pass.OtherLanguageCount, pass.RepeatCount);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private IEnumerable<ParsedRow> Rows()
    {
        var tags = new TagTable(_labels, _options.Target, _options.UnknownTypes);
        return _format switch
        {
            DataFormat.Parquet => new ParquetFormat(tags, _options).Read(Path),
            DataFormat.JsonLines => Lines(new JsonLinesFormat(tags, _options).Read),
            _ => Lines(new ConllFormat(tags, _options, _format == DataFormat.ConllU).Read),
        };
    }

    private IEnumerable<ParsedRow> Lines(Func<LineReader, IEnumerable<ParsedRow>> parse)
    {
        using var lines = LineReader.Open(Path, _options.MaxLineBytes);
        using var rows = parse(lines).GetEnumerator();
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
                damage = $"behind this line {error.Message}; fetch the file again.";
            }

            if (damage is not null)
            {
                yield return ParsedRow.Wrong(lines.Line, damage);
                yield break;
            }

            yield return rows.Current;
        }
    }

    /// <summary>One way through the file: counts, filters, gathers faults.</summary>
    private sealed class Pass(string path, ReaderOptions options, bool carriesLanguage)
    {
        private readonly List<DataFault> _faults = [];
        private readonly SeenSentences? _seen = options.Rows == RowListing.Distinct ? new() : null;
        private readonly SortedSet<string> _otherLanguages = new(StringComparer.Ordinal);
        private long _faultCount;

        public long RowCount { get; private set; }

        public long SentenceCount { get; private set; }

        public long OtherLanguageCount { get; private set; }

        public long RepeatCount { get; private set; }

        public IEnumerable<Sentence> Filter(IEnumerable<ParsedRow> rows)
        {
            foreach (var row in rows)
            {
                RowCount++;
                if (FaultOf(row) is { } problem)
                {
                    AddFault(row.Line, problem);
                }
                else if (_faultCount == 0 && IsWanted(row))
                {
                    SentenceCount++;
                    yield return row.Sentence!;
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
                throw DataFormatException.ForFile(path, RowCount == 0 ? "holds no sentence."
                    : $"none of its {RowCount} rows is in language '{options.Language}'; found {string.Join(", ", _otherLanguages)}.");
            }
        }

        private string? FaultOf(ParsedRow row) => row.Problem
            ?? (options.Language is { } wanted && row.Language is null && carriesLanguage
                ? $"missing field lang; expected one, since only '{wanted}' is wanted. Set Language to null to read every row." : null);

        private bool IsWanted(ParsedRow row)
        {
            if (options.Language is { } wanted && row.Language is { } language && language != wanted)
            {
                OtherLanguageCount++;
                if (_otherLanguages.Count < 10)
                {
                    _otherLanguages.Add(TagTable.Excerpt(language));
                }

                return false;
            }

            if (_seen is null || _seen.Add(row.Sentence!))
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
