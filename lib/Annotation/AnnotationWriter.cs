using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using NotebookLib.Data;
using NotebookLib.Html;
using NotebookLib.Inference;

namespace NotebookLib.Annotation;

/// <summary>Writes annotated texts in the forms that are text, row by row: what stands before the first and behind the last makes the file whole.</summary>
/// <param name="format">The form. Parquet, which is no text, is made of JSON lines with words and tags at the end (<see cref="AnnotationParquet"/>).</param>
/// <param name="labels">Names the tags.</param>
/// <param name="model">What tagged the texts, for people.</param>
internal sealed class AnnotationWriter(AnnotationFormat format, LabelSet labels, string model)
{
    // The content is data, not HTML: texts stay readable (é, not \u00E9).
    private static readonly JsonSerializerOptions Readable =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    private readonly bool _countsUtf16 = format is AnnotationFormat.Doccano or AnnotationFormat.LabelStudio;

    private bool IsArray => format is AnnotationFormat.Json or AnnotationFormat.LabelStudio;

    /// <summary>Writes what stands before the first row.</summary>
    public void Begin(Stream stream) => Write(stream, format switch
    {
        AnnotationFormat.Json or AnnotationFormat.LabelStudio => "[",
        AnnotationFormat.Csv => "file,line,text,entities,tokens,ner_tags\n",
        AnnotationFormat.Html => Head(),
        _ => "",
    });

    /// <summary>Writes a row.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="row">Where the text stood.</param>
    /// <param name="tagged">The text with what was found.</param>
    /// <param name="isFirst">Whether no row stands before it.</param>
    /// <exception cref="InvalidDataException">The form cannot hold it: a word with a tab or a line end in CoNLL.</exception>
    public void Write(Stream stream, in TextRow row, TaggedText tagged, bool isFirst)
    {
        if (format is AnnotationFormat.Conll or AnnotationFormat.Csv or AnnotationFormat.Html)
        {
            Write(stream, format switch { AnnotationFormat.Conll => Conll(tagged), AnnotationFormat.Csv => Csv(row, tagged), _ => Html(row, tagged) });
            return;
        }

        Write(stream, IsArray ? isFirst ? "\n" : ",\n" : "");
        JsonSerializer.Serialize(stream, Shape(row, tagged), Readable);
        Write(stream, IsArray ? "" : "\n");
    }

    /// <summary>Writes what stands behind the last row.</summary>
    public void End(Stream stream) => Write(stream, format switch
    {
        AnnotationFormat.Json or AnnotationFormat.LabelStudio => "\n]\n",
        AnnotationFormat.Html => "</main></body></html>\n",
        _ => "",
    });

    private static void Write(Stream stream, string text) => stream.Write(Encoding.UTF8.GetBytes(text));

    /// <summary>A row as the tool that reads it knows it.</summary>
    private object Shape(in TextRow row, TaggedText tagged)
    {
        var counter = new CharacterCounter(tagged.Text, _countsUtf16);
        return format switch
        {
            AnnotationFormat.LabelStudio => new
            {
                data = new { text = tagged.Text },
                predictions = new[] { Prediction(tagged, counter) },
                meta = new { file = row.File, line = row.Line, offset = row.Offset },
            },
            AnnotationFormat.Doccano => new
            {
                text = tagged.Text,
                label = tagged.Entities.Select(entity => new object[] { counter[entity.Start], counter[entity.End], entity.Type }),
                file = row.File,
                line = row.Line,
                offset = row.Offset,
            },
            AnnotationFormat.Spacy => new
            {
                text = tagged.Text,
                ents = tagged.Entities.Select(entity => new { start = counter[entity.Start], end = counter[entity.End], label = entity.Type }),
                tokens = SpacyTokens(tagged).Select((token, id) => new { id, start = counter[token.Start], end = counter[token.End] }),
            },
            _ => new
            {
                text = tagged.Text,
                entities = Entities(tagged, counter),
                tokens = row.Words is not null || format == AnnotationFormat.Parquet ? tagged.Sentence.Words : null,
                ner_tags = row.Words is not null || format == AnnotationFormat.Parquet ? Tags(tagged) : null,
                file = row.File,
                line = row.Line,
                offset = row.Offset,
            },
        };
    }

    private static object Entities(TaggedText tagged, CharacterCounter counter) => tagged.Entities.Select(entity => new
    {
        start = counter[entity.Start],
        end = counter[entity.End],
        type = entity.Type,
        score = Rounded(entity.Score),
        text = entity.Text,
    });

    private IEnumerable<string> Tags(TaggedText tagged) => tagged.Sentence.Tags.Select(tag => labels.Names[tag]);

    private static decimal Rounded(float score) => Math.Round((decimal)score, 5);

    private object Prediction(TaggedText tagged, CharacterCounter counter) => new
    {
        model_version = model,
        score = tagged.Entities.Count > 0 ? Rounded(tagged.Entities.Min(entity => entity.Score)) : (decimal?)null,
        result = tagged.Entities.Select((entity, index) => new
        {
            id = Invariant($"e{index}"),
            from_name = "label",
            to_name = "text",
            type = "labels",
            score = Rounded(entity.Score),
            value = new { start = counter[entity.Start], end = counter[entity.End], text = entity.Text, labels = new[] { entity.Type } },
        }),
    };

