namespace NotebookLib.SampleMaker.Grammar;

/// <summary>The little English that a grammar needs: plurals, articles, ordinals.</summary>
public static class English
{
    /// <summary>Regular plural of the last word; irregular ones stand in the lists.</summary>
    public static string Plural(string text) => text switch
    {
        [.., 's' or 'x' or 'z'] or [.., 'c' or 's', 'h'] => text + "es",
        [.., not ('a' or 'e' or 'i' or 'o' or 'u'), 'y'] => text[..^1] + "ies",
        _ => text + "s",
    };

    /// <summary>"a" or "an" before a word, by how it sounds: an hour, a university, an F-16, an 11th.</summary>
    public static string ArticleBefore(string next)
    {
        ArgumentNullException.ThrowIfNull(next);
        return SoundsLikeVowel(next) ? "an" : "a";
    }

    /// <summary>1st, 2nd, 3rd, 4th, 11th.</summary>
    public static string Ordinal(int number) => number + ((number % 100) is >= 11 and <= 13 ? "th" : (number % 10) switch
    {
        1 => "st",
        2 => "nd",
        3 => "rd",
        _ => "th",
    });

    private static bool SoundsLikeVowel(string word)
    {
        if (char.IsAsciiDigit(word[0]))
        {
            // Eight, eighty-one, eleven, eighteen, eighteen hundred and seventy.
            var digits = word.TakeWhile(char.IsAsciiDigit).Count();
            return word[0] == '8' || (digits is 2 or 4 && word[..2] is ("11" or "18"));
        }

        if (IsSpelledOut(word))
        {
            return "AEFHILMNORSX".Contains(word[0], StringComparison.Ordinal);
        }

        var lower = word.ToLowerInvariant();
        return StartsWithAny(lower, "hour", "honest", "honour", "heir")
            || ("aeiouéöüåáó".Contains(lower[0], StringComparison.Ordinal)
                && !StartsWithAny(lower, "u-", "uni", "use", "usu", "uter", "uru", "ukr", "uku", "utr", "uto", "ural", "ura", "eu", "ewe", "one", "once"));
    }

    /// <summary>HMS, F-16, XC90: the first letter is read by its name.</summary>
    private static bool IsSpelledOut(string word) =>
        char.IsAsciiLetterUpper(word[0]) && (word.Length == 1 || !word.Any(char.IsLower)) && word is not ("NASA" or "NATO" or "FIFA" or "SEAT");

    private static bool StartsWithAny(string word, params ReadOnlySpan<string> prefixes)
    {
        foreach (var prefix in prefixes)
        {
            if (word.StartsWith(prefix, StringComparison.Ordinal))
            {
                return true;
            }
        }

        return false;
    }
}
