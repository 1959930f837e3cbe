using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using NotebookLib.Data;
using NotebookLib.Platform;

namespace NotebookLib.Bench.Inputs;

/// <summary>Writes sentences as text that <see cref="SentenceReader"/> reads back; <see cref="ParquetSentences"/> writes Parquet.</summary>
internal static class SentenceWriter
{
    // The content is data, not HTML: words stay readable (é, not \u00E9).
    private static readonly JsonWriterOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes MultiNERD's JSON lines (<c>tokens</c>, <c>ner_tags</c> as ids, <c>lang</c>), atomically.</summary>
    /// <param name="path">The target.</param>
    /// <param name="sentences">The rows, taken one at a time.</param>
    /// <param name="labels">The label set that the ids belong to.</param>
    /// <param name="language">Value of <c>lang</c>.</param>
    /// <exception cref="ArgumentException">A sentence's lengths differ, or a tag is not of <paramref name="labels"/>.</exception>
    public static void WriteJsonLines(string path, IEnumerable<Sentence> sentences, LabelSet labels, string language = "en") => AtomicFile.Write(path, stream =>
    {
        foreach (var sentence in sentences)
        {
            sentence.ThrowIfUnfit(labels);
            using (var json = new Utf8JsonWriter(stream, Readable))
            {
                WriteObject(json, sentence, language);
            }

            stream.WriteByte((byte)'\n');
        }
    });

    /// <summary>Writes CoNLL: word, tab, tag name a line, a blank line behind each sentence; atomically.</summary>
    /// <inheritdoc cref="WriteJsonLines" path="/param"/>
    /// <exception cref="ArgumentException">A sentence is unfit (see <see cref="WriteJsonLines"/>), is empty, or has a word with a tab or a line end, which
    /// CoNLL cannot hold.</exception>
    public static void WriteConll(string path, IEnumerable<Sentence> sentences, LabelSet labels) => AtomicFile.Write(path, stream =>
    {
        using var text = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true), 1 << 16,
            leaveOpen: true);
        text.NewLine = "\n";
        foreach (var sentence in sentences)
        {
            sentence.ThrowIfUnfit(labels);
            ThrowIfNotConll(sentence);
            for (var i = 0; i < sentence.Words.Count; i++)
            {
                text.WriteLine($"{sentence.Words[i]}\t{labels.Names[sentence.Tags[i]]}");
            }

            text.WriteLine();
        }
    });

    private static void WriteObject(Utf8JsonWriter json, Sentence sentence, string language)
    {
        json.WriteStartObject();
        json.WriteStartArray("tokens");
        foreach (var word in sentence.Words)
        {
            json.WriteStringValue(word);
        }

        json.WriteEndArray();
        json.WriteStartArray("ner_tags");
        foreach (var tag in sentence.Tags)
        {
            json.WriteNumberValue(tag);
        }

        json.WriteEndArray();
        json.WriteString("lang", language);
        json.WriteEndObject();
    }

    private static void ThrowIfNotConll(Sentence sentence)
    {
        if (sentence.Words.Count == 0 || sentence.Words.Any(word => word.AsSpan().ContainsAny("\t\n\r")))
        {
            throw new ArgumentException($"{sentence.Named}: CoNLL cannot hold it: it is empty, or a word has a tab or a line end; "
                + "write JSON lines or Parquet.");
        }
    }
}