    /// <summary>
    /// spaCy rebuilds the text of its tokens: a space behind a token is the token's, all other white space is a token of its own, and an entity begins and ends
    /// where tokens do.
    /// </summary>
    private static IEnumerable<(int Start, int End)> SpacyTokens(TaggedText tagged)
    {
        var next = 0;
        foreach (var (start, end) in Tokens(tagged))
        {
            if (start > next)
            {
                yield return (next, start);
            }

            yield return (start, end);
            next = end < tagged.Text.Length && tagged.Text[end] == ' ' ? end + 1 : end;
        }

        if (next < tagged.Text.Length)
        {
            yield return (next, tagged.Text.Length);
        }
    }

    private static IEnumerable<(int Start, int End)> Tokens(TaggedText tagged)
    {
        var edges = tagged.Entities.SelectMany(entity => (int[])[entity.Start, entity.End]).Distinct().Order().ToList();
        var next = 0;
        foreach (var (start, end) in tagged.Places.Where(place => place.End > place.Start))
        {
            var from = start;
            while (next < edges.Count && edges[next] <= start)
            {
                next++;
            }

            for (; next < edges.Count && edges[next] < end; next++)
            {
                yield return (from, edges[next]);
                from = edges[next];
            }

            yield return (from, end);
        }
    }

    private string Conll(TaggedText tagged)
    {
        var text = new StringBuilder();
        for (var word = 0; word < tagged.Sentence.Words.Count; word++)
        {
            var letters = tagged.Sentence.Words[word];
            if (letters.Length == 0 || letters.AsSpan().ContainsAny("\t\n\r"))
            {
                throw new InvalidDataException($"word {word + 1} is empty or has a tab or a line end, which CoNLL cannot hold; write JSON lines or Parquet.");
            }

            text.Append(letters).Append('\t').Append(labels.Names[tagged.Sentence.Tags[word]]).Append('\n');
        }

        return text.Length == 0 ? "" : text.Append('\n').ToString();
    }

    private string Csv(in TextRow row, TaggedText tagged)
    {
        var counter = new CharacterCounter(tagged.Text, countsUtf16: false);
        return $"{Cell(CsvText.Harmless(row.File))},{row.Line.ToString(CultureInfo.InvariantCulture)},{Cell(CsvText.Harmless(tagged.Text))},"
            + $"{Cell(Json(Entities(tagged, counter)))},{Cell(Json(tagged.Sentence.Words))},{Cell(Json(Tags(tagged)))}\n";

        static string Cell(string text) => $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

        static string Json(object value) => JsonSerializer.Serialize(value, Readable);
    }

    private string Html(in TextRow row, TaggedText tagged) =>
        $"<section><div class=\"where\">{Markup.Escape(Invariant($"{row.File}:{row.Line}"))}</div>"
            + $"{EntityMarkup.ToHtml(tagged.Text, tagged.Entities, labels.Types)}</section>\n";

    private string Head()
    {
        var types = string.Join(
            ' ', labels.Types.Select(type => $"<mark class=\"{EntityMarkup.ClassOf(type, labels.Types)}\"><b>{Markup.Escape(type)}</b></mark>"));
        return $$"""
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{{PagePolicy.WithoutScripts}}">
            <meta name="viewport" content="width=device-width,initial-scale=1"><meta name="color-scheme" content="light dark"><title>Entities by {{Markup.Escape(model)}}</title>
            <style>
            :root { color-scheme: light dark }
            body { margin: 2em auto; max-width: 60em; padding: 0 1em; font-family: system-ui, "Segoe UI", Roboto, sans-serif; background: light-dark(#fff, #16181d); color: light-dark(#1f2328, #e3e6ea) }
            h1 { font-size: 1.25em } header { border-bottom: 1px solid rgba(128,128,128,.4); padding-bottom: .8em; line-height: 2.1 }
            section { padding: .5em 0; border-bottom: 1px solid rgba(128,128,128,.18); content-visibility: auto; contain-intrinsic-size: auto 4em } .where { opacity: .74; font-size: .78em }
            {{EntityMarkup.Style}}
            </style></head><body><header><h1>Entities by {{Markup.Escape(model)}}</h1>{{types}}</header><main>

            """;
    }
}

/// <summary>Places of a .NET string as another tool counts them.</summary>
internal readonly struct CharacterCounter
{
    private readonly int[]? _places;

    /// <summary>Prepares the counting.</summary>
    /// <param name="text">The text.</param>
    /// <param name="countsUtf16">True for UTF-16 units, as JavaScript counts; false for characters, as Python does: a surrogate pair is one.</param>
    public CharacterCounter(string text, bool countsUtf16)
    {
        if (countsUtf16 || text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF') < 0)
        {
            return;
        }

        _places = new int[text.Length + 1];
        for (var at = 0; at < text.Length; at++)
        {
            _places[at + 1] = _places[at] + (at > 0 && char.IsSurrogatePair(text[at - 1], text[at]) ? 0 : 1);
        }
    }

    /// <summary>The place, counted so.</summary>
    /// <param name="place">In UTF-16 units, not within a pair.</param>
    public int this[int place] => _places is null ? place : _places[place];
}
