using System.Globalization;
using System.Text;

namespace NotebookLib.SampleMaker.Grammar;

/// <summary>What a draw may use.</summary>
/// <param name="Held">Entries of this share are drawn with <paramref name="HeldProbability"/>, else training's.</param>
/// <param name="HeldProbability">0 for training; validation and test mix known and unknown names.</param>
/// <param name="IsUnlabelled">Draw from all entries that unlabelled text may mention instead.</param>
public sealed record Drawing(Share Held, double HeldProbability, bool IsUnlabelled = false);

/// <summary>
/// Expands one shape into text with marks around entities: <c>\u0001LOC\u0002 Mount Cook \u0003</c>. One instance makes one sentence: it remembers
/// the persons that <c>#1</c> names and the sentence's own "he" or "she".
/// </summary>
public sealed class Expander(GrammarFiles grammar, SplitMix random, Drawing drawing)
{
    /// <summary>Stands before an entity's type.</summary>
    public const char EntityStart = '\u0001';

    /// <summary>Stands between an entity's type and its words.</summary>
    public const char EntityText = '\u0002';

    /// <summary>Stands behind an entity.</summary>
    public const char EntityEnd = '\u0003';

    private const int DeepestNesting = 40;
    private readonly bool _isFemale = random.Chance(0.5);
    private readonly Dictionary<string, bool> _personIsFemale = [];
    private readonly HashSet<Entry> _drawn = [];
    private readonly StringBuilder _text = new();
    private int _entityDepth;
    private int _depth;

    /// <summary>Expands a template.</summary>
    /// <exception cref="FormatException">A reference names neither a rule nor a list.</exception>
    public string Expand(Template template)
    {
        ArgumentNullException.ThrowIfNull(template);
        Write(template);
        return _text.ToString();
    }

    private void Write(Template template)
    {
        if (++_depth > DeepestNesting)
        {
            throw new FormatException($"\"{template.Source}\": rules nest deeper than {DeepestNesting}; does one refer to itself?");
        }

        foreach (var part in template.Parts)
        {
            Write(part);
        }

        _depth--;
    }

    private void Write(Part part)
    {
        switch (part)
        {
            case Literal literal:
                _text.Append(literal.Text);
                break;
            case Choice choice:
                Write(random.Pick(choice.Alternatives));
                break;
            case Labelled labelled:
                WriteEntity(labelled.Type, () => Write(labelled.Inside));
                break;
            case Number number:
                _text.Append(Spell(number));
                break;
            case Reference reference:
                WriteReference(reference);
                break;
        }
    }

    private void WriteEntity(string? type, Action writeWords)
    {
        // The outermost label counts: in <LOC Mount {PER.last}> the name is no person.
        var isOutermost = type is not null && _entityDepth == 0;
        if (isOutermost)
        {
            _text.Append(EntityStart).Append(type).Append(EntityText);
        }

        _entityDepth += type is null ? 0 : 1;
        writeWords();
        _entityDepth -= type is null ? 0 : 1;
        if (isOutermost)
        {
            _text.Append(EntityEnd);
        }
    }

    private void WriteReference(Reference reference)
    {
        switch (reference.Name)
        {
            case "person":
                WritePerson(reference.Key is { } key ? IsFemale(key) : DrawIsFemale());
                return;
            case "woman" or "man":
                _personIsFemale[reference.Key ?? ""] = reference.Name == "woman";
                WritePerson(reference.Name == "woman");
                return;
            case "he" or "his" or "him":
                _text.Append(Pronoun(reference.Name, reference.Key is { } person ? IsFemale(person) : _isFemale));
                return;
        }

        if (grammar.Rules.TryGetValue(reference.Name, out var alternatives))
        {
            Write(random.Pick(alternatives));
        }
        else if (grammar.Lists.TryGetValue(reference.Name, out var list))
        {
            var entry = Draw(list);
            WriteEntity(list.Type, () => _text.Append(reference.IsPlural ? entry.Plural : entry.Text));
        }
        else
        {
            throw new FormatException($"{{{reference.Name}}} is neither a rule nor a word list.");
        }
    }

    private void WritePerson(bool isFemale) => Write(random.Pick(grammar.Rules[isFemale ? "woman" : "man"]));

    /// <summary>Decided at the first mention, which may be the pronoun: "in her youth, Ada Brown …".</summary>
    private bool IsFemale(string key)
    {
        if (!_personIsFemale.TryGetValue(key, out var isFemale))
        {
            _personIsFemale[key] = isFemale = DrawIsFemale();
        }

        return isFemale;
    }

    private bool DrawIsFemale() => random.Chance(0.4);

    /// <summary>Draws an entry that the sentence has not used yet, if a few tries find one: "from Syria to Syria" says nothing.</summary>
    private Entry Draw(WordList list)
    {
        var entry = DrawAny(list);
        for (var tries = 0; tries < 8 && !_drawn.Add(entry); tries++)
        {
            entry = DrawAny(list);
        }

        return entry;
    }

    private Entry DrawAny(WordList list)
    {
        if (drawing.IsUnlabelled)
        {
            return random.Pick(list.Mentioned);
        }

        var held = list.Of(drawing.Held);
        return random.Pick(drawing.Held != Share.Train && held.Count > 0 && random.Chance(drawing.HeldProbability) ? held : list.Of(Share.Train));
    }

    private string Spell(Number number)
    {
        var value = number.Lowest + random.Below(number.Highest - number.Lowest + 1);
        return number.Form switch
        {
            "ordinal" => English.Ordinal(value),
            "thousands" => value.ToString("N0", CultureInfo.InvariantCulture),
            "decimal" => (value + (random.Below(10) / 10.0)).ToString("0.0", CultureInfo.InvariantCulture),
            _ => value.ToString(CultureInfo.InvariantCulture),
        };
    }

    private static string Pronoun(string name, bool isFemale) => (name, isFemale) switch
    {
        ("he", true) => "she",
        ("his" or "him", true) => "her",
        _ => name,
    };
}
