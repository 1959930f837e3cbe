using NotebookLib.Data;

namespace NotebookLib.Metrics;

/// <summary>
/// Numbers tags as a <see cref="LabelSet"/> does (0 is O, 2t + 1 begins type t, 2t + 2 continues it), so that label ids are codes already;
/// types that come as text and are not known yet are numbered as they appear.
/// </summary>
internal sealed class TagCodes
{
    private readonly List<string> _types = [];
    private readonly Dictionary<string, int> _codes = new(StringComparer.Ordinal) { ["O"] = 0 };

    public TagCodes(LabelSet? labels = null)
    {
        foreach (var name in labels?.Names ?? [])
        {
            Encode(name);
        }
    }

    public IReadOnlyList<string> Types => _types;

    public static int TypeOf(int code) => (code - 1) >> 1;

    public static bool Begins(int code) => (code & 1) == 1;

    /// <exception cref="ArgumentException">The tag is neither O nor B-type nor I-type.</exception>
    public int Encode(string tag)
    {
        if (_codes.TryGetValue(tag, out var known))
        {
            return known;
        }

        if (!IsIob(tag))
        {
            throw new ArgumentException($"'{tag}' is no IOB2 tag; expected O, B-TYPE or I-TYPE.", nameof(tag));
        }

        // seqeval 1.2.2 get_entities: everything behind the first hyphen; a tag without a type is of type "_".
        var type = tag.Length > 2 ? tag[2..] : "_";
        var index = _types.IndexOf(type);
        if (index < 0)
        {
            index = _types.Count;
            _types.Add(type);
        }

        return _codes[tag] = (2 * index) + (tag[0] == 'B' ? 1 : 2);
    }

    private static bool IsIob(string tag) => tag.Length > 0 && tag[0] is 'B' or 'I' && (tag.Length == 1 || tag[1] == '-');
}
