using System.Collections.Frozen;

namespace NotebookLib.Data;

/// <summary>
/// The labels of a task in IOB2 form: id 0 is <c>O</c>, then <c>B-</c>, <c>I-</c> of each entity type (odd ids begin, even ids continue).
/// The aligner's arithmetic relies on that order, so no other order can be made.
/// </summary>
public sealed class LabelSet
{
    private readonly FrozenDictionary<string, int> _ids;

    /// <summary>Makes the label set of the given entity types, in their order.</summary>
    /// <param name="types">Entity types without prefix, for instance <c>PER</c>; each once.</param>
    /// <exception cref="ArgumentException">A type is empty or named twice.</exception>
    public LabelSet(IEnumerable<string> types)
    {
        ArgumentNullException.ThrowIfNull(types);
        Types = [.. types];
        if (Types.FirstOrDefault(string.IsNullOrWhiteSpace) is not null)
        {
            throw new ArgumentException("An entity type is empty; expected names such as PER.", nameof(types));
        }

        if (Types.GroupBy(type => type, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new ArgumentException($"Entity type {twice.Key} is named {twice.Count()} times; expected each once.", nameof(types));
        }

        Names = ["O", .. Types.SelectMany(type => (string[])["B-" + type, "I-" + type])];
        _ids = Names.Select((name, id) => (name, id)).ToFrozenDictionary(pair => pair.name, pair => pair.id, StringComparer.Ordinal);
    }

    /// <summary>System A: all fifteen types of MultiNERD, 31 labels, ids as the data set numbers them.</summary>
    public static LabelSet SystemA { get; } = new(
        ["PER", "ORG", "LOC", "ANIM", "BIO", "CEL", "DIS", "EVE", "FOOD", "INST", "MEDIA", "MYTH", "PLANT", "TIME", "VEHI"]);

    /// <summary>System B: five types, 11 labels; every other type becomes O before alignment.</summary>
    public static LabelSet SystemB { get; } = new(["PER", "ORG", "LOC", "ANIM", "DIS"]);

    /// <summary>Entity types in id order, without prefix.</summary>
    public IReadOnlyList<string> Types { get; }

    /// <summary>Label names by id: O, B-type, I-type, …</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>Number of labels, the classifier's width.</summary>
    public int Count => Names.Count;

    /// <summary>The id of a label name, or null when this set does not have it.</summary>
    public int? FindId(string name) => _ids.TryGetValue(name, out var id) ? id : null;

    /// <summary>
    /// For each id of this set, the id of the same label in <paramref name="target"/>, or 0 (O) when the target lacks the type.
    /// <c>SystemA.MapTo(SystemB)</c> is the original's mapping: 0–8 stay, 13→9, 14→10, all others → 0.
    /// </summary>
    public IReadOnlyList<int> MapTo(LabelSet target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return [.. Names.Select(name => target.FindId(name) ?? 0)];
    }
}
