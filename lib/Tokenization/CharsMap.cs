using System.Buffers.Binary;

namespace NotebookLib.Tokenization;

/// <summary>
/// SentencePiece's compiled normalisation rules (<c>precompiled_charsmap</c>): a Darts-clone double array from UTF-8 text to a position in a blob of
/// NUL-terminated replacements. Bit layout: google/sentencepiece third_party/darts_clone/darts.h; layout of the blob: src/normalizer.cc,
/// <c>DecodePrecompiledCharsMap</c>. Everything reachable is checked on reading, so look-ups cannot leave the arrays.
/// </summary>
internal sealed class CharsMap
{
    private readonly uint[] _units;
    private readonly Dictionary<int, string> _replacements = [];

    private CharsMap(uint[] units) => _units = units;

    /// <summary>Reads and checks the rules.</summary>
    /// <param name="compiled">u32 size of the double array in bytes, the double array, the replacements.</param>
    /// <param name="source">The file it came from, for messages.</param>
    /// <exception cref="InvalidDataException">The rules point outside themselves.</exception>
    public static CharsMap Read(ReadOnlySpan<byte> compiled, string source)
    {
        var size = compiled.Length < 4 ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(compiled);
        if (size is 0 || size % 4 != 0 || size > compiled.Length - 4)
        {
            throw new InvalidDataException(
                Invariant($"{source}: its normalisation rules are damaged: a table of {size:N0} bytes in {compiled.Length:N0} bytes of rules. ")
                    + "Fetch the file again.");
        }

        var units = new uint[size / 4];
        for (var unit = 0; unit < units.Length; unit++)
        {
            units[unit] = BinaryPrimitives.ReadUInt32LittleEndian(compiled[(4 + (4 * unit))..]);
        }

        var map = new CharsMap(units);
        map.ReadReplacements(compiled[(4 + (int)size)..], source);
        return map;
    }

    /// <summary>
    /// The replacement of the shortest rule that <paramref name="text"/> begins with, or null. The shortest, although SentencePiece takes the longest:
    /// that is what the fast tokenizer does (spm_precompiled 0.1.4, <c>transform</c> takes the first result).
    /// </summary>
    public string? FindShortest(ReadOnlySpan<byte> text)
    {
        var place = Offset(_units[0]);
        foreach (var label in text)
        {
            // A NUL cannot be looked up: it is the trie's own end mark.
            if (label == 0 || !TryStep(ref place, label, out var hasLeaf))
            {
                return null;
            }

            if (hasLeaf)
            {
                return _replacements[place];
            }
        }

        return null;
    }

    /// <summary>Visits every reachable node and reads the replacement of each rule.</summary>
    private void ReadReplacements(ReadOnlySpan<byte> blob, string source)
    {
        var seen = new HashSet<int>();
        var waiting = new Stack<int>();
        Visit(Offset(_units[0]));
        while (waiting.TryPop(out var place))
        {
            for (var label = 1; label <= byte.MaxValue; label++)
            {
                var next = place;
                if (!TryStep(ref next, (byte)label, out var hasLeaf))
                {
                    continue;
                }

                Visit(next);
                if (hasLeaf && !_replacements.ContainsKey(next))
                {
                    _replacements[next] = ReadReplacement(blob, _units[next] & 0x7FFF_FFFF, source);
                }
            }
        }

        void Visit(int place)
        {
            if ((uint)place >= (uint)_units.Length)
            {
                throw new InvalidDataException(Invariant($"{source}: its normalisation rules are damaged: entry {place:N0} of a table of {_units.Length:N0}. ")
                    + "Fetch the file again.");
            }

            if (seen.Add(place))
            {
                waiting.Push(place);
            }
        }
    }

    private static string ReadReplacement(ReadOnlySpan<byte> blob, uint start, string source)
    {
        var length = start < blob.Length ? blob[(int)start..].IndexOf((byte)0) : -1;
        if (length < 0 || !System.Text.Unicode.Utf8.IsValid(blob.Slice((int)start, length)))
        {
            throw new InvalidDataException(
                Invariant($"{source}: its normalisation rules are damaged: the replacement at {start:N0} is not UTF-8 text within {blob.Length:N0} bytes. ")
                    + "Fetch the file again.");
        }

        return System.Text.Encoding.UTF8.GetString(blob.Slice((int)start, length));
    }

    private bool TryStep(ref int place, byte label, out bool hasLeaf)
    {
        var node = place ^ label;
        var unit = (uint)node < (uint)_units.Length ? _units[node] : 0;
        hasLeaf = (unit & 0x100) != 0;
        if ((unit & 0x8000_00FF) != label)
        {
            return false;
        }

        place = node ^ Offset(unit);
        return true;
    }

    private static int Offset(uint unit) => (int)((unit >> 10) << (int)((unit & 0x200) >> 6));
}
