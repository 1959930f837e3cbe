using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace NotebookLib.Tokenization;

/// <summary>
/// What tokenizer.json looks for: a text, or a regular expression of the Oniguruma library, whose spelling is turned into .NET's; what has no counterpart is
/// refused.
/// </summary>
internal sealed class TextPattern
{
    // Only expressions that NonBacktracking cannot take, those that look ahead or behind, could need long, and only on hostile text.
    private static readonly TimeSpan LongestMatch = TimeSpan.FromSeconds(20);

    private readonly int[]? _text;
    private readonly Regex? _expression;

    // Every published normaliser's expressions are such.
    private readonly bool _takesOnlyWhiteSpace;

    private TextPattern(int[]? text, Regex? expression)
    {
        (_text, _expression) = (text, expression);
        _takesOnlyWhiteSpace = expression is not null && !expression.IsMatch("")
            && Regex.IsMatch(expression.ToString(), @"\A(\\[snrtfv]| |\[(\\[snrtfv]| )+\]|[|+]|\{[0-9]+,?[0-9]*\})+\z", RegexOptions.NonBacktracking);
    }

    /// <summary>A text as it stands.</summary>
    /// <exception cref="NotSupportedException">It is empty.</exception>
    public static TextPattern Literal(string text) =>
        text.Length > 0 ? new([.. text.EnumerateRunes().Select(rune => rune.Value)], null) : throw new NotSupportedException("an empty pattern");

    /// <summary>A regular expression.</summary>
    /// <param name="pattern">In Oniguruma's spelling.</param>
    /// <exception cref="NotSupportedException">It is none, or has no counterpart here; the message says why.</exception>
    public static TextPattern Expression(string pattern)
    {
        var translated = new OnigurumaTranslation(pattern).Translate();
        const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.Multiline;
        try
        {
            return new(null, new Regex(translated, Options | RegexOptions.NonBacktracking, LongestMatch));
        }
        catch (NotSupportedException)
        {
            return new(null, new Regex(translated, Options, LongestMatch));
        }
        catch (ArgumentException error)
        {
            throw new NotSupportedException($"\"{pattern}\" is no regular expression ({error.Message})", error);
        }
    }

    /// <summary>True when no text of printable ASCII with this character in it can match; for the space, when none can in which spaces stand alone.</summary>
    public bool IsSafe(char character) =>
        _text is not null ? !_text.Contains(character) : _takesOnlyWhiteSpace && (character != ' ' || !_expression!.IsMatch("a b"));

