using System.Globalization;

namespace NotebookLib.SampleMaker.Grammar;

/// <summary>Reads the notation of shapes and rules; see <c>rules.txt</c> for a description.</summary>
public sealed class TemplateParser
{
    private static readonly string[] NumberForms = ["int", "ordinal", "thousands", "decimal"];
    private readonly string _source;
    private int _at;

    private TemplateParser(string source) => _source = source;

    /// <summary>Parses one line.</summary>
    /// <exception cref="FormatException">A bracket is left open or a reference makes no sense; the message quotes the line.</exception>
    public static Template Parse(string source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var parser = new TemplateParser(source);
        var template = parser.ParseUntil("");
        return parser._at == source.Length ? template : throw parser.Fault($"\"{source[parser._at]}\" closes nothing");
    }

    private Template ParseUntil(string closers)
    {
        var start = _at;
        var parts = new List<Part>();
        while (_at < _source.Length && !closers.Contains(_source[_at], StringComparison.Ordinal))
        {
            parts.Add(_source[_at] switch
            {
                '{' => ParseReference(),
                '[' => ParseChoice(),
                '<' => ParseLabelled(),
                '}' or ']' or '>' => throw Fault($"\"{_source[_at]}\" closes nothing"),
                _ => ParseLiteral(closers),
            });
        }

        return new(_source[start.._at], parts);
    }

    private Literal ParseLiteral(string closers)
    {
        var start = _at;
        while (_at < _source.Length && !"{[<}]>".Contains(_source[_at], StringComparison.Ordinal) && !closers.Contains(_source[_at], StringComparison.Ordinal))
        {
            _at++;
        }

        return new(_source[start.._at]);
    }

    private Choice ParseChoice()
    {
        _at++;
        var alternatives = new List<Template> { ParseUntil("|]") };
        while (_at < _source.Length && _source[_at] == '|')
        {
            _at++;
            alternatives.Add(ParseUntil("|]"));
        }

        Close(']');
        return new(alternatives);
    }

    private Labelled ParseLabelled()
    {
        var blank = _source.IndexOf(' ', _at);
        if (blank < 0)
        {
            throw Fault("\"<\" needs a type and a blank behind it");
        }

        var type = _source[(_at + 1)..blank];
        _at = blank + 1;
        var inside = ParseUntil(">");
        Close('>');
        return new(type, inside);
    }

    private Part ParseReference()
    {
        var end = _source.IndexOf('}', _at);
        if (end < 0)
        {
            throw Fault("\"{\" is never closed");
        }

        var inside = _source[(_at + 1)..end];
        _at = end + 1;
        if (inside.Split(' ') is [var form, var lowest, var highest] && NumberForms.Contains(form))
        {
            return new Number(form, int.Parse(lowest, CultureInfo.InvariantCulture), int.Parse(highest, CultureInfo.InvariantCulture));
        }

        var key = inside.Split('#') is [_, var named] ? named : null;
        var name = inside.Split('#')[0];
        return name.EndsWith("+s", StringComparison.Ordinal) ? new Reference(name[..^2], true, key) : new Reference(name, false, key);
    }

    private void Close(char bracket)
    {
        if (_at >= _source.Length || _source[_at] != bracket)
        {
            throw Fault($"\"{bracket}\" is missing");
        }

        _at++;
    }

    private FormatException Fault(string problem) => new($"Cannot read the line \"{_source}\": {problem} at character {_at + 1}.");
}
