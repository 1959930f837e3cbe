using System.Globalization;
using System.Numerics;
using System.Text;

namespace NotebookLib.Metrics;

/// <summary>Lays scores out as seqeval's <c>classification_report</c> does (1.2.2, seqeval/reporters.py StringReporter).</summary>
internal static class ReportText
{
    private const int MaxDigits = 15;

    public static string Format(SequenceScores scores, int digits)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(digits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(digits, MaxDigits);
        var width = scores.Types.Select(row => LengthOf(row.Name)).Append("weighted avg".Length).Append(digits).Max();
        var text = new StringBuilder();
        text.Append(' ', width + 1).Append(" precision    recall  f1-score   support\n\n");
        foreach (var row in scores.Types)
        {
            AppendRow(text, row, width, digits);
        }

        text.Append('\n');
        AppendRow(text, scores.Micro, width, digits);
        AppendRow(text, scores.Macro, width, digits);
        AppendRow(text, scores.Weighted, width, digits);
        return text.ToString();
    }

    /// <summary>
    /// A number as Python's <c>f"{value:.{digits}f}"</c>: the exact binary value, ties to even. .NET's "F" format rounds ties away from zero,
    /// and ties are common here: 1/8 with two digits is 0.12 in Python, 0.13 in .NET.
    /// </summary>
    /// <param name="value">Not negative, finite.</param>
    /// <param name="digits">Digits behind the decimal point.</param>
    internal static string Fixed(double value, int digits)
    {
        // value = mantissa * 2^exponent exactly.
        var bits = BitConverter.DoubleToInt64Bits(value);
        var biasedExponent = (int)(bits >> 52);
        BigInteger mantissa = (bits & ((1L << 52) - 1)) | (biasedExponent == 0 ? 0 : 1L << 52);
        var exponent = Math.Max(biasedExponent, 1) - 1075;
        var scaled = mantissa * BigInteger.Pow(10, digits);
        var rounded = exponent >= 0 ? scaled << exponent : RoundHalfToEven(scaled, -exponent);
        var text = rounded.ToString(CultureInfo.InvariantCulture).PadLeft(digits + 1, '0');
        return digits == 0 ? text : $"{text[..^digits]}.{text[^digits..]}";
    }

    private static BigInteger RoundHalfToEven(BigInteger value, int shift)
    {
        var quotient = value >> shift;
        var remainderAgainstHalf = (value - (quotient << shift)).CompareTo(BigInteger.One << (shift - 1));
        return remainderAgainstHalf > 0 || (remainderAgainstHalf == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    private static void AppendRow(StringBuilder text, ScoreRow row, int width, int digits)
    {
        text.Append(' ', width - LengthOf(row.Name)).Append(row.Name).Append(' ');
        foreach (var score in (double[])[row.Precision, row.Recall, row.F1])
        {
            text.Append(' ').Append(Fixed(score, digits).PadLeft(9));
        }

        text.Append(CultureInfo.InvariantCulture, $" {row.Support,9}\n");
    }

    /// <summary>Length in code points, as Python counts.</summary>
    private static int LengthOf(string name) => name.EnumerateRunes().Count();
}
