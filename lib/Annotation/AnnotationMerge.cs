using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using System.Text.Json.Nodes;
using NotebookLib.Data;
using NotebookLib.Platform;

namespace NotebookLib.Annotation;

/// <summary>
/// Joins the outputs of an annotation's shards: byte for byte the output of one run without shards. One row of each shard is in memory at a time (for Parquet
/// one row group besides); the joined output is whole or absent, and the shards stay.
/// </summary>
internal static class AnnotationMerge
{
    /// <summary>What the joined output came to.</summary>
    /// <param name="Shards">How many shards.</param>
    /// <param name="Rows">Texts written.</param>
    /// <param name="Entities">Entities in them.</param>
    /// <param name="Skipped">Wrong rows that the shards left out.</param>
    public sealed record Result(int Shards, long Rows, long Entities, long Skipped);

    /// <summary>The shards' outputs that lie beside an output, by their names: its name with more behind, and its ending.</summary>
    /// <param name="output">The joined output.</param>
    public static IReadOnlyList<string> Beside(string output)
    {
        var (folder, stem, ending) = (Path.GetDirectoryName(Path.GetFullPath(output))!, Path.GetFileNameWithoutExtension(output), Path.GetExtension(output));
        string[] marks = [AnnotationShard.RecordOf(""), AnnotationPart.RecordOf("")];
        return !Directory.Exists(folder) ? [] : [.. Directory.EnumerateFiles(folder).Select(path => Path.GetFileName(path)!)
            .SelectMany(name => marks.Where(mark => name.EndsWith(mark, StringComparison.Ordinal)).Select(mark => name[..^mark.Length]))
            .Where(name => name.StartsWith(stem, StringComparison.Ordinal) && name.EndsWith(ending, StringComparison.Ordinal))
            .Where(name => name != Path.GetFileName(output))
            .Distinct().Order(StringComparer.Ordinal).Select(name => Path.Combine(Path.GetDirectoryName(output)!, name))];
    }

    /// <summary>Joins.</summary>
    /// <param name="output">The file to write.</param>
    /// <param name="parts">The shards' outputs, in any order.</param>
    /// <param name="replaces">Whether an output that is there is replaced.</param>
    /// <param name="cancellation">Stops; nothing is left then.</param>
    /// <exception cref="ArgumentException">A shard is missing, not complete, changed or of another task: all faults together; nothing was written.</exception>
    /// <exception cref="InvalidDataException">A shard is damaged; nothing was written.</exception>
    /// <exception cref="IOException">A file cannot be read or written.</exception>
    public static Result Run(string output, IReadOnlyList<string> parts, bool replaces, CancellationToken cancellation = default)
    {
        var shards = Checked(output, parts, replaces);
        var rows = new List<RowReader>();
        try
        {
            shards.ForEach(shard => rows.Add(new(shard)));
            var first = rows[0];
            if (rows.Find(reader => !reader.Head.SequenceEqual(first.Head) || !reader.Tail.SequenceEqual(first.Tail)) is { } other)
            {
                throw new InvalidDataException($"{other.Name}: begins or ends otherwise than {first.Name}; annotate that shard again.");
            }

            var format = shards[0].Format;
            if (format == AnnotationFormat.Parquet)
            {
                // What reads a row takes it for one of ours.
                shards.ForEach(shard => shard.Check());
                AnnotationParquet.Write(output, Joined().Select(row => Encoding.UTF8.GetString(row.Span).TrimEnd('\n')), new LabelSet([.. shards[0].Types]));
            }
            else
            {
                AtomicFile.Write(output, stream => WriteText(stream, first, Joined(), format is AnnotationFormat.Json or AnnotationFormat.LabelStudio));
            }
        }
        finally
        {
            rows.ForEach(reader => reader.Dispose());
        }

        return new(shards.Count, shards.Sum(shard => shard.Rows), shards.Sum(shard => shard.Entities), shards.Sum(shard => shard.Skipped));

        IEnumerable<ReadOnlyMemory<byte>> Joined()
        {
            for (var row = 0L; row < shards[0].InputRows; row++)
            {
                cancellation.ThrowIfCancellationRequested();
                if (rows[(int)(row % rows.Count)].Next() is { IsEmpty: false } bytes)
                {
                    yield return bytes;
                }
            }

            // Before the output gets its name.
            foreach (var reader in rows)
            {
                reader.CheckEnd();
            }

            AnnotationPart.CheckFree(output, replaces);
        }
    }

