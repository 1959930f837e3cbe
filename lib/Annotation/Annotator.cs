using System.Diagnostics;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using NotebookLib.Data;
using NotebookLib.Inference;
using NotebookLib.Platform;

namespace NotebookLib.Annotation;

/// <summary>
/// Tags the texts of files and writes them with what was found. Memory does not grow with the input; a run that was killed goes on where it was when it is
/// started again; the output is whole or absent.
/// </summary>
internal static class Annotator
{
    // Texts that are tagged together: as many as keep a batch's time between these, so that progress is seen and little is lost by a kill.
    private const double ShortBatchSeconds = 1;
    private const double LongBatchSeconds = 4;
    private const int FewestTexts = 32;
    private const int FirstTexts = 512;
    private const int MostTexts = 8192;
    private const int MostLetters = 4 << 20;

    // How far the reading goes on behind a wrong row, to report others with it.
    private const int LookedAtRows = 5000;
    private const int ReportedFaults = 20;

    /// <summary>Annotates.</summary>
    /// <param name="tagger">The model.</param>
    /// <param name="settings">What is annotated, and where the result goes.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="skipped">Told of each wrong row that is left out.</param>
    /// <param name="cancellation">Stops at the next batch; the same call goes on there.</param>
    /// <returns>What it came to; a part that is complete already, of the same texts by the same model, is left as it is.</returns>
    /// <exception cref="ArgumentException">The settings cannot work: all faults together.</exception>
    /// <exception cref="InvalidOperationException">An earlier run with other settings was stopped at this output, or made it as a part of something
    /// else.</exception>
    /// <exception cref="DataFormatException">Rows are wrong; those before them are kept, and the same call goes on there.</exception>
    /// <exception cref="NotSupportedException">Words are to be tagged, and the model's labels are not O, B-type, I-type.</exception>
    /// <exception cref="IOException">The output cannot be written, or another process is at it.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static AnnotationProgress Run(
        EntityTagger tagger, AnnotationSettings settings, Action<AnnotationProgress>? progress = null, Action<DataFault>? skipped = null,
        CancellationToken cancellation = default)
    {
        settings.Validate();
        var format = settings.OutputFormat;
        var output = settings.Output == AnnotationSettings.Standard ? null : Path.GetFullPath(settings.Output);
        using var spool = settings.Inputs[0] == AnnotationSettings.Standard ? new Spool(settings) : null;
        List<InputFile> files = spool is not null ? [spool.File] : settings.Files();
        var task = Task(tagger, settings, format, files, spool);
        if (!settings.Replaces && settings.IsCompletePart)
        {
            var done = Complete(output!, task);
            return new(done.Rows, done.Entities, done.Skipped, 0, 0, 0, 1, 1) { WasComplete = true };
        }

        using var part = output is null ? null : AnnotationPart.Open(
            output, task, settings.Restarts, settings.Replaces, settings.IsPart || settings.Shards > 1);
        var run = new Running(tagger, settings, new(format, tagger.Labels, tagger.Name), files, part, progress, skipped, cancellation);
        return run.ToEnd(part is null || format != AnnotationFormat.Parquet ? null : lines => AnnotationParquet.Write(output!, lines, tagger.Labels));
    }

    /// <summary>What decides an output's content: another run may go on with it only when all of this is the same.</summary>
    private static JsonObject Task(EntityTagger tagger, AnnotationSettings settings, AnnotationFormat format, List<InputFile> files, Spool? spool) => new()
    {
        ["model"] = tagger.Fingerprint,
        // Where it stands in the output.
        ["name"] = format is AnnotationFormat.LabelStudio or AnnotationFormat.Html ? tagger.Name : null,
        ["format"] = format.ToString(),
        ["strategy"] = settings.Strategy?.ToString() ?? "words",
        ["threshold"] = settings.Threshold,
        ["field"] = settings.Field,
        ["document"] = settings.IsDocument,
        ["shard"] = Invariant($"{settings.Shard}/{settings.Shards}"),
        ["input"] = new JsonArray([.. files.Select(file => (JsonNode)(spool?.Hash is { } hash ? hash : Describe(file)))]),
    };

    /// <summary>The part that an earlier run made of the same.</summary>
    private static AnnotationShard Complete(string output, JsonObject task)
    {
        try
        {
            var shard = AnnotationShard.Read(output);
            if (AnnotationPart.Differences(task, shard.Task) is { Length: > 0 } differences)
            {
                throw new InvalidDataException($"{output}: is a complete part already, and what it was made by differs: {differences}.");
            }

            shard.Check();
            return shard;
        }
        catch (InvalidDataException other)
        {
            throw new InvalidOperationException($"{other.Message} It was left as it is. Name another output, or have it replaced.", other);
        }
    }

    private static string Describe(InputFile file)
    {
        var facts = new FileInfo(file.Path);
        return Invariant($"{file.Name} as {file.Format}, {facts.Length} bytes of {facts.LastWriteTimeUtc:yyyy-MM-ddTHH:mm:ss.fffffff}");
    }

    /// <summary>Standard input, kept in a file while it is read: so every format can be read from it, and a killed run sees whether it is the same.</summary>
    private sealed class Spool : IDisposable
    {
        public Spool(AnnotationSettings settings)
        {
            var path = Path.Combine(Path.GetTempPath(), $"annotate-{Environment.ProcessId}-{Guid.NewGuid():N}");
            File = new(path, "standard input", settings.InputFormat ?? TextFormat.Text);
            try
            {
                using var input = Console.OpenStandardInput();
                using var file = new FileStream(path, FileMode.CreateNew);
                var hash = new XxHash128();
                var buffer = new byte[1 << 16];
                while (input.Read(buffer) is > 0 and var count)
                {
                    hash.Append(buffer.AsSpan(0, count));
                    file.Write(buffer, 0, count);
                }

                Hash = Invariant($"standard input as {File.Format}, {file.Length} bytes, {Convert.ToHexStringLower(hash.GetCurrentHash())}");
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public InputFile File { get; }

        public string Hash { get; } = "";

        public void Dispose() => System.IO.File.Delete(File.Path);
    }

    /// <summary>One run.</summary>
    private sealed class Running(
        EntityTagger tagger, AnnotationSettings settings, AnnotationWriter writer,
        List<InputFile> files, AnnotationPart? part, Action<AnnotationProgress>? progress,
        Action<DataFault>? skipped, CancellationToken cancellation)
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private readonly List<TextRow> _batch = [];
        private readonly HeapTrimmer _heap = new();
        private readonly long _doneBefore = part?.InputRows ?? 0;
        private readonly long _rowsBefore = part?.Rows ?? 0;
        private readonly long _tokensBefore = tagger.TokensScored;
        private long _inputRows;
        private int _cutFiles;
        private long _rows = part?.Rows ?? 0;
        private long _entities = part?.Entities ?? 0;
        private long _skipped = part?.Skipped ?? 0;
        private long _letters;
        private int _size = FirstTexts;
        private double _fraction;
        private double? _fractionAtStart;

        // Of a shard: the sizes of its rows since the last commit, which of them are in the batch, and what was read of all shards.
        private readonly List<int> _sizes = [];
        private readonly List<int> _placesInSizes = [];
        private readonly XxHash128? _input = part?.IsShard == true ? new() : null;

        public AnnotationProgress ToEnd(Action<IEnumerable<string>>? convert)
        {
            using var standard = part is null ? new BufferedStream(Console.OpenStandardOutput(), 1 << 16) : null;
            var stream = (Stream?)part?.Stream ?? standard!;
            if (stream == standard || part!.Stream.Position == 0)
            {
                writer.Begin(stream);
            }

            using var rows = Rows().GetEnumerator();
            while (rows.MoveNext())
            {
                var row = rows.Current;
                _sizes.Add(0);
                if (row.Problem is not null)
                {
                    if (!settings.SkipsErrors)
                    {
                        _sizes.RemoveAt(_sizes.Count - 1);
                        Flush(stream, _inputRows - 1);
                        throw Fault(row, rows);
                    }

                    _skipped++;
                    skipped?.Invoke(new(row.File, row.Line, row.EndsFile ? $"{row.Problem} What stands behind it in this file cannot be read." : row.Problem));
                    if (_sizes.Count >= MostTexts)
                    {
                        Flush(stream, _inputRows);
                    }

                    continue;
                }

                _placesInSizes.Add(_sizes.Count - 1);
                _batch.Add(row);
                _letters += row.Length;
                if (_batch.Count >= _size || _letters >= MostLetters)
                {
                    Flush(stream, _inputRows);
                }
            }

            Flush(stream, _inputRows);
            _fraction = 1;
            if (part is null)
            {
                writer.End(stream);
                stream.Flush();
            }
            else
            {
                part.Finish(writer.End, convert, _input is null ? "" : Convert.ToHexStringLower(_input.GetCurrentHash()), tagger.Labels.Types);
            }

            var result = Progress();
            progress?.Invoke(result);
            return result;
        }

        /// <summary>The rows of this shard that are still to be done.</summary>
        private IEnumerable<TextRow> Rows()
        {
            var total = Math.Max(1, files.Sum(file => new FileInfo(file.Path).Length));
            var before = 0L;
            foreach (var file in files)
            {
                var length = new FileInfo(file.Path).Length;
                var source = new TextSource(file, settings.Field, settings.IsDocument);
                foreach (var row in source.Rows())
                {
                    cancellation.ThrowIfCancellationRequested();
                    var index = _inputRows++;
                    Remember(row);
                    _cutFiles += row.EndsFile ? 1 : 0;
                    _fraction = (before + (source.Fraction * length)) / total;
                    if (_inputRows > _doneBefore)
                    {
                        _fractionAtStart ??= _doneBefore == 0 ? 0 : _fraction;
                        if (index % settings.Shards == settings.Shard - 1)
                        {
                            yield return row;
                        }
                    }
                }

                before += length;
            }
        }

        private void Remember(in TextRow row)
        {
            if (_input is not null)
            {
                _input.Append(MemoryMarshal.AsBytes(Invariant($"{row.File}\n{row.Line}\n{row.Offset}\n{row.Text ?? row.Problem}\n").AsSpan()));
                foreach (var word in row.Words ?? [])
                {
                    _input.Append(MemoryMarshal.AsBytes($"{word}\n".AsSpan()));
                }
            }
        }

        private void Flush(Stream stream, long inputRows)
        {
            cancellation.ThrowIfCancellationRequested();
            var started = _clock.Elapsed.TotalSeconds;
            var tagged = tagger.TagAll(
                EntityTagger.OnAllThreads(_batch.Count, i => _batch[i].Words is { } words ? SplitText.Of(words) : SplitText.Of(_batch[i].Text!)),
                settings.Strategy, settings.Threshold, cancellation);
            for (var i = 0; i < _batch.Count; i++)
            {
                try
                {
                    var before = part?.Stream.Position ?? 0;
                    writer.Write(stream, _batch[i], tagged[i], _rows == 0);
                    _sizes[_placesInSizes[i]] = checked((int)((part?.Stream.Position ?? 0) - before));
                    (_rows, _entities) = (_rows + 1, _entities + tagged[i].Entities.Count);
                }
                catch (InvalidDataException unfit) when (settings.SkipsErrors)
                {
                    _skipped++;
                    skipped?.Invoke(new(_batch[i].File, _batch[i].Line, unfit.Message));
                }
                catch (InvalidDataException unfit)
                {
                    throw new DataFormatException([new(_batch[i].File, _batch[i].Line, unfit.Message)], 1, unfit);
                }
            }

            var isFull = _batch.Count >= _size;
            _batch.Clear();
            _letters = 0;
            // Batches of ever new sizes; without this the process grows for minutes.
            _heap.AfterUpdate();
            if (part is null)
            {
                stream.Flush();
            }
            else
            {
                part.Commit(inputRows, _rows, _entities, _skipped, _sizes);
            }

            _sizes.Clear();
            _placesInSizes.Clear();

            var seconds = _clock.Elapsed.TotalSeconds - started;
            _size = seconds > LongBatchSeconds
                ? Math.Max(FewestTexts, _size / 2) : seconds < ShortBatchSeconds && isFull ? Math.Min(MostTexts, _size * 2) : _size;
            progress?.Invoke(Progress());
        }

        private AnnotationProgress Progress() =>
            new(_rows, _entities, _skipped, _rows - _rowsBefore, tagger.TokensScored - _tokensBefore, _clock.Elapsed.TotalSeconds, _fraction,
                _fractionAtStart ?? 0)
            { CutFiles = _cutFiles };

        /// <summary>The wrong row, and others that stand soon behind it.</summary>
        private static DataFormatException Fault(TextRow first, IEnumerator<TextRow> rows)
        {
            List<DataFault> wrong = [new(first.File, first.Line, first.Problem!)];
            for (var i = 0; i < LookedAtRows && wrong.Count < ReportedFaults && rows.MoveNext(); i++)
            {
                if (rows.Current.Problem is { } problem)
                {
                    wrong.Add(new(rows.Current.File, rows.Current.Line, problem));
                }
            }

            return new(wrong, wrong.Count);
        }
    }
}
