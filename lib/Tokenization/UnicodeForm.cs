using System.Globalization;

namespace NotebookLib.Tokenization;

/// <summary>
/// Unicode's four normalisation forms with a record of what became of each character. .NET's own <c>string.Normalize</c> gives no such record, knows another
/// version of Unicode than the reference, and does nothing where a host runs without ICU. Order of the steps: the library that huggingface/tokenizers uses
/// (unicode-normalization-alignments, decompose.rs and recompose.rs, 9ca6960); the data are made by data/unicode/make.py.
/// </summary>
/// <param name="isCompatible">NFKC and NFKD.</param>
/// <param name="isComposed">NFC and NFKC.</param>
internal sealed class UnicodeForm(bool isCompatible, bool isComposed)
{
    private const int HangulFirst = 0xAC00, LeadingFirst = 0x1100, VowelFirst = 0x1161, TrailingFirst = 0x11A7;
    private const int Leadings = 19, Vowels = 21, Trailings = 28;
    private const int HangulEnd = HangulFirst + (Leadings * Vowels * Trailings);

    // No character below has a class, decomposes, or is the second half of a composition.
    private readonly int _firstAffected = isCompatible ? 0xA0 : isComposed ? 0x300 : 0xC0;

    /// <summary>A mark of any kind, of those that Unicode 9.0 has.</summary>
    public static bool IsMark(int rune) => Tables.IsMark(rune);

    /// <summary>The text in this form.</summary>
    public AlignedText Normalize(AlignedText text)
    {
        foreach (var (rune, _, _) in text.Characters)
        {
            if (rune >= _firstAffected)
            {
                var decomposed = Decompose(text);
                return text.Rewrite(isComposed ? Compose(decomposed) : decomposed);
            }
        }

        return text;
    }

    private List<AlignedText.Change> Decompose(AlignedText text)
    {
        var changes = new List<AlignedText.Change>(text.Length + 8);
        var pending = 0;
        foreach (var (rune, _, _) in text.Characters)
        {
            if (rune is >= HangulFirst and < HangulEnd)
            {
                var (syllable, trailing) = ((rune - HangulFirst) / Trailings, (rune - HangulFirst) % Trailings);
                Add(LeadingFirst + (syllable / Vowels), 0);
                Add(VowelFirst + (syllable % Vowels), 1);
                if (trailing > 0)
                {
                    Add(TrailingFirst + trailing, 1);
                }
            }
            else if (Tables.DecompositionOf(rune, isCompatible) is { } parts)
            {
                for (var part = 0; part < parts.Length; part++)
                {
                    Add(parts[part], part == 0 ? 0 : 1);
                }
            }
            else
            {
                Add(rune, 0);
            }
        }

        SortPending();
        return changes;

        void Add(int rune, int difference)
        {
            if (Tables.ClassOf(rune) == 0)
            {
                SortPending();
                pending = changes.Count + 1;
            }

            changes.Add(new(rune, difference));
        }

        // Marks behind a base letter stand in the order of their classes; those of one class stay as they were.
        void SortPending()
        {
            if (changes.Count - pending > 1)
            {
                var marks = changes[pending..].OrderBy(mark => Tables.ClassOf(mark.Rune)).ToList();
                changes.RemoveRange(pending, marks.Count);
                changes.AddRange(marks);
            }
        }
    }

    private static List<AlignedText.Change> Compose(List<AlignedText.Change> decomposed)
    {
        var composed = new List<AlignedText.Change>(decomposed.Count);
        var (starter, lastClass) = (-1, 0);
        foreach (var change in decomposed)
        {
            var kind = Tables.ClassOf(change.Rune);
            // A mark of the same or a higher class in between blocks the way to the starter, and so does any mark for a starter.
            var isBlocked = starter < 0 || (composed.Count - 1 > starter && lastClass >= kind);
            if (!isBlocked && Tables.Compose(composed[starter].Rune, change.Rune) is { } both)
            {
                composed[starter] = new(both, composed[starter].Difference + change.Difference - 1);
                continue;
            }

            if (kind == 0)
            {
                starter = composed.Count;
            }

            lastClass = kind;
            composed.Add(change);
        }

        return composed;
    }

    /// <summary>What the forms need of Unicode 9.0.</summary>
    private static class Tables
    {
        private static readonly Dictionary<int, byte> s_classes = [];
        private static readonly HashSet<int> s_marks = [];
        private static readonly Dictionary<int, int[]> s_canonical = [];
        private static readonly Dictionary<int, int[]> s_compatible = [];
        private static readonly Dictionary<(int, int), int> s_pairs = [];

        static Tables()
        {
            using var stream = typeof(UnicodeForm).Assembly.GetManifestResourceStream("Tokenization/unicode-9.txt")!;
            using var reader = new StreamReader(stream);
            while (reader.ReadLine() is { } line)
            {
                var parts = line.Split(' ');
                switch (parts[1])
                {
                    case ":":
                        foreach (var rune in Range(parts[0]))
                        {
                            s_classes[rune] = byte.Parse(parts[2], CultureInfo.InvariantCulture);
                        }

                        break;
                    case "^":
                        s_marks.UnionWith(Range(parts[0]));
                        break;
                    case "~":
                        s_compatible[Hex(parts[0])] = [.. parts[2..].Select(Hex)];
                        break;
                    default:
                        s_canonical[Hex(parts[0])] = [.. parts[2..].Select(Hex)];
                        if (parts[1] == "=")
                        {
                            s_pairs[(Hex(parts[2]), Hex(parts[3]))] = Hex(parts[0]);
                        }

                        break;
                }
            }

            foreach (var rune in s_canonical.Keys.Concat(s_compatible.Keys).ToList())
            {
                s_compatible[rune] = [.. Whole(rune, isCompatible: true)];
            }

            foreach (var rune in s_canonical.Keys.ToList())
            {
                s_canonical[rune] = [.. Whole(rune, isCompatible: false)];
            }
        }

        public static int ClassOf(int rune) => rune < 0x300 ? 0 : s_classes.GetValueOrDefault(rune);

        public static bool IsMark(int rune) => rune >= 0x300 && s_marks.Contains(rune);

        public static int[]? DecompositionOf(int rune, bool isCompatible) =>
            rune < 0xA0 ? null : (isCompatible ? s_compatible : s_canonical).GetValueOrDefault(rune);

        public static int? Compose(int first, int second)
        {
            var (leading, vowel, trailing) = (first - LeadingFirst, second - VowelFirst, second - TrailingFirst);
            return leading is >= 0 and < Leadings && vowel is >= 0 and < Vowels ? HangulFirst + (((leading * Vowels) + vowel) * Trailings)
                : first is >= HangulFirst and < HangulEnd && (first - HangulFirst) % Trailings == 0 && trailing is > 0 and < Trailings ? first + trailing
                : s_pairs.TryGetValue((first, second), out var both) ? both : null;
        }

        private static IEnumerable<int> Whole(int rune, bool isCompatible) =>
            s_canonical.TryGetValue(rune, out var parts) || (isCompatible && s_compatible.TryGetValue(rune, out parts))
                ? parts.SelectMany(part => Whole(part, isCompatible)) : [rune];

        private static IEnumerable<int> Range(string ends) =>
            ends.Split('-') is [var first, .. var last] ? Enumerable.Range(Hex(first), last.Length == 0 ? 1 : Hex(last[0]) - Hex(first) + 1) : [];

        private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