    private static void WriteText(Stream stream, RowReader frame, IEnumerable<ReadOnlyMemory<byte>> rows, bool isArray)
    {
        stream.Write(frame.Head);
        var isFirst = true;
        foreach (var row in rows)
        {
            // In an array the first row of each shard stands behind no comma.
            var bare = isArray && row.Span[0] == ',' ? row[1..] : row;
            stream.Write(isArray && !isFirst ? ","u8 : []);
            stream.Write(bare.Span);
            isFirst = false;
        }

        stream.Write(frame.Tail);
    }

    private static List<AnnotationShard> Checked(string output, IReadOnlyList<string> parts, bool replaces)
    {
        var faults = new List<string>();
        if (Directory.Exists(output))
        {
            faults.Add($"{output}: is a folder; name a file in it.");
        }
        else if (File.Exists(output) && !replaces)
        {
            faults.Add($"{output}: exists already and was left as it is. Name another output, or have it replaced.");
        }

        var whole = InRealFolder(output);
        if (parts.FirstOrDefault(part => AnnotationShard.FilesOf(InRealFolder(part)).Contains(whole)) is { } own)
        {
            faults.Add($"{output}: belongs to the part {own}; the joined output goes into a file of its own.");
        }

        if (parts.Count == 0)
        {
            faults.Add($"{output}: no parts lie beside it; expected outputs of shards whose names begin with {Path.GetFileNameWithoutExtension(output)} "
                + $"and end with {Path.GetExtension(output)}. Name the parts.");
        }

        var shards = new List<AnnotationShard>();
        foreach (var path in parts.DistinctBy(Path.GetFullPath))
        {
            try
            {
                shards.Add(AnnotationShard.Read(path));
            }
            catch (InvalidDataException fault)
            {
                faults.Add(fault.Message);
            }
        }

        faults.AddRange(Misfits(shards, faults.Count > 0));
        if (shards.Count > 0 && Path.GetExtension(output) is var ending && shards.All(shard => Path.GetExtension(shard.Path) != ending)
            && new AnnotationSettings { Inputs = [], Output = output }.FormatOfEnding is { } other && other != shards[0].Format)
        {
            faults.Add($"{output}: its ending says {other}, the parts are {shards[0].Format}; joining does not convert.");
        }

        return faults.Count == 0 ? [.. shards.OrderBy(shard => shard.Number)] : throw new ArgumentException(string.Join('\n', faults));
    }

    /// <summary>A file's path by which it is the same however its folder is spelled: links on the way to it are followed.</summary>
    private static string InRealFolder(string path)
    {
        var (folder, name) = (Path.GetDirectoryName(Path.GetFullPath(path)), Path.GetFileName(Path.GetFullPath(path)));
        return folder is null ? Path.GetFullPath(path) : Path.Combine(Real(folder), name);

        static string Real(string folder)
        {
            var here = Path.GetDirectoryName(folder) is { } above ? Path.Combine(Real(above), Path.GetFileName(folder)) : folder;
            return Directory.Exists(here) && Directory.ResolveLinkTarget(here, returnFinalTarget: true) is { } target ? Real(target.FullName) : here;
        }
    }

