using System.Text.Json;
using NotebookLib.Platform;

namespace NotebookLib.Data;

/// <summary>
/// The rows of a JSON file: the entries of an array, or the values that stand one behind another. One is in memory at a time, and none may be larger than a
/// limit, so that a bomb cannot fill the memory.
/// </summary>
internal sealed class JsonElements(Stream stream, int maxElementBytes)
{
    private static readonly JsonReaderOptions Options =
        new() { AllowMultipleValues = true, AllowTrailingCommas = true, CommentHandling = JsonCommentHandling.Skip };

    private readonly ReadAhead _ahead = new(stream);
    private JsonReaderState _state = new(Options);
    private bool _isInArray;
    private bool _hasSkippedMark;

    /// <summary>The next row as a document of its own; null at the end.</summary>
    /// <exception cref="JsonException">The JSON is broken.</exception>
    /// <exception cref="InvalidDataException">The packed data is damaged, or a row is too large.</exception>
    public JsonDocument? Next()
    {
        while (true)
        {
            var (document, needsMore) = Step();
            if (!needsMore)
            {
                return document;
            }

            if (_ahead.Bytes.Length > maxElementBytes)
            {
                throw new InvalidDataException($"one entry is longer than {maxElementBytes} bytes; write JSON lines, one sentence a line");
            }

            if (!_ahead.Fill() && _ahead.Bytes.IsEmpty && !_isInArray)
            {
                return null;
            }
        }
    }

    private (JsonDocument? Document, bool NeedsMore) Step()
    {
        SkipMark();
        var bytes = _ahead.Bytes;
        if (_ahead.IsAtEnd && !_isInArray && bytes.Span.IndexOfAnyExcept(" \t\r\n"u8) < 0)
        {
            return (null, false);
        }

        var reader = new Utf8JsonReader(bytes.Span, _ahead.IsAtEnd, _state);
        while (reader.Read())
        {
            if (reader.TokenType == JsonTokenType.StartArray && reader.CurrentDepth == 0)
            {
                _isInArray = true;
            }
            else if (reader.TokenType == JsonTokenType.EndArray && reader.CurrentDepth == 0)
            {
                _isInArray = false;
            }
            else
            {
                var start = (int)reader.TokenStartIndex;
                if (!reader.TrySkip())
                {
                    return (null, true);
                }

                var row = bytes[start..(int)reader.BytesConsumed];
                Keep(reader);
                return (StrictJson.Parse(row), false);
            }

            Keep(reader);
        }

        if (_ahead.IsAtEnd && _isInArray)
        {
            throw new JsonException("the array does not end; was the file cut off?");
        }

        return (null, !_ahead.IsAtEnd);

        void Keep(in Utf8JsonReader reader)
        {
            _state = reader.CurrentState;
            _ahead.Take((int)reader.BytesConsumed - (bytes.Length - _ahead.Bytes.Length));
        }
    }

    private void SkipMark()
    {
        if (!_hasSkippedMark && _ahead.Bytes.Length >= 3)
        {
            _hasSkippedMark = true;
            _ahead.Take(_ahead.Bytes.Span.StartsWith("\uFEFF"u8) ? 3 : 0);
        }
    }
}
