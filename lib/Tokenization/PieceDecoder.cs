using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Tokenization;

/// <summary>Joins pieces to text as the <c>decoder</c> of a tokenizer.json says (huggingface/tokenizers, tokenizers/src/decoders, 02cc5359).</summary>
internal static class PieceDecoder
{
    /// <summary>SentencePiece's: ▁ becomes a space, but nothing in the first piece.</summary>
    public static string JoinMarked(IEnumerable<string> pieces) =>
        string.Concat(pieces.Select((piece, index) => index == 0 ? piece.Replace("▁", "", StringComparison.Ordinal) : piece.Replace('▁', ' ')));

    /// <summary>Reads a decoder.</summary>
    /// <param name="json">Its description.</param>
    /// <param name="unknown">Makes the error for a part that is not known.</param>
    public static Func<IEnumerable<string>, string> Read(JsonElement json, Func<string, Exception> unknown)
    {
        var steps = StepsOf(json, unknown).ToList();
        return pieces => string.Concat(steps.Aggregate(pieces.ToList(), (current, step) => step(current)));
    }

    private static IEnumerable<Func<List<string>, List<string>>> StepsOf(JsonElement json, Func<string, Exception> unknown)
    {
        var type = json.GetProperty("type").GetString();
        switch (type)
        {
            case "Sequence":
                return json.GetProperty("decoders").EnumerateArray().SelectMany(step => StepsOf(step, unknown));
            case "Metaspace":
                var mark = json.GetProperty("replacement").Text();
                var keepsFirst = json.TryGetProperty("prepend_scheme", out var scheme)
                    ? scheme.GetString() == "never" : json.TryGetProperty("add_prefix_space", out var prefix) && !prefix.GetBoolean();
                return [pieces => [.. pieces.Select((piece, at) => piece.Replace(mark, at == 0 && !keepsFirst ? "" : " ", StringComparison.Ordinal))]];
            case "Replace" when json.GetProperty("pattern").TryGetProperty("String", out var sought) && sought.GetString() is { Length: > 0 } text:
                var content = json.GetProperty("content").Text();
                return [pieces => [.. pieces.Select(piece => piece.Replace(text, content, StringComparison.Ordinal))]];
            case "Fuse":
                return [pieces => [string.Concat(pieces)]];
            case "ByteFallback":
                return [BytesToText];
            case "Strip":
                var (stripped, start, stop) =
                    (json.GetProperty("content").Text() is [var only] ? only : throw unknown("its decoder strips a text that is no single character"),
                        json.GetProperty("start").GetInt32(), json.GetProperty("stop").GetInt32());
                return [pieces => [.. pieces.Select(piece => StripUpTo(piece, stripped, start, stop))]];
            default:
                throw unknown($"its decoder has the part {type}");
        }
    }

    private static string StripUpTo(string piece, char stripped, int start, int stop)
    {
        var (from, to) = (0, piece.Length);
        while (from < start && from < to && piece[from] == stripped)
        {
            from++;
        }

        while (piece.Length - to < stop && to > from && piece[to - 1] == stripped)
        {
            to--;
        }

        return piece[from..to];
    }

    /// <summary>Runs of byte pieces become the text that they spell, or U+FFFD for each where they spell none (decoders/byte_fallback.rs).</summary>
    private static List<string> BytesToText(List<string> pieces)
    {
        var texts = new List<string>(pieces.Count);
        var bytes = new List<byte>();
        foreach (var piece in pieces)
        {
            if (piece.Length == 6 && piece.StartsWith("<0x", StringComparison.Ordinal) && piece[5] == '>'
                && byte.TryParse(piece.AsSpan(3, 2), System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture,
                    out var value))
            {
                bytes.Add(value);
                continue;
            }

            Flush();
            texts.Add(piece);
        }

        Flush();
        return texts;

        void Flush()
        {
            var spelled = bytes.ToArray();
            texts.AddRange(System.Text.Unicode.Utf8.IsValid(spelled)
                ? [System.Text.Encoding.UTF8.GetString(spelled)] : Enumerable.Repeat("\uFFFD", spelled.Length));
            bytes.Clear();
        }
    }
}
