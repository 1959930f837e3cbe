using NotebookLib.Metrics;

namespace NotebookLib.Tests.Metrics;

public class ReportTextTests
{
    [Theory]
    // Exact ties go to the even digit, as in Python: f"{0.125:.2f}" is 0.12, f"{0.375:.2f}" is 0.38.
    [InlineData(0.125, 2, "0.12")]
    [InlineData(0.375, 2, "0.38")]
    [InlineData(0.0625, 3, "0.062")]
    [InlineData(0.1875, 3, "0.188")]
    [InlineData(0.5, 0, "0")]
    [InlineData(1.5, 0, "2")]
    // No tie in binary, whatever it looks like in decimal: 0.285 lies just below.
    [InlineData(0.285, 2, "0.28")]
    [InlineData(0.615, 2, "0.61")]
    [InlineData(0.9996, 3, "1.000")]
    [InlineData(0, 4, "0.0000")]
    [InlineData(1, 3, "1.000")]
    [InlineData(0.3333333333333333, 15, "0.333333333333333")]
    [InlineData(5e-324, 2, "0.00")]
    public void Numbers_are_rounded_as_Python_rounds_them(double value, int digits, string expected) => Assert.Equal(expected, ReportText.Fixed(value, digits));

    [Fact]
    public void Columns_are_as_wide_as_the_longest_name()
    {
        var report = SequenceScores.Compute([["B-a_very_long_type_name"]], [["B-a_very_long_type_name"]], EntityScheme.Lenient).ToReport(2);

        Assert.Equal(
            "                       precision    recall  f1-score   support\n\n"
            + "a_very_long_type_name       1.00      1.00      1.00         1\n\n"
            + "            micro avg       1.00      1.00      1.00         1\n"
            + "            macro avg       1.00      1.00      1.00         1\n"
            + "         weighted avg       1.00      1.00      1.00         1\n",
            report);
    }

    [Fact]
    public void Without_entities_the_averages_stand_alone()
    {
        var report = SequenceScores.Compute([["O"]], [["O"]], EntityScheme.Lenient).ToReport(1);

        Assert.Equal(
            "              precision    recall  f1-score   support\n\n\n"
            + "   micro avg        0.0       0.0       0.0         0\n"
            + "   macro avg        0.0       0.0       0.0         0\n"
            + "weighted avg        0.0       0.0       0.0         0\n",
            report);
    }

    [Fact]
    public void Many_digits_widen_the_first_column_and_a_letter_counts_once()
    {
        // scikit-learn: the width is the largest of the names', "weighted avg"'s and the number of digits.
        var report = SequenceScores.Compute([["B-𝛼"]], [["B-𝛼"]], EntityScheme.Lenient).ToReport(14).Split('\n');

        Assert.Equal("                precision    recall  f1-score   support", report[0]);
        Assert.Equal("             𝛼  1.00000000000000 1.00000000000000 1.00000000000000         1", report[2]);
        Assert.Equal("  weighted avg  1.00000000000000 1.00000000000000 1.00000000000000         1", report[^2]);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(16)]
    public void Digits_out_of_range_are_refused(int digits) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => SequenceScores.Compute([["O"]], [["O"]], EntityScheme.Lenient).ToReport(digits));
}