    /// <summary>False when a look at the characters shows that nothing matches.</summary>
    public bool MayMatch(AlignedText text)
    {
        if (!_takesOnlyWhiteSpace)
        {
            return true;
        }

        foreach (var (rune, _, _) in text.Characters)
        {
            if (CharacterKinds.IsWhiteSpace(rune))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Cuts a text at its matches.</summary>
    /// <returns>Every stretch, matching or not, in order.</returns>
    public List<AlignedText.Stretch> Cut(AlignedText text)
    {
        var stretches = new List<AlignedText.Stretch>();
        var end = 0;
        foreach (var (from, to) in _text is null ? MatchesOf(_expression!, text) : MatchesOf(_text, text))
        {
            if (from > end)
            {
                stretches.Add(new(end, from, IsMatch: false));
            }

            stretches.Add(new(from, to, IsMatch: true));
            end = to;
        }

        if (end < text.Length)
        {
            stretches.Add(new(end, text.Length, IsMatch: false));
        }

        return stretches;
    }

    private static List<(int From, int To)> MatchesOf(int[] sought, AlignedText text)
    {
        var matches = new List<(int, int)>();
        var characters = text.Characters;
        for (var at = 0; at <= characters.Length - sought.Length; at++)
        {
            var length = 0;
            while (length < sought.Length && characters[at + length].Rune == sought[length])
            {
                length++;
            }

            if (length == sought.Length)
            {
                matches.Add((at, at + length));
                at += length - 1;
            }
        }

        return matches;
    }

    private static List<(int From, int To)> MatchesOf(Regex expression, AlignedText text)
    {
        var matches = new List<(int, int)>();
        var end = -1;
        foreach (var match in expression.EnumerateMatches(OneUnitEach(text)))
        {
            // An empty match right behind another one does not count (onig's FindMatches).
            if (match.Length > 0 || match.Index != end)
            {
                matches.Add((match.Index, match.Index + match.Length));
            }

            end = match.Index + match.Length;
        }

        return matches;
    }

    /// <summary>.NET matches UTF-16 units: a character beyond them is stood in for by one of its category, so that places stay places of characters.</summary>
    private static string OneUnitEach(AlignedText text) => string.Create(text.Length, text, (units, source) =>
    {
        for (var at = 0; at < units.Length; at++)
        {
            var rune = source.Characters[at].Rune;
            units[at] = rune <= char.MaxValue ? (char)rune : CharacterKinds.CategoryOf(rune) switch
            {
                UnicodeCategory.UppercaseLetter => 'Ꙁ',
                UnicodeCategory.LowercaseLetter => 'ꙁ',
                UnicodeCategory.ModifierLetter => 'ꚜ',
                UnicodeCategory.OtherLetter => 'ꀀ',
                UnicodeCategory.NonSpacingMark => '\uA66F',
                UnicodeCategory.SpacingCombiningMark => '\uA823',
                UnicodeCategory.DecimalDigitNumber => '꘠',
                UnicodeCategory.LetterNumber => 'ꛦ',
                UnicodeCategory.OtherNumber => '꠰',
                UnicodeCategory.OtherPunctuation => '꓾',
                UnicodeCategory.MathSymbol => '⨀',
                UnicodeCategory.OtherSymbol => '꒐',
                UnicodeCategory.Format => '\u2061',
                UnicodeCategory.PrivateUse => '\uE000',
                _ => '\u0378',
            };
        }
    });

    /// <summary>Goes through a pattern once.</summary>
    private sealed class OnigurumaTranslation(string pattern)
    {
        // Letters in circles count as letters; raised digits and fractions of Latin-1 only outside of a class, where the library looks at a table of its own.
        private const string WordMembers = @"\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\u24B6-\u24E9";
        private const string WordCharacters = WordMembers + @"\u00B2\u00B3\u00B9\u00BC-\u00BE";
        private readonly StringBuilder _translated = new();
        private int _at;
        private bool _isInClass;

        public string Translate()
        {
            while (_at < pattern.Length)
            {
                var character = pattern[_at];
                if (char.IsSurrogate(character))
                {
                    throw Unknown("a character beyond U+FFFF");
                }

                if (character == '\\')
                {
                    TranslateEscape();
                }
                else if (_isInClass)
                {
                    TranslateMember(character);
                }
                else
                {
                    TranslateOutside(character);
                }
            }

            return _translated.ToString();
        }

        private void TranslateMember(char character)
        {
            var rest = pattern.AsSpan(_at);
            if (character == '[' || rest.StartsWith("&&"))
            {
                throw Unknown("a class within a class");
            }

            Copy(1);
            _isInClass = character != ']';
        }

        private void TranslateOutside(char character)
        {
            var rest = pattern.AsSpan(_at);
            if (character == '[')
            {
                // A bracket that comes first is a member.
                Copy(rest.StartsWith("[^]") ? 3 : rest.StartsWith("[]") || rest.StartsWith("[^") ? 2 : 1);
                _isInClass = true;
                return;
            }

            if (character is '*' or '+' or '?' && rest.Length > 1 && rest[1] == '+')
            {
                throw Unknown("a possessive quantifier");
            }

            if (rest.StartsWith("{,"))
            {
                _translated.Append("{0,");
                _at += 2;
            }
            else if (rest.StartsWith("(?"))
            {
                TranslateGroup(rest);
            }
            else
            {
                Copy(1);
            }
        }

        private void TranslateGroup(ReadOnlySpan<char> rest)
        {
            var options = Regex.Match(rest.ToString(), @"\A\(\?([imx]*)(?:-([imx]+))?([:)])", RegexOptions.CultureInvariant);
            if (options.Success)
            {
                // Ruby's m lets the dot match a line's end: .NET's s.
                _translated.Append(options.Value.Replace('m', 's'));
                _at += options.Length;
                return;
            }

            if (!(rest.Length > 2 && rest[2] is '=' or '!' or '<' or '>' or '#'))
            {
                throw Unknown($"the group {rest[..Math.Min(3, rest.Length)]}");
            }

            Copy(3);
        }

        private void TranslateEscape()
        {
            var next = _at + 1 < pattern.Length ? pattern[_at + 1] : throw Unknown("a backslash at its end");
            var rest = pattern[_at..];
            switch (next)
            {
                case 'w':
                    Put(_isInClass ? WordMembers : $"[{WordCharacters}]", 2);
                    break;
                case 'W' when !_isInClass:
                    Put($"[^{WordCharacters}]", 2);
                    break;
                case 'h':
                    Put(_isInClass ? "0-9A-Fa-f" : "[0-9A-Fa-f]", 2);
                    break;
                case 'H' when !_isInClass:
                    Put("[^0-9A-Fa-f]", 2);
                    break;
                case 'x' when Regex.Match(rest, @"\A\\x\{([0-9A-Fa-f]{1,4})\}") is { Success: true } point:
                    Put(@"\u" + point.Groups[1].Value.PadLeft(4, '0'), point.Length);
                    break;
                case 'p' or 'P' when Regex.Match(rest, @"\A\\([pP])\{(\^?)(\w+)\}") is { Success: true } property:
                    Put(PropertyOf(property), property.Length);
                    break;
                case 'd' or 'D' or 's' or 'S' or 'n' or 'r' or 't' or 'f' or 'v' or 'a' or 'e' or 'b' or 'B' or 'A' or 'z' or 'Z' or 'x' or 'u':
                case var other when !char.IsAsciiLetter(other) && !char.IsSurrogate(other):
                    Copy(2);
                    break;
                default:
                    throw Unknown($"\\{next}");
            }
        }

        private string PropertyOf(Match property)
        {
            var isNegated = (property.Groups[1].Value == "P") != (property.Groups[2].Length > 0);
            var name = property.Groups[3].Value switch
            {
                "Letter" => "L",
                "Mark" => "M",
                "Number" => "N",
                "Punctuation" => "P",
                "Symbol" => "S",
                "Separator" => "Z",
                "Other" => "C",
                var given when Regex.IsMatch(given, @"\A(L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfson]?)\z") => given,
                var given => throw Unknown($"\\p{{{given}}}"),
            };
            return $@"\{(isNegated ? 'P' : 'p')}{{{name}}}";
        }

        private void Put(string text, int length)
        {
            _translated.Append(text);
            _at += length;
        }

        private void Copy(int length)
        {
            _translated.Append(pattern, _at, length);
            _at += length;
        }

        private NotSupportedException Unknown(string part) => new($"the regular expression \"{pattern}\" has {part}");
    }
}
