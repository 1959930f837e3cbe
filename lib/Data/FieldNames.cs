using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>What people and tools call the parts of a row: columns of tables, fields of JSON objects. The first name that a file has is taken.</summary>
internal static class FieldNames
{
    public static readonly IReadOnlyList<string> Words =
        ["tokens", "words", "token", "word", "forms", "form", "tokenized_text", "sentence_tokens", "tokenized_sentence", "sentence", "text", "orth"];

    public static readonly IReadOnlyList<string> Tags =
    [
        "ner_tags", "ner", "tags", "labels", "ner_labels", "named_entities", "entities", "entity_tags", "entity", "token_labels", "word_labels", "bio_tags",
        "iob_tags", "iob2_tags", "bio", "iob",
        "iob2", "tag", "label", "ner_tag", "ner_label", "ne", "ne_tags", "ne_tag", "fine_ner_tags", "coarse_ner_tags", "target", "ner_tags_str", "tags_str",
    ];

    public static readonly IReadOnlyList<string> Text = ["text", "content", "sentence", "document", "data", "raw", "body"];

    public static readonly IReadOnlyList<string> Spans = ["label", "labels", "entities", "spans", "annotations", "ents", "ner", "named_entities", "entity"];

    public static readonly IReadOnlyList<string> Language = ["lang", "language"];

    public static readonly IReadOnlyList<string> Sentence =
        ["sentence #", "sentence#", "sentence_id", "sentence id", "sentenceid", "sentence_idx", "sentence_no", "sentence_nr", "sent_id", "sentid", "sent_idx",
            "sentence", "sent", "row_id", "id"];

    /// <summary>Chunks as CoNLL-2000 and CoNLL-2003 have them: tags of the same form as entities', in a column of their own.</summary>
    public static readonly IReadOnlySet<string> Chunks =
        new HashSet<string>(["NP", "VP", "PP", "ADVP", "ADJP", "SBAR", "PRT", "CONJP", "INTJ", "LST", "UCP", "PC", "NC", "VC", "AC"], StringComparer.Ordinal);

    /// <summary>The keys under which CoNLL-U's last column may hold a word's tag.</summary>
    public static readonly IReadOnlyList<string> MiscKeys =
        ["ner", "ne", "ner_tag", "nertag", "named_entity", "namedentity", "entity", "bio", "iob", "tag", "label"];

    /// <summary>The first of the known names that is among those found, in the file's own spelling.</summary>
    public static string? First(IReadOnlyList<string> known, IEnumerable<string> found)
    {
        var names = found.ToList();
        foreach (var name in known)
        {
            if (names.Find(candidate => Same(candidate, name)) is { } match)
            {
                return match;
            }
        }

        return null;
    }

    public static bool Same(string found, string known) => found.Trim().Trim('\uFEFF').Equals(known, StringComparison.OrdinalIgnoreCase);

    /// <summary>The names that a file has, in a message.</summary>
    public static string Listed(IEnumerable<string> found)
    {
        var names = found.Select(text => Excerpt.Of(text)).ToList();
        return names.Count == 0 ? "nothing" : string.Join(", ", names.Take(20)) + (names.Count > 20 ? $" and {names.Count - 20} more" : "");
    }
}
