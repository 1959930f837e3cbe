using System.Text;

namespace NotebookLib.SampleMaker.Model;

/// <summary>Puts a sentence's words together as people write them: no blank before a full stop, none inside brackets or quotes.</summary>
public static class WrittenText
{
    private static readonly HashSet<string> AttachedLeft = [".", ",", ";", ":", "?", "!", ")", "'s", "'", "%"];
    private static readonly HashSet<string> AttachedRight = ["(", "$", "€", "£"];

    /// <summary>The sentence as one string.</summary>
    public static string Of(IReadOnlyList<string> words)
    {
        ArgumentNullException.ThrowIfNull(words);
        var text = new StringBuilder();
        var isQuoteOpen = false;
        var glue = true;
        foreach (var word in words)
        {
            var closesQuote = word == "\"" && isQuoteOpen;
            if (!glue && !closesQuote && !AttachedLeft.Contains(word))
            {
                text.Append(' ');
            }

            text.Append(word);
            glue = AttachedRight.Contains(word) || (word == "\"" && !isQuoteOpen);
            isQuoteOpen ^= word == "\"";
        }

        return text.ToString();
    }
}
