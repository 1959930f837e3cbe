namespace NotebookLib.Data;

/// <summary>Turns the tags of a file, ids or names, into ids of the wanted label set, or says what is wrong with them.</summary>
internal sealed class TagTable
{
    private readonly LabelSet _source;
    private readonly IReadOnlyList<int> _map;
    private readonly UnknownTypes _unknownTypes;

    public TagTable(LabelSet source, LabelSet? target, UnknownTypes unknownTypes)
    {
        _source = source;
        _map = source.MapTo(target ?? source);
        _unknownTypes = unknownTypes;
    }

    /// <returns>What is wrong, or null.</returns>
    public string? TryMap(long id, out int mapped)
    {
        if (id < 0 || id >= _map.Count)
        {
            mapped = 0;
            return Invariant($"tag id {id} is out of range; expected 0 to {_map.Count - 1} ({Known}).");
        }

        mapped = _map[(int)id];
        return null;
    }

    /// <inheritdoc cref="TryMap(long, out int)"/>
    public string? TryMap(string name, out int mapped)
    {
        mapped = 0;
        if (_source.FindId(name) is { } id)
        {
            mapped = _map[id];
            return null;
        }

        if (!LooksLikeTag(name))
        {
            return $"'{Excerpt(name)}' is no IOB2 tag; expected O, or B- or I- and one of {Known}.";
        }

        return _unknownTypes == UnknownTypes.Outside ? null
            : $"unknown tag '{Excerpt(name)}'; expected O, or B- or I- and one of {Known}. Name your types (in a notebook: types), or read unknown ones as O (otherTypes = \"outside\", UnknownTypes.Outside).";
    }

    /// <summary>O, or B- or I- followed by a type, known or not.</summary>
    public static bool LooksLikeTag(ReadOnlySpan<char> name) => name is "O" or ['B' or 'I', '-', _, ..];

    /// <summary>A piece of foreign text that is fit for a message: short, on one line.</summary>
    public static string Excerpt(string text)
    {
        var head = text.Length > 40 ? text[..40] + "…" : text;
        return string.Concat(head.Select(c => char.IsControl(c) ? '\uFFFD' : c));
    }

    private string Known => string.Join(' ', _source.Types);
}
