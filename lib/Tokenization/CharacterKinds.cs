using System.Globalization;
using System.Text;

namespace NotebookLib.Tokenization;

/// <summary>The kinds of characters that the fast tokenizer tells apart, as Rust's standard library and its regular expressions define them.</summary>
internal static class CharacterKinds
{
    /// <summary>White_Space.</summary>
    public static bool IsWhiteSpace(int rune) => Rune.IsWhiteSpace(new Rune(rune));

    /// <summary>A number of any kind: digits, letters that stand for numbers, fractions.</summary>
    public static bool IsNumeric(int rune) => Rune.IsNumber(new Rune(rune));

    /// <summary>Punctuation, and ASCII's symbols.</summary>
    public static bool IsPunctuation(int rune) =>
        rune < 128 ? rune > ' ' && rune < 127 && !char.IsAsciiLetterOrDigit((char)rune) : Rune.IsPunctuation(new Rune(rune));

    /// <summary>\w: letters, marks, digits, connectors, and the joiners.</summary>
    public static bool IsWord(int rune) => CategoryOf(rune) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter
            or UnicodeCategory.OtherLetter
            or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark
            or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation => true,
        UnicodeCategory.Format => rune is 0x200C or 0x200D,
        UnicodeCategory.OtherSymbol =>
            rune is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189),
        _ => false,
    };

    /// <summary>A mark that takes no place of its own.</summary>
    public static bool IsNonSpacingMark(int rune) => CategoryOf(rune) == UnicodeCategory.NonSpacingMark;

    /// <summary>Control, format and private characters, but not the three that count as white space.</summary>
    public static bool IsControl(int rune) => rune is not ('\t' or '\n' or '\r')
        && CategoryOf(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;

    /// <summary>An ideograph, as BERT counts them.</summary>
    public static bool IsIdeograph(int rune) =>
        rune is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF) or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F)
        or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF) or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);

    /// <summary>The general category.</summary>
    public static UnicodeCategory CategoryOf(int rune) => CharUnicodeInfo.GetUnicodeCategory(rune);
}
