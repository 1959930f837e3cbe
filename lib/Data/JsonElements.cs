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

    private byte[] _buffer = new byte[1 << 16];
    private int _start;
    private int _end;
    private bool _atEnd;
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

            if (!Fill() && _atEnd && _start == _end && !_isInArray)
            {
                return null;
            }
        }
    }

    private (JsonDocument? Document, bool NeedsMore) Step()
    {
        SkipMark();
        var bytes = _buffer.AsMemory(_start, _end - _start);
        if (_atEnd && !_isInArray && bytes.Span.IndexOfAnyExcept(" \t\r\n"u8) < 0)
        {
            return (null, false);
        }

        var reader = new Utf8JsonReader(bytes.Span, _atEnd, _state);
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

        if (_atEnd && _isInArray)
        {
            throw new JsonException("the array does not end; was the file cut off?");
        }

        return (null, !_atEnd);

        void Keep(in Utf8JsonReader reader)
        {
            _state = reader.CurrentState;
            _start = _end - bytes.Length + (int)reader.BytesConsumed;
        }
    }

    private void SkipMark()
    {
        if (!_hasSkippedMark && _end - _start >= 3)
        {
            _hasSkippedMark = true;
            _start += _buffer.AsSpan(_start, 3).SequenceEqual("\uFEFF"u8) ? 3 : 0;
        }
    }

    private bool Fill()
    {
        if (_atEnd)
        {
            return false;
        }

        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }

        if (_end == _buffer.Length)
        {
            if (_buffer.Length > maxElementBytes)
            {
                throw new InvalidDataException($"one entry is longer than {maxElementBytes} bytes; write JSON lines, one sentence a line");
            }

            Array.Resize(ref _buffer, 2 * _buffer.Length);
        }

        var count = stream.Read(_buffer, _end, _buffer.Length - _end);
        _atEnd = count == 0;
        _end += count;
        return count > 0;
    }
}