    /// <summary>What keeps shards, each complete in itself, from being one whole.</summary>
    private static IEnumerable<string> Misfits(List<AnnotationShard> shards, bool hasFaults)
    {
        if (shards.Count == 0)
        {
            yield break;
        }

        // What most are parts of; a foreign one is named beside it.
        var first = shards.GroupBy(shard => (shard.Count, shard.InputHash, string.Join('\n', shard.Maker))).MaxBy(group => group.Count())!.First();
        foreach (var shard in shards)
        {
            var differing = shard.Maker.Select(pair => pair.Key).Union(first.Maker.Select(pair => pair.Key))
                .Where(key => !JsonNode.DeepEquals(shard.Task[key], first.Task[key])).ToList();
            if (differing.Count > 0)
            {
                yield return $"{shard.Path}: is of another task than {first.Path}: "
                    + string.Join("; ", differing.Select(key =>
                        $"{key} is {AnnotationPart.Shown(shard.Task[key])} there, {AnnotationPart.Shown(first.Task[key])} here")) + ".";
            }
            else if (shard.Count != first.Count)
            {
                yield return Invariant($"{shard.Path}: is part {shard.Number} of {shard.Count}, {first.Path} is one of {first.Count}.");
            }
            else if (shard.InputHash != first.InputHash || shard.InputRows != first.InputRows || !shard.Types.SequenceEqual(first.Types))
            {
                yield return Invariant($"{shard.Path}: is of another input than {first.Path}, or the input changed between them: ")
                    + Invariant($"{shard.InputRows} rows of {AnnotationPart.Shown(shard.Task["input"])} there, ")
                    + Invariant($"{first.InputRows} of {AnnotationPart.Shown(first.Task["input"])} here.");
            }
        }

        var fitting = shards.Where(shard => shard.Count == first.Count).ToList();
        foreach (var twice in fitting.GroupBy(shard => shard.Number).Where(group => group.Count() > 1))
        {
            yield return Invariant($"Part {twice.Key} of {first.Count} is there more than once: {string.Join(", ", twice.Select(shard => shard.Path))}.");
        }

        var there = fitting.Select(shard => shard.Number).ToHashSet();
        if (first.Count - there.Count is > 0 and var missing)
        {
            // A record may say any number of parts: no more of them are gone through than are named.
            const int Most = 20;
            yield return Invariant($"Missing{(hasFaults ? " among complete parts" : "")}: ")
                + string.Join(", ", Enumerable.Range(1, first.Count).Where(number => !there.Contains(number)).Take(Most)
                    .Select(number => Invariant($"{number}/{first.Count}")))
                + (missing > Most ? Invariant($" and {missing - Most} more") : "") + ". A part is made by annotate with --shard I/N.";
        }
    }

    /// <summary>Reads a shard's rows one after another, and whether they are what was written.</summary>
    private sealed class RowReader : IDisposable
    {
        private readonly AnnotationShard _shard;
        private readonly FileStream _rows;
        private readonly FileStream _sizes;
        private readonly XxHash128 _hash = new();
        private byte[] _buffer = new byte[1 << 12];

        public RowReader(AnnotationShard shard)
        {
            _shard = shard;
            _rows = File.OpenRead(shard.RowsPath);
            _sizes = File.OpenRead(AnnotationShard.SizesOf(shard.Path));
            if (AnnotationShard.HashOf(_sizes) != shard.SizesHash)
            {
                Dispose();
                throw AnnotationShard.Damaged(_sizes.Name);
            }

            _sizes.Position = 0;
            _rows.Position = shard.EndOfRows;
            Tail = Read((int)(shard.Bytes - shard.EndOfRows)).ToArray();
            _rows.Position = 0;
            Head = Read((int)shard.FirstRow).ToArray();
            _hash.Append(Head);
        }

        public string Name => _shard.Path;

        public byte[] Head { get; }

        public byte[] Tail { get; }

        /// <summary>The next row of the shard, empty where nothing was written; valid until the next call.</summary>
        public ReadOnlyMemory<byte> Next()
        {
            Span<byte> four = stackalloc byte[sizeof(int)];
            _sizes.ReadExactly(four);
            var size = BinaryPrimitives.ReadInt32LittleEndian(four);
            if (size < 0 || size > _shard.EndOfRows - _rows.Position)
            {
                throw AnnotationShard.Damaged(_shard.RowsPath);
            }

            var row = Read(size);
            _hash.Append(row.Span);
            return row;
        }

        /// <summary>After the last row: whether all was read as it was written.</summary>
        public void CheckEnd()
        {
            _hash.Append(Tail);
            if (_rows.Position != _shard.EndOfRows || AnnotationShard.Hex(_hash) != _shard.Hash)
            {
                throw AnnotationShard.Damaged(_shard.RowsPath);
            }
        }

        public void Dispose()
        {
            _rows.Dispose();
            _sizes.Dispose();
        }

        private ReadOnlyMemory<byte> Read(int size)
        {
            if (size > _buffer.Length)
            {
                _buffer = new byte[Math.Max(size, Math.Min(2 * _buffer.Length, 1 << 24))];
            }

            _rows.ReadExactly(_buffer, 0, size);
            return _buffer.AsMemory(0, size);
        }
    }
}
