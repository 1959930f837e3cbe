namespace NotebookLib.Html;

/// <summary>What the host calls, by name, to learn how an <see cref="HtmlView"/> is written.</summary>
internal sealed class HtmlViewFormatterSource
{
    /// <summary>One formatter for each MIME type, each with <c>MimeType</c> and <c>Format</c>, as the convention asks.</summary>
#pragma warning disable CA1822 // The host creates an instance and calls the method on it.
    public IEnumerable<object> CreateTypeFormatters() =>
        [new ViewFormatter("text/html", view => view.ToHtml()), new ViewFormatter("text/plain", view => view.ToText())];
#pragma warning restore CA1822

    /// <summary>Writes one form of a view.</summary>
    /// <param name="mimeType">The form that this formatter writes.</param>
    /// <param name="write">Makes the text of a view.</param>
    internal sealed class ViewFormatter(string mimeType, Func<HtmlView, string> write)
    {
        /// <summary>The form that this formatter writes.</summary>
        public string MimeType { get; } = mimeType;

        /// <summary>Writes the value when it is a view.</summary>
        /// <returns>False when it is not, so that the host tries its next formatter.</returns>
        public bool Format(object value, TextWriter writer)
        {
            if (value is not HtmlView view)
            {
                return false;
            }

            writer.Write(write(view));
            return true;
        }
    }
}
